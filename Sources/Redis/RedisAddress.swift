/// Where Redis is: one server, or some nodes of a cluster.
///
/// - Shape: `redis://[[user]:password@]host[:port][/database]`, or `redis+cluster://[[user]:password@]host:port,…`.
public struct RedisAddress: Equatable, Sendable {
    /// A server.
    public struct Node: Hashable, Sendable {
        /// Its name or address.
        public let host: String
        /// Its port.
        public let port: Int

        /// The server at `host` and `port`.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `host:port`.
        public var text: String { "\(host):\(port)" }
    }

    /// The servers to begin with.
    public let nodes: [Node]
    /// Whether they are nodes of a cluster.
    public let isCluster: Bool
    /// The user, where there is one.
    public let user: String?
    /// The password, where there is one.
    public let password: String?
    /// The number of the database.
    public let database: Int

    /// One server without a password.
    public init(host: String, port: Int) {
        nodes = [Node(host: host, port: port)]
        isCluster = false
        user = nil
        password = nil
        database = 0
    }

    /// The address that is `text`.
    ///
    /// - Throws: saying what is wrong with it, without the password.
    public init(_ text: String) throws(RedisError) {
        func wrong(_ what: String) -> RedisError {
            .address(
                "the address of Redis \(what)",
                remedy: "write redis://HOST:PORT, redis://:PASSWORD@HOST:PORT/DATABASE or "
                    + "redis+cluster://HOST:PORT,HOST:PORT")
        }
        guard let mark = text.range(of: "://") else { throw wrong("has no scheme") }
        switch text[..<mark.lowerBound] {
        case "redis": isCluster = false
        case "redis+cluster": isCluster = true
        case "rediss": throw wrong("asks for TLS, which is not supported")
        default: throw wrong("begins with another scheme")
        }
        var rest = text[mark.upperBound...]
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = parts.count == 2 && !parts[0].isEmpty ? RedisAddress.decoded(parts[0]) : nil
            password = parts.last.flatMap { $0.isEmpty ? nil : RedisAddress.decoded($0) }
            rest = rest[rest.index(after: at)...]
        } else {
            user = nil
            password = nil
        }
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, !parts[1].isEmpty {
            guard let number = Int(parts[1]), (0..<1024).contains(number), !isCluster else {
                throw wrong("names no database")
            }
            database = number
        } else {
            database = 0
        }
        var nodes: [Node] = []
        for part in parts[0].split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: ":", omittingEmptySubsequences: false)
            guard !pair.isEmpty, pair.count <= 2, !pair[0].isEmpty,
                let port = pair.count == 2 ? Int(pair[1]) : 6379, (1...65_535).contains(port)
            else { throw wrong("names no host and port") }
            nodes.append(Node(host: String(pair[0]), port: port))
        }
        guard isCluster || nodes.count == 1 else {
            throw wrong("names several servers that are no cluster")
        }
        self.nodes = nodes
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            guard byte == 0x25, let high = rest.next(), let low = rest.next(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The servers, without the password.
    public var text: String { nodes.map(\.text).joined(separator: ",") }
}

extension StringProtocol {
    /// The first place of `other`.
    fileprivate func range(of other: String) -> Range<Index>? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(other) { return at..<index(at, offsetBy: other.count) }
            at = index(after: at)
        }
        return nil
    }
}
