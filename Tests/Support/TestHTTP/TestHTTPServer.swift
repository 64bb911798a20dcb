import Glibc
import Synchronization

/// A small HTTP server on the loopback, for tests: what it answers is a closure, torn answers included.
///
/// - Note: each connection has a thread; `stop` ends them all.
public final class TestHTTPServer: Sendable {
    /// What was asked.
    public struct Request: Sendable {
        /// The method, such as `GET`.
        public let method: String
        /// Path and query as they came.
        public let target: String
        /// The headers, names in lower case.
        public let headers: [String: String]
        /// The body.
        public let body: [UInt8]
        /// The number of the connection it came on, from 0.
        public let connection: Int
    }

    /// What is answered.
    public enum Answer: Sendable {
        /// A whole answer.
        case whole(status: Int, headers: [String: String] = [:], body: [UInt8] = [])
        /// An answer that promises the body but ends after `bytes` of it.
        case cut(status: Int, body: [UInt8], after: Int)
        /// The connection is closed without a word.
        case torn
        /// Nothing is answered until the client gives up.
        case silence
    }

    private let listener: Int32
    /// The port it listens on.
    public let port: Int
    private let open = Mutex<[Int32]>([])
    private let asked = Mutex<[Request]>([])
    private let answer: @Sendable (Request) -> Answer

    /// Listens on `port`, or on a free one, and answers until it is stopped.
    public init(port: Int = 0, _ answer: @escaping @Sendable (Request) -> Answer) {
        self.answer = answer
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        precondition(listener >= 0, "a socket")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        var reuse: Int32 = 1
        setsockopt(
            listener, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        precondition(bound, "a free port")
        self.port = Int(UInt16(bigEndian: address.sin_port))
        TestHTTPServer.thread { [self] in accept() }
    }

    /// The address of its root.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// All that was asked so far.
    public var requests: [Request] { asked.withLock { $0 } }

    /// Takes no more connections and ends those there are.
    public func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { for socket in $0 { shutdown(socket, Int32(SHUT_RDWR)) } }
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) {
        let passed = Unmanaged.passRetained(Work(body)).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue().body()
                return nil
            }, passed)
        precondition(code == 0, "a thread")
        pthread_detach(made)
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private func accept() {
        var number = 0
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            open.withLock { $0.append(socket) }
            let connection = number
            number += 1
            TestHTTPServer.thread { [self] in serve(socket, connection) }
        }
        close(listener)
    }

    private func serve(_ socket: Int32, _ connection: Int) {
        defer {
            open.withLock { open in open.removeAll { $0 == socket } }
            close(socket)
        }
        var buffer: [UInt8] = []
        while let request = read(socket, &buffer, connection) {
            asked.withLock { $0.append(request) }
            switch answer(request) {
            case .whole(let status, let headers, let body):
                var head = "HTTP/1.1 \(status) Said\r\n"
                for (name, value) in headers { head += "\(name): \(value)\r\n" }
                if headers["Content-Length"] == nil { head += "Content-Length: \(body.count)\r\n" }
                send(socket, Array(head.utf8) + [13, 10] + (request.method == "HEAD" ? [] : body))
            case .cut(let status, let body, let after):
                let head = "HTTP/1.1 \(status) Said\r\nContent-Length: \(body.count)\r\n\r\n"
                send(socket, Array(head.utf8) + body.prefix(after))
                return
            case .torn: return
            case .silence:
                var byte: UInt8 = 0
                _ = recv(socket, &byte, 1, 0)
                return
            }
        }
    }

    private func send(_ socket: Int32, _ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)
                )
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    private func fill(_ socket: Int32, _ buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }

    private func read(_ socket: Int32, _ buffer: inout [UInt8], _ connection: Int) -> Request? {
        var end: Int?
        while true {
            end = TestHTTPServer.headEnd(buffer)
            if end != nil { break }
            guard fill(socket, &buffer) else { return nil }
        }
        let lines = String(decoding: buffer[..<end!], as: UTF8.self).split(separator: "\r\n")
        buffer.removeFirst(end! + 4)
        let words = lines[0].split(separator: " ").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(
                line[line.index(after: colon)...].drop { $0 == " " })
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while buffer.count < length { guard fill(socket, &buffer) else { return nil } }
        let body = Array(buffer[..<length])
        buffer.removeFirst(length)
        return Request(
            method: words[0], target: words[1], headers: headers, body: body,
            connection: connection)
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        var at = 0
        while at + 4 <= bytes.count {
            if bytes[at] == 13, bytes[at + 1] == 10, bytes[at + 2] == 13, bytes[at + 3] == 10 {
                return at
            }
            at += 1
        }
        return nil
    }
}
