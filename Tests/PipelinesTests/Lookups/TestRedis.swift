import Glibc
import Synchronization

/// A small server on the loopback that answers in the protocol of Redis what a closure says.
///
/// - Note: each connection has a thread; `stop` ends them all.
final class TestRedis: Sendable {
    /// What is answered: text, texts and nulls, or an error.
    enum Answer: Sendable {
        case text(String?)
        case texts([String?])
        case error(String)
    }

    let port: Int
    private let listener: Int32
    private let open = Mutex<[Int32]>([])
    private let asked = Mutex<[[String]]>([])
    private let answer: @Sendable ([String]) -> Answer

    /// Listens on a free port and answers until it is stopped.
    init(_ answer: @escaping @Sendable ([String]) -> Answer) {
        self.answer = answer
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        precondition(listener >= 0, "a socket")
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        precondition(isBound, "a free port")
        port = Int(UInt16(bigEndian: address.sin_port))
        TestRedis.thread { [self] in accept() }
    }

    /// The commands that came.
    var commands: [[String]] { asked.withLock { $0 } }

    /// Takes no more connections and ends those there are.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { for socket in $0 { shutdown(socket, Int32(SHUT_RDWR)) } }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        precondition(code == 0, "a thread")
        pthread_detach(made)
    }

    private func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            open.withLock { $0.append(socket) }
            TestRedis.thread { [self] in
                serve(socket)
                open.withLock { open in open.removeAll { $0 == socket } }
                close(socket)
            }
        }
        close(listener)
    }

    private func serve(_ socket: Int32) {
        var buffer: [UInt8] = []
        while true {
            while let (words, rest) = TestRedis.command(buffer) {
                buffer = rest
                asked.withLock { $0.append(words) }
                let bytes = TestRedis.bytes(answer(words))
                guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                    return
                }
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(socket, &chunk, chunk.count, 0)
            guard count > 0 else { return }
            buffer += chunk[..<count]
        }
    }

    /// The first whole command of `bytes`, and what follows it.
    private static func command(_ bytes: [UInt8]) -> ([String], [UInt8])? {
        var at = 0
        func line() -> String? {
            guard let end = bytes[at...].firstIndex(of: 10) else { return nil }
            defer { at = end + 1 }
            return String(decoding: bytes[at..<(end - 1)], as: UTF8.self)
        }
        guard let head = line(), let count = Int(head.dropFirst()) else { return nil }
        var words: [String] = []
        for _ in 0..<count {
            guard let size = line().flatMap({ Int($0.dropFirst()) }), at + size + 2 <= bytes.count
            else { return nil }
            words.append(String(decoding: bytes[at..<(at + size)], as: UTF8.self))
            at += size + 2
        }
        return (words, Array(bytes[at...]))
    }

    private static func bytes(_ answer: Answer) -> [UInt8] {
        func text(_ value: String?) -> String {
            value.map { "$\($0.utf8.count)\r\n\($0)\r\n" } ?? "$-1\r\n"
        }
        switch answer {
        case .text(let value): return Array(text(value).utf8)
        case .texts(let values):
            return Array(("*\(values.count)\r\n" + values.map(text).joined()).utf8)
        case .error(let said): return Array("-\(said)\r\n".utf8)
        }
    }
}
