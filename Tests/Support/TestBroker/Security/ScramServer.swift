/// The server's side of a SCRAM exchange. A pure value: a message in, the answer out.
///
/// - Source: RFC 5802, RFC 7677. Channel binding is not offered.
public struct ScramServer: Sendable {
    private let hash: SHA2
    private let passwords: [String: String]
    private let salt: [UInt8]
    private let nonce: String
    private let iterations = 4096
    private var begun: (user: String, bare: String, answer: String)?

    /// An exchange with somebody of `passwords`.
    ///
    /// - Parameters:
    ///   - salt: of the passwords.
    ///   - nonce: the server's part of it.
    public init(_ hash: SHA2, passwords: [String: String], salt: [UInt8], nonce: String) {
        self.hash = hash
        self.passwords = passwords
        self.salt = salt
        self.nonce = nonce
    }

    /// What is answered to the client's message.
    public enum Answer: Equatable, Sendable {
        case more(String)
        /// The client is who it says; the message proves that the server knows the password too.
        case known(String)
        case refused
    }

    /// Takes the client's next message.
    public mutating func receive(_ message: String) -> Answer {
        guard let begun else { return begin(message) }
        let fields = ScramServer.fields(message)
        guard let parts = Base64.cut(message, at: ",p="),
            let proof = fields["p"].flatMap(Base64.bytes),
            fields["c"] == "biws",
            // Apache Kafka asks for the end only, and librdkafka before 2.6.1 says the client's part twice.
            let nonce = ScramServer.fields(begun.answer)["r"],
            fields["r"]?.hasSuffix(nonce) == true,
            let password = passwords[begun.user]
        else { return .refused }
        let said = "\(begun.bare),\(begun.answer),\(parts.before)"
        let salted = hash.salted(Array(password.utf8), salt: salt, iterations: iterations)
        let key = hash.code(Array("Client Key".utf8), key: salted)
        let signature = hash.code(Array(said.utf8), key: hash.digest(key))
        guard proof == zip(key, signature).map({ $0 ^ $1 }) else { return .refused }
        let serverKey = hash.code(Array("Server Key".utf8), key: salted)
        return .known("v=" + Base64.text(hash.code(Array(said.utf8), key: serverKey)))
    }

    private mutating func begin(_ message: String) -> Answer {
        // "n,,n=user,r=nonce": the part before the second comma says that no channel is bound.
        guard message.hasPrefix("n,,") else { return .refused }
        let bare = String(message.dropFirst(3))
        let fields = ScramServer.fields(bare)
        guard let user = fields["n"], let client = fields["r"] else { return .refused }
        let answer = "r=\(client)\(nonce),s=\(Base64.text(salt)),i=\(iterations)"
        begun = (user, bare, answer)
        return .more(answer)
    }

    private static func fields(_ message: String) -> [String: String] {
        var fields: [String: String] = [:]
        for part in message.split(separator: ",") {
            guard part.dropFirst().first == "=" else { continue }
            fields[String(part.prefix(1))] = String(part.dropFirst(2))
        }
        return fields
    }
}

/// Bytes as text of 64 letters, and back.
enum Base64 {
    private static let letters = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let word = part.enumerated().reduce(0) { $0 | Int($1.element) << (16 - 8 * $1.offset) }
            for index in 0..<4 {
                text.append(
                    index <= part.count
                        ? letters[word >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What is before and after the first `mark` in a text; nil when it has none.
    static func cut(
        _ text: some StringProtocol, at mark: String
    ) -> (before: String, after: String)? {
        let bytes = Array(text.utf8)
        let sought = Array(mark.utf8)
        var at = 0
        while at + sought.count <= bytes.count {
            if bytes[at..<(at + sought.count)].elementsEqual(sought) {
                return (
                    String(decoding: bytes[..<at], as: UTF8.self),
                    String(decoding: bytes[(at + sought.count)...], as: UTF8.self)
                )
            }
            at += 1
        }
        return nil
    }

    /// nil for what is none; the letters of URLs, and text without the sign at its end, are read too.
    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var word = 0
        var bits = 0
        for letter in text.utf8 where letter != UInt8(ascii: "=") {
            let plain =
                letter == UInt8(ascii: "-")
                ? UInt8(ascii: "+") : letter == UInt8(ascii: "_") ? UInt8(ascii: "/") : letter
            guard let value = letters.firstIndex(of: plain) else { return nil }
            word = (word << 6 | value) & 0xFFFF
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            bytes.append(UInt8(truncatingIfNeeded: word >> bits))
        }
        return bytes
    }
}
