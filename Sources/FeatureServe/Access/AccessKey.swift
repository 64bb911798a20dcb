import CDigest
import Glibc

/// A secret that clients present, as it is kept: never itself, but its SHA-256.
public struct AccessKey: Equatable, Sendable {
    /// Who presents it.
    public let name: String
    /// The SHA-256 of the secret, 32 bytes.
    public let digest: [UInt8]
    /// Views it may read, stored and on demand.
    public let reads: Views
    /// Views it may write.
    public let writes: Views
    /// Streams it may bring records for.
    public let ingests: Views
    /// Whether it may read the server's figures and its registry.
    public let isAdmin: Bool
    /// Requests it may make in a second; nil for any number.
    public let perSecond: Int?

    /// Views, or streams, a key has a right on.
    public enum Views: Equatable, Sendable {
        case all
        case some(Set<String>)

        /// Whether `view` is among them.
        @inline(__always)
        public func contains(_ view: String) -> Bool {
            switch self {
            case .all: true
            case .some(let names): names.contains(view)
            }
        }
    }

    /// A key called `name`; without rights it may nothing.
    public init(
        name: String, digest: [UInt8], reads: Views = .some([]), writes: Views = .some([]),
        ingests: Views = .some([]), isAdmin: Bool = false, perSecond: Int? = nil
    ) {
        precondition(digest.count == AccessKey.digestBytes, "a SHA-256 has 32 bytes")
        self.name = name
        self.digest = digest
        self.reads = reads
        self.writes = writes
        self.ingests = ingests
        self.isAdmin = isAdmin
        self.perSecond = perSecond
    }

    /// Bytes of a SHA-256.
    public static let digestBytes = 32
    private static let prefix = "sha256:"

    /// The SHA-256 of a secret.
    public static func digest(of secret: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: digestBytes)
        millrace_sha256(secret.baseAddress, secret.count, &digest)
        return digest
    }

    /// A digest as it is written in a pipelines file: `sha256:` and 64 hexadecimal digits.
    public static func text(of digest: [UInt8]) -> String {
        prefix + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The digest that `text` writes; nil when it writes none.
    public static func digest(from text: String) -> [UInt8]? {
        guard text.hasPrefix(prefix) else { return nil }
        let digits = Array(text.dropFirst(prefix.count).utf8)
        guard digits.count == digestBytes * 2, digits.allSatisfy({ $0 != 0x2B && $0 != 0x2D })
        else { return nil }
        var digest: [UInt8] = []
        for at in stride(from: 0, to: digits.count, by: 2) {
            let pair = String(decoding: digits[at...(at + 1)], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            digest.append(byte)
        }
        return digest
    }

    /// A new secret of 256 random bits, in letters that go into a header and a shell unquoted.
    public static func newSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        let letters = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        // 43 letters of six bits each are 258 bits.
        let text = (0..<43).map { _ in letters[Int(generator.next() & 63)] }
        return "mr_" + String(decoding: text, as: UTF8.self)
    }
}
