/// A header line.
public struct HTTPHeader: Equatable, Sendable {
    /// Its name, compared without regard to case.
    public let name: String
    /// Its value, without spaces at the ends.
    public let value: String

    /// The header `name: value`.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What is sent with a request.
public enum HTTPBody: Equatable, Sendable {
    /// Nothing.
    case none
    /// These bytes.
    case bytes([UInt8])
    /// A range of a file, read while it is sent.
    case file(path: String, offset: Int64, count: Int64)

    /// How many bytes it has.
    public var count: Int64 {
        switch self {
        case .none: 0
        case .bytes(let bytes): Int64(bytes.count)
        case .file(_, _, let count): count
        }
    }
}

/// Something asked of a server.
public struct HTTPRequest: Equatable, Sendable {
    /// What is to be done.
    public enum Method: String, Sendable {
        case get = "GET"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
        case head = "HEAD"
    }

    /// What is to be done.
    public var method: Method
    /// The whole address, percent-encoded, as `https://host:port/path?query`.
    public var url: String
    /// Headers besides those that the transfer needs.
    public var headers: [HTTPHeader]
    /// What is sent with it.
    public var body: HTTPBody

    /// A request; by default without headers and body.
    public init(
        _ method: Method, _ url: String, headers: [HTTPHeader] = [], body: HTTPBody = .none
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// Host and port as the address has them, without user and password: for messages.
    public var host: String { HTTPText.host(of: url) }
}

/// What a server answered, whatever its status.
public struct HTTPResponse: Equatable, Sendable {
    /// The status, such as 200.
    public var status: Int
    /// The header lines in their order.
    public var headers: [HTTPHeader]
    /// The body; empty when it went to a file.
    public var body: [UInt8]

    /// An answer.
    public init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first header of that name.
    public func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }

    /// Whether the status says that it was done (2xx).
    public var isSuccess: Bool { status >= 200 && status < 300 }

    /// The beginning of the body as text, for messages: one line, at most 200 characters.
    public var excerpt: String {
        let text = String(decoding: body.prefix(600), as: UTF8.self)
        return String(text.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(200))
    }
}
