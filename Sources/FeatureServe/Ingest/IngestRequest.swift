/// A request that brings records for a stream, as it came.
public struct IngestRequest: Sendable {
    /// The stream it is for.
    public let stream: String
    /// Its method, target and fields.
    public let head: IngestHead
    /// Its body, as sent: still compressed when its fields say so.
    public let body: [UInt8]

    /// A request for `stream`.
    public init(stream: String, head: IngestHead, body: [UInt8]) {
        self.stream = stream
        self.head = head
        self.body = body
    }
}

/// The method, the target and the fields of a request.
public struct IngestHead: Sendable {
    private let text: String
    /// The method, such as `POST`.
    public let method: String
    /// Path and query, as sent.
    public let target: String

    /// Reads the head of a request that was found to be well-formed.
    public init(_ bytes: UnsafeBufferPointer<UInt8>) {
        text = String(decoding: bytes, as: UTF8.self)
        let line = text.utf8.prefix { $0 != 0x0D && $0 != 0x0A }
        let words = Substring(line).split(separator: " ")
        method = words.first.map(String.init) ?? ""
        target = words.count > 1 ? String(words[1]) : ""
    }

    /// A head of these parts.
    public init(method: String, target: String, fields: [(name: String, value: String)]) {
        self.init(
            "\(method) \(target) HTTP/1.1\r\n"
                + fields.map { "\($0.name): \($0.value)\r\n" }.joined() + "\r\n")
    }

    private init(_ text: String) {
        var text = text
        self = text.withUTF8 { IngestHead($0) }
    }

    /// The path without the query.
    public var path: String { String(target.prefix { $0 != "?" }) }

    /// The value of the first field called `name`, whatever its case; nil when there is none.
    public func field(_ name: String) -> String? {
        let wanted = name.lowercased()
        for line in text.split(separator: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == wanted
            else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            return String(value.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        }
        return nil
    }
}

/// What a stream says of the requests that bring its records.
public struct IngestRules: Sendable {
    /// Whether requests are let in by their signature alone, so that no key of the server's is asked for.
    public let isSigned: Bool
    /// The largest body, in bytes.
    public let bodyBytesMax: Int

    /// Rules of one stream.
    public init(isSigned: Bool, bodyBytesMax: Int) {
        self.isSigned = isSigned
        self.bodyBytesMax = bodyBytesMax
    }
}

/// What a request that brings records is answered with.
public struct IngestReply: Sendable {
    /// The status of HTTP.
    public var status: Int
    /// JSON.
    public var body: [UInt8]
    /// Seconds after which the same request may succeed; nil for no such advice.
    public var retryAfter: Int64?

    /// An answer.
    public init(status: Int, body: [UInt8], retryAfter: Int64? = nil) {
        self.status = status
        self.body = body
        self.retryAfter = retryAfter
    }
}

/// Takes records for streams, where the topics are: the server's way to them.
public protocol IngestDesk: AnyObject, Sendable {
    /// The rules of `stream`; nil for one that takes no requests. From any thread, at any time.
    func rules(of stream: String) -> IngestRules?

    /// Takes requests in the order they came, which the log has when this returns.
    ///
    /// - Shape: as many answers, in that order. One call at a time.
    func take(_ requests: [IngestRequest]) -> [IngestReply]

    /// Notes a request that came when too much was waiting.
    func noteBusy(_ stream: String)
}
