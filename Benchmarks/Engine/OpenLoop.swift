import Glibc

/// A client that sends at a fixed rate whether or not answers come: how long each request took is counted from
/// the moment it was due, so that a server that stands still is charged for all it kept waiting.
final class OpenLoop {
    /// What came back.
    struct Result {
        var latency = LatencyHistogram()
        /// The same without requests that were under way or due while the client itself stood still, because
        /// the machine gave its core to something else: the server is charged for its own time only.
        var undisturbed = LatencyHistogram()
        /// How long the client stood still in all.
        var stoodNanos = 0
        /// Answers that were 200, and others by status.
        var fine = 0
        var others: [Int: Int] = [:]
        /// Answers in which a value is marked as not known.
        var unknown = 0
        var seconds = 0.0

        var rate: Int { Int(Double(latency.count) / max(seconds, 1e-9)) }
        var text: String {
            let other = others.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
            return "\(rate) requests/s, \(latency.text)"
                + (stoodNanos > 0
                    ? "; without \(stoodNanos / 1_000_000) ms in which the client stood still: "
                        + "p99 \(LatencyHistogram.millis(undisturbed.quantile(0.99))), p99.9 \(LatencyHistogram.millis(undisturbed.quantile(0.999))) ms"
                    : "")
                + (other.isEmpty ? "" : ", NOT 200: \(other.joined(separator: ", "))")
        }
    }

    private struct Connection {
        let socket: Int32
        var due = 0
        var isBusy = false
        var have = 0
        var wanted = Int.max
        var status = 0
        var isUnknown = false
    }

    private let requests: [[UInt8]]
    /// Whether answers are searched for values that are not known.
    var looksForUnknown = false
    private var connections: [Connection] = []
    private var buffers: [UnsafeMutablePointer<UInt8>] = []
    private var polled: [pollfd] = []
    private static let bufferBytes = 1 << 20
    /// What no answer takes to be read: a gap this long was not the client's doing.
    private static let standstillNanos = 1_000_000

    /// A client of the server at `port` that sends `requests` in turn over so many connections.
    init?(port: Int, requests: [[UInt8]], connections count: Int) {
        self.requests = requests
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        for _ in 0..<count {
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard result == 0 else { return nil }
            var yes: Int32 = 1
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
            polled.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0))
            connections.append(Connection(socket: socket))
            buffers.append(.allocate(capacity: OpenLoop.bufferBytes))
        }
    }

    deinit {
        for connection in connections { close(connection.socket) }
        for buffer in buffers { buffer.deallocate() }
    }

    /// Sends `rate` requests a second for `seconds`, or as fast as answers come where `rate` is 0.
    func run(rate: Double, seconds: Double, seed: Int = 1) -> Result {
        var result = Result()
        let start = nanos()
        let end = start + Int(seconds * 1e9)
        let gap = rate > 0 ? 1e9 / rate : 0
        var sent = 0
        var next = seed
        var idle = Array(connections.indices)
        var last = start
        var stoodUntil = 0
        while true {
            let now = nanos()
            if now - last > OpenLoop.standstillNanos {
                result.stoodNanos += now - last
                // What had piled up by then is still being worked off for about as long again.
                stoodUntil = now + (now - last)
            }
            last = now
            if now >= end + 2_000_000_000 || (now >= end && idle.count == connections.count) {
                break
            }
            while !idle.isEmpty {
                let due = rate > 0 ? start + Int(Double(sent) * gap) : now
                guard due <= now, due < end, now < end + 1_000_000_000 else { break }
                let index = idle.removeLast()
                connections[index].due = due
                connections[index].have = 0
                connections[index].wanted = .max
                connections[index].isUnknown = false
                next = (next &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407)
                let request = requests[Int(UInt(bitPattern: next) >> 33) % requests.count]
                _ = request.withUnsafeBytes {
                    send(
                        connections[index].socket, $0.baseAddress!, $0.count,
                        Int32(MSG_NOSIGNAL))
                }
                sent += 1
            }
            guard poll(&polled, nfds_t(polled.count), 0) > 0 else { continue }
            for index in polled.indices where polled[index].revents != 0 {
                if receive(index) {
                    idle.append(index)
                    let taken = nanos() - connections[index].due
                    result.latency.add(nanos: taken)
                    if now >= stoodUntil { result.undisturbed.add(nanos: taken) }
                    if connections[index].status == 200 {
                        result.fine += 1
                    } else {
                        result.others[connections[index].status, default: 0] += 1
                    }
                    if connections[index].isUnknown { result.unknown += 1 }
                }
            }
        }
        result.seconds = Double(min(nanos(), end) - start) / 1e9
        return result
    }

    /// Takes what has come; true when the answer is whole.
    private func receive(_ index: Int) -> Bool {
        let buffer = buffers[index]
        let have = connections[index].have
        let count = recv(
            connections[index].socket, buffer + have, OpenLoop.bufferBytes - have,
            Int32(MSG_DONTWAIT))
        guard count > 0 else { return false }
        connections[index].have += count
        let all = connections[index].have
        if connections[index].wanted == .max {
            guard let head = OpenLoop.find("\r\n\r\n", in: buffer, all) else { return false }
            connections[index].status = OpenLoop.number(buffer + 9, 3)
            let field = OpenLoop.find("content-length: ", in: buffer, head)
            connections[index].wanted =
                head + 4 + (field.map { OpenLoop.number(buffer + $0 + 16, head - $0 - 16) } ?? 0)
        }
        guard connections[index].have >= connections[index].wanted else { return false }
        if looksForUnknown, OpenLoop.find("\"INVALID\"", in: buffer, all) != nil {
            connections[index].isUnknown = true
        }
        return true
    }

    /// The digits at `base`, as far as they go.
    private static func number(_ base: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        var value = 0
        var at = 0
        while at < count, base[at] >= 0x30, base[at] <= 0x39 {
            value = value * 10 + Int(base[at] - 0x30)
            at += 1
        }
        return value
    }

    private static func find(
        _ text: StaticString, in base: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Int? {
        let length = text.utf8CodeUnitCount
        var at = 0
        while at + length <= count {
            guard let found = memchr(base + at, Int32(text.utf8Start[0]), count - at) else {
                return nil
            }
            at = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            if at + length <= count, memcmp(base + at, text.utf8Start, length) == 0 { return at }
            at += 1
        }
        return nil
    }

    private func nanos() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
