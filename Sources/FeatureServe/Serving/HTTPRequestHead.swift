import Glibc

/// What a request's head says, as far as the server goes by it.
struct HTTPRequestHead: Equatable {
    enum Method: Equatable { case get, head, post, other }
    enum Route: Equatable {
        case lookup, health, metrics, push, write, materialize, rank, registry, ingest, unknown
    }

    var method = Method.other
    var route = Route.unknown
    /// What stands behind the route in the path: a service to rank for, a definition, a stream.
    var name = ""
    /// Bytes up to and including the empty line.
    var length = 0
    var contentLength = 0
    var isChunked = false
    var keepsAlive = true
    var expectsContinue = false
    /// Whether the query has `status=true`: the Go server's way to ask for statuses and event times.
    var wantsDetails = false
    /// Where the secret stands that the caller presents.
    var secret: Range<Int>?
    /// Whether the answer may be gzip.
    var acceptsGzip = false

    /// A head that cannot be answered: the status and why.
    struct Problem: Error, Equatable {
        let status: Int
        let reason: String
    }

    static let lengthMax = 16 << 10
    static let linesMax = 100

    /// Where the head ends, looking from `from` on; nil when it is not all there.
    static func end(
        _ base: UnsafePointer<UInt8>, _ count: Int, from: Int
    ) -> Int? {
        var at = from
        while at < count {
            guard let found = memchr(base + at, 0x0A, count - at) else { return nil }
            at = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            if at >= 3, base[at - 1] == 0x0D, base[at - 2] == 0x0A, base[at - 3] == 0x0D {
                return at + 1
            }
            at += 1
        }
        return nil
    }

    /// Reads the head in the first `length` bytes.
    ///
    /// - Source: RFC 9112; what would let two readers of one connection disagree is refused.
    init(_ base: UnsafePointer<UInt8>, length: Int) throws(Problem) {
        self.length = length
        var lineStart = 0
        var lines = 0
        var hasLength = false
        var hasHost = false
        var isOld = false
        while lineStart < length - 2 {
            guard let found = memchr(base + lineStart, 0x0D, length - lineStart) else { break }
            let lineEnd = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            guard lineEnd + 1 < length, base[lineEnd + 1] == 0x0A else {
                throw Problem(status: 400, reason: "a bare CR in the head")
            }
            let line = UnsafeBufferPointer(start: base + lineStart, count: lineEnd - lineStart)
            if lines == 0 {
                isOld = try readRequestLine(line)
            } else if !line.isEmpty {
                try readField(line, at: lineStart, &hasLength, &hasHost)
            }
            lines += 1
            guard lines <= HTTPRequestHead.linesMax else {
                throw Problem(status: 431, reason: "too many header fields")
            }
            lineStart = lineEnd + 2
        }
        guard hasHost || isOld else { throw Problem(status: 400, reason: "no Host field") }
        guard !(hasLength && isChunked) else {
            throw Problem(status: 400, reason: "both Content-Length and Transfer-Encoding")
        }
        guard !(isOld && isChunked) else {
            throw Problem(status: 400, reason: "chunks in HTTP/1.0")
        }
    }

    private mutating func readRequestLine(
        _ line: UnsafeBufferPointer<UInt8>
    ) throws(Problem) -> Bool {
        guard let first = line.firstIndex(of: 0x20), let last = line.lastIndex(of: 0x20),
            first > 0, last > first + 1
        else { throw Problem(status: 400, reason: "not a request line") }
        let target = UnsafeBufferPointer(rebasing: line[(first + 1)..<last])
        guard !target.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw Problem(status: 400, reason: "not a request line")
        }
        let version = UnsafeBufferPointer(rebasing: line[(last + 1)...])
        let isOld = Self.equals(version, "HTTP/1.0")
        guard isOld || Self.equals(version, "HTTP/1.1") else {
            throw version.starts(with: [0x48, 0x54, 0x54, 0x50, 0x2F])
                ? Problem(status: 505, reason: "only HTTP/1.1 is spoken here")
                : Problem(status: 400, reason: "not a request line")
        }
        keepsAlive = !isOld
        let name = UnsafeBufferPointer(rebasing: line[..<first])
        guard name.allSatisfy({ Self.isToken($0) }) else {
            throw Problem(status: 400, reason: "not a request line")
        }
        if Self.equals(name, "POST") {
            method = .post
        } else if Self.equals(name, "GET") {
            method = .get
        } else if Self.equals(name, "HEAD") {
            method = .head
        }
        let pathEnd = target.firstIndex(of: 0x3F) ?? target.count
        let path = UnsafeBufferPointer(rebasing: target[..<pathEnd])
        if pathEnd < target.count {
            wantsDetails = target[(pathEnd + 1)...].split(separator: 0x26).contains {
                Self.equals(UnsafeBufferPointer(rebasing: $0), "status=true")
            }
        }
        if Self.equals(path, "/get-online-features") {
            route = .lookup
        } else if Self.equals(path, "/push") {
            route = .push
        } else if Self.equals(path, "/write-to-online-store") {
            route = .write
        } else if Self.equals(path, "/materialize")
            || Self.equals(path, "/materialize-incremental")
        {
            route = .materialize
        } else if Self.equals(path, "/health") {
            route = .health
        } else if Self.equals(path, "/metrics") {
            route = .metrics
        } else if Self.equals(path, "/registry") {
            route = .registry
        } else if let rest = Self.rest(path, after: "/registry/") {
            route = .registry
            self.name = rest
        } else if let rest = Self.rest(path, after: "/rank/") {
            route = .rank
            self.name = rest
        } else if let rest = Self.rest(path, after: "/ingest/") {
            route = .ingest
            self.name = rest
        }
        return isOld
    }

    private mutating func readField(
        _ line: UnsafeBufferPointer<UInt8>, at lineStart: Int, _ hasLength: inout Bool,
        _ hasHost: inout Bool
    ) throws(Problem) {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else {
            throw Problem(status: 400, reason: "a header field without a name")
        }
        let name = UnsafeBufferPointer(rebasing: line[..<colon])
        var start = colon + 1
        var end = line.count
        while start < end, line[start] == 0x20 || line[start] == 0x09 { start += 1 }
        while end > start, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        let value = UnsafeBufferPointer(rebasing: line[start..<end])
        guard name.allSatisfy({ Self.isToken($0) }),
            value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
        else { throw Problem(status: 400, reason: "a header field with forbidden bytes") }
        switch name.count {
        case 4 where Self.equals(name, "host", foldingCase: true):
            guard !hasHost else { throw Problem(status: 400, reason: "two Host fields") }
            hasHost = true
        case 14 where Self.equals(name, "content-length", foldingCase: true):
            guard !value.isEmpty, value.count <= 18, value.allSatisfy({ $0 &- 0x30 < 10 }) else {
                throw Problem(status: 400, reason: "a Content-Length that is no number")
            }
            let length = value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            guard !hasLength || length == contentLength else {
                throw Problem(status: 400, reason: "two different Content-Lengths")
            }
            contentLength = length
            hasLength = true
        case 17 where Self.equals(name, "transfer-encoding", foldingCase: true):
            guard Self.equals(value, "chunked", foldingCase: true), !isChunked else {
                throw Problem(status: 501, reason: "a transfer coding other than chunked")
            }
            isChunked = true
        case 9 where Self.equals(name, "x-api-key", foldingCase: true):
            secret = (lineStart + start)..<(lineStart + end)
        case 13 where Self.equals(name, "authorization", foldingCase: true):
            if let token = AccessRules.secret(inAuthorization: value) {
                secret = (lineStart + end - token.count)..<(lineStart + end)
            }
        case 10 where Self.equals(name, "connection", foldingCase: true):
            if Self.equals(value, "close", foldingCase: true) { keepsAlive = false }
            if Self.equals(value, "keep-alive", foldingCase: true) { keepsAlive = true }
        case 15 where Self.equals(name, "accept-encoding", foldingCase: true):
            acceptsGzip = value.split(separator: 0x2C).contains { Self.isGzip($0) }
        case 6 where Self.equals(name, "expect", foldingCase: true):
            guard Self.equals(value, "100-continue", foldingCase: true) else {
                throw Problem(status: 417, reason: "an expectation other than 100-continue")
            }
            expectsContinue = true
        default: break
        }
    }

    /// Whether a coding that is accepted is gzip, with a weight above 0.
    private static func isGzip(_ coding: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let parts = coding.split(separator: 0x3B, maxSplits: 1)
        let name = parts.first?.filter { $0 != 0x20 && $0 != 0x09 } ?? []
        guard name.elementsEqual("gzip".utf8) || name.elementsEqual("*".utf8) else { return false }
        guard parts.count == 2 else { return true }
        return parts[1].contains { (0x31...0x39).contains($0) }
    }

    /// What follows `prefix` in `path`, a name without slashes; nil when the path is another one.
    private static func rest(
        _ path: UnsafeBufferPointer<UInt8>, after prefix: StaticString
    ) -> String? {
        let length = prefix.utf8CodeUnitCount
        guard path.count > length, memcmp(path.baseAddress!, prefix.utf8Start, length) == 0 else {
            return nil
        }
        let rest = path[length...]
        guard rest.allSatisfy({ $0 == 0x5F || isToken($0) }) else { return nil }
        return String(decoding: rest, as: UTF8.self)
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E,
            0x5E...0x60, 0x7C, 0x7E:
            true
        default: false
        }
    }

    private static func equals(
        _ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString, foldingCase: Bool = false
    ) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        var index = 0
        while index < bytes.count {
            var byte = bytes[index]
            if foldingCase, byte &- 0x41 < 26 { byte |= 0x20 }
            if byte != text.utf8Start[index] { return false }
            index &+= 1
        }
        return true
    }
}
