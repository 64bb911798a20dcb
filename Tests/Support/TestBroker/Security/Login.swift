/// Who is at the other end of a connection: what a broker that asks for names and passwords lets through.
///
/// - Source: KIP-43, KIP-152: the mechanism is agreed on, then its messages travel in requests of their own;
///   before that nothing but the versions is answered.
struct Login {
    /// The mechanisms offered.
    static let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    private let passwords: [String: String]
    private var mechanism: String?
    private var scram: ScramServer?
    /// Whether the client has proved who it is, or need not.
    private(set) var isKnown: Bool

    /// A connection that has just been made; without users everybody is let in.
    init(_ passwords: [String: String]) {
        self.passwords = passwords
        isKnown = passwords.isEmpty
    }

    /// Whether a request of this kind may be answered now.
    func allows(_ api: API) -> Bool {
        isKnown || [.apiVersions, .saslHandshake, .saslAuthenticate].contains(api)
    }

    /// Answers one of the two requests.
    ///
    /// - Returns: the answer, and whether the connection is closed behind it.
    mutating func answer(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> (answer: ResponseWriter, isOver: Bool) {
        var answer = ResponseWriter(answering: header)
        guard header.api == .saslAuthenticate else {
            let wanted = try request.string()
            let isOffered = Login.mechanisms.contains(wanted)
            if isOffered { begin(wanted) }
            answer.error(isOffered ? .none : .unsupportedSaslMechanism)
            answer.array(Login.mechanisms) { $0.string($1) }
            return (answer, !isOffered)
        }
        let said = try request.bytes()
        let reply = receive(said)
        answer.error(reply == nil ? .saslAuthenticationFailed : .none)
        answer.nullableString(
            reply == nil ? "Authentication failed: Invalid username or password" : nil)
        answer.bytes(reply ?? [])
        if header.version >= 1 { answer.int64(0) }
        return (answer, reply == nil)
    }

    private mutating func begin(_ mechanism: String) {
        self.mechanism = mechanism
        let hash: SHA2? =
            switch mechanism {
            case "SCRAM-SHA-256": .sha256
            case "SCRAM-SHA-512": .sha512
            default: nil
            }
        scram = hash.map {
            ScramServer(
                $0, passwords: passwords, salt: (0..<16).map { _ in .random(in: 0...255) },
                nonce: Base64.text((0..<18).map { _ in .random(in: 0...255) }))
        }
    }

    /// What is answered to a message of the mechanism; nil when the client is not who it says.
    private mutating func receive(_ message: [UInt8]) -> [UInt8]? {
        let text = String(decoding: message, as: UTF8.self)
        switch mechanism {
        case "PLAIN":
            let parts = text.split(separator: "\0", omittingEmptySubsequences: false).map(
                String.init)
            isKnown = parts.count == 3 && passwords[parts[1]] == parts[2]
            return isKnown ? [] : nil
        case "OAUTHBEARER":
            isKnown = Login.subject(text).map { passwords[$0] != nil } ?? false
            return isKnown ? [] : nil
        default:
            switch scram?.receive(text) {
            case .more(let answer): return Array(answer.utf8)
            case .known(let answer):
                isKnown = true
                return Array(answer.utf8)
            case .refused, nil: return nil
            }
        }
    }

    /// The subject of an unsecured token, as clients make them for tests (RFC 7628, RFC 7515 with "none").
    private static func subject(_ text: String) -> String? {
        guard let token = Base64.cut(text, at: "auth=Bearer ")?.after else { return nil }
        let parts = token.prefix { $0 != "\u{1}" }
            .split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let claims = Base64.bytes(parts[1]) else { return nil }
        let json = String(decoding: claims, as: UTF8.self)
        guard let name = Base64.cut(json, at: "\"sub\"") else { return nil }
        let quoted = name.after.split(separator: "\"", omittingEmptySubsequences: false)
        return quoted.count > 1 ? String(quoted[1]) : nil
    }
}
