import CEpoll
import Glibc

/// A client's connection: bytes in, cut into requests, and responses out.
///
/// The next request is not handed on before the one at work is answered: responses stand in the order of
/// the requests, and a client cannot make the broker remember more than one request and a buffer.
final class Connection {
    /// The largest request that is accepted.
    static let requestBytesMax = 104_857_600

    let id: Int
    let node: Int32
    private let descriptor: Int32
    private unowned let loop: EventLoop
    /// Called with each request; `requestDone` says that the next may come.
    private let onRequest: (Connection, UnsafeMutableRawBufferPointer) -> Void
    private let onClose: (Connection) -> Void

    private var incoming: UnsafeMutableRawPointer
    private var capacity = 1 << 16
    private var filled = 0
    private var taken = 0
    private var outgoing: [ResponseWriter.Piece] = []
    private var outgoingAt = 0
    private var isBusy = false
    private var isCutting = false
    private var watched: UInt32 = 0
    private(set) var isClosed = false
    /// While frozen nothing is read and nothing is written.
    var isFrozen = false { didSet { proceed() } }

    init(
        id: Int, node: Int32, descriptor: Int32, loop: EventLoop,
        onRequest: @escaping (Connection, UnsafeMutableRawBufferPointer) -> Void,
        onClose: @escaping (Connection) -> Void
    ) {
        self.id = id
        self.node = node
        self.descriptor = descriptor
        self.loop = loop
        self.onRequest = onRequest
        self.onClose = onClose
        incoming = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        watched = EPOLLIN.rawValue
        loop.watch(descriptor, watched) { [unowned self] events in ready(events) }
    }

    deinit {
        incoming.deallocate()
        if !isClosed { Glibc.close(descriptor) }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.forget(descriptor)
        Glibc.close(descriptor)
        outgoing = []
        onClose(self)
    }

    private func ready(_ events: UInt32) {
        // These come also unasked: a frozen connection that broke would be told of them for ever.
        if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { return close() }
        if isFrozen { return }
        if events & EPOLLOUT.rawValue != 0 { flush() }
        if events & EPOLLIN.rawValue != 0 { receive() }
    }

    private func proceed() {
        flush()
        cut()
        watch()
    }

    /// Watches for what is wanted now.
    private func watch() {
        guard !isClosed else { return }
        var wanted: UInt32 = 0
        if !isFrozen {
            if filled < capacity { wanted |= EPOLLIN.rawValue }
            if !outgoing.isEmpty { wanted |= EPOLLOUT.rawValue }
        }
        if wanted != watched {
            watched = wanted
            loop.change(descriptor, wanted)
        }
    }

    // MARK: in

    private func receive() {
        while !isClosed, filled < capacity {
            let count = recv(descriptor, incoming + filled, capacity - filled, 0)
            if count > 0 {
                filled += count
                cut()
                // The buffer is full of what cannot be handed on yet, or was emptied.
                continue
            }
            if count < 0, errno == EAGAIN || errno == EINTR { break }
            return close()
        }
        watch()
    }

    /// Hands on the requests that are whole, one at a time.
    private func cut() {
        // An answer given at once ends up here again: the loop below goes on by itself then.
        guard !isCutting else { return }
        isCutting = true
        defer { isCutting = false }
        while !isBusy, !isFrozen, !isClosed, filled - taken >= 4 {
            let size = Int(Int32(bigEndian: (incoming + taken).loadUnaligned(as: Int32.self)))
            guard size >= 8, size <= Connection.requestBytesMax else { return close() }
            guard filled - taken >= 4 + size else {
                makeRoom(for: 4 + size)
                return
            }
            isBusy = true
            let request = UnsafeMutableRawBufferPointer(start: incoming + taken + 4, count: size)
            taken += 4 + size
            onRequest(self, request)
        }
        if taken == filled {
            taken = 0
            filled = 0
        } else if !isBusy {
            makeRoom(for: 4)
        }
    }

    /// Moves what is left to the front of a buffer that a whole request fits in.
    private func makeRoom(for bytes: Int) {
        guard capacity - taken < bytes || filled == capacity else { return }
        let left = filled - taken
        if bytes > capacity {
            let larger = max(bytes, min(capacity * 2, 1 << 21))
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            moved.copyMemory(from: incoming + taken, byteCount: left)
            incoming.deallocate()
            incoming = moved
            capacity = larger
        } else {
            incoming.copyMemory(from: incoming + taken, byteCount: left)
        }
        taken = 0
        filled = left
    }

    /// Says that the request at work needs nothing more.
    func requestDone() {
        isBusy = false
        cut()
        watch()
    }

    // MARK: out

    func send(_ pieces: [ResponseWriter.Piece]) {
        guard !isClosed else { return }
        outgoing.append(contentsOf: pieces)
        flush()
        watch()
    }

    private func flush() {
        while !isFrozen, !isClosed, let piece = outgoing.first {
            let total: Int
            let sent: Int
            switch piece {
            case .bytes(let bytes):
                total = bytes.count
                let flags =
                    Int32(MSG_NOSIGNAL)
                    | (outgoing.count > 1 ? Int32(MSG_MORE) : 0)
                sent = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress! + outgoingAt, total - outgoingAt, flags)
                }
            case .file(let file, let position, let count):
                total = count
                var offset = off_t(position + outgoingAt)
                sent = sendfile(descriptor, file.descriptor, &offset, count - outgoingAt)
            }
            guard sent > 0 else {
                if sent < 0, errno == EAGAIN { return }
                if sent < 0, errno == EINTR { continue }
                return close()
            }
            outgoingAt += sent
            if outgoingAt == total {
                outgoing.removeFirst()
                outgoingAt = 0
            }
        }
    }
}
