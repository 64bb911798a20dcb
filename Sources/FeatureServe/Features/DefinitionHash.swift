import Codecs

/// What tells one way of computing features from another: a hash of its canonical text.
///
/// - Shape: XXH3-64 of the text. Whatever decides values is in the text (types, expressions, the steps and
///   streams behind); names of owners, descriptions, tags, defaults and ttls are not.
public struct DefinitionHash: Hashable, Sendable {
    /// The hash.
    public let value: UInt64

    /// A hash that is known already.
    public init(value: UInt64) { self.value = value }

    /// The hash of a definition's canonical text.
    public init(of text: String) {
        var text = text
        value = text.withUTF8 { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return 0 }
            return UInt64(bitPattern: Hash.xxh3(base, bytes.count))
        }
    }

    /// Sixteen hexadecimal digits.
    public var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
