import Glibc
import StreamRuntime

/// One request to a server and its whole answer, by a blocking socket: for commands and tests.
public enum HTTPAsk {
    /// A status and a body.
    public struct Answer: Equatable, Sendable {
        /// The status code.
        public let status: Int
        /// The body's bytes as text.
        public let body: String
    }

    /// Posts `body` to `path`, or gets it when `body` is nil, presenting `secret` where a key is asked for.
    ///
    /// - Throws: when nobody answers there within five seconds.
    public static func send(
        host: String = "127.0.0.1", port: Int, path: String, body: String? = nil,
        secret: String? = nil
    ) throws(JobFailure) -> Answer {
        var request = "\(body == nil ? "GET" : "POST") \(path) HTTP/1.1\r\nhost: \(host)\r\n"
        request += "connection: close\r\n"
        if let secret, !secret.contains(where: \.isNewline) {
            request += "authorization: Bearer \(secret)\r\n"
        }
        if let body {
            request += "content-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n"
        }
        request += "\r\n" + (body ?? "")
        let bytes = try exchange(host: host, port: port, Array(request.utf8))
        guard let split = end(bytes), bytes.count > 12,
            let status = Int(String(decoding: bytes[9..<12], as: UTF8.self))
        else {
            throw JobFailure(
                .environment, "the answer is not HTTP", at: "\(host):\(port)",
                remedy: "check that a millrace server listens on this port")
        }
        return Answer(status: status, body: String(decoding: bytes[split...], as: UTF8.self))
    }

    /// Sends `bytes` and returns all that comes back until the other side closes.
    public static func exchange(
        host: String = "127.0.0.1", port: Int, _ bytes: [UInt8], half: Bool = false
    ) throws(JobFailure) -> [UInt8] {
        let socket = try connect(host: host, port: port)
        defer { close(socket) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)
                )
            }
            if count <= 0 { break }
            sent += count
        }
        if half { shutdown(socket, Int32(SHUT_WR)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &chunk, chunk.count, 0)
            if count <= 0 { break }
            answer += chunk[..<count]
        }
        return answer
    }

    /// A connected socket that gives up after five seconds of silence; the caller closes it.
    static func connect(host: String, port: Int) throws(JobFailure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &list) == 0, let list else {
            throw JobFailure(
                .environment, "\(host) is not a known host", at: "\(host):\(port)",
                remedy: "correct the host's name")
        }
        defer { freeaddrinfo(list) }
        let socket = Glibc.socket(list.pointee.ai_family, list.pointee.ai_socktype, 0)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        guard Glibc.connect(socket, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0 else {
            close(socket)
            throw JobFailure(
                .environment, "nothing answers on port \(port)", at: "\(host):\(port)",
                remedy: "start the server (millrace run), or give its port")
        }
        return socket
    }

    private static func end(_ bytes: [UInt8]) -> Int? {
        var at = 3
        while at < bytes.count {
            if bytes[at] == 0x0A, bytes[at - 1] == 0x0D, bytes[at - 2] == 0x0A { return at + 1 }
            at += 1
        }
        return nil
    }
}
