import StreamRuntime

/// A small JSON document as a value: members keep their order, numbers keep their digits.
///
/// - Note: for single documents such as requests and answers; rows are decoded column by column elsewhere.
public indirect enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A number, in its own digits.
    case number(String)
    /// Text.
    case string(String)
    /// A list.
    case array([JSONValue])
    /// An object, its members in order.
    case object([Member])

    /// A member of an object.
    public struct Member: Equatable, Sendable {
        /// Its name.
        public var name: String
        /// Its value.
        public var value: JSONValue

        /// The member `name` with `value`.
        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The members of an object; none for anything else.
    public var members: [Member] { if case .object(let members) = self { members } else { [] } }

    /// The items of a list; none for anything else.
    public var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }

    /// The value of the last member called `name`.
    public subscript(name: String) -> JSONValue? { members.last { $0.name == name }?.value }

    /// Text, a number's digits or a boolean's word; nil for null, lists and objects.
    public var scalarText: String? {
        switch self {
        case .string(let text), .number(let text): text
        case .boolean(let value): value ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    /// Whether it has parts.
    public var hasParts: Bool {
        switch self {
        case .array, .object: true
        default: false
        }
    }

    /// All values at `path`: names from the outside in, where each list stands for all of its items.
    public func values(at path: ArraySlice<String>) -> [JSONValue] {
        if case .array(let items) = self { return items.flatMap { $0.values(at: path) } }
        guard let name = path.first else { return [self] }
        return self[name]?.values(at: path.dropFirst()) ?? []
    }

    /// The document without any space.
    public var text: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }

    private func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .boolean(let value): bytes += (value ? "true" : "false").utf8
        case .number(let digits): bytes += digits.utf8
        case .string(let text): JSONValue.quote(text, to: &bytes)
        case .array(let items):
            bytes.append(0x5B)
            for (index, item) in items.enumerated() {
                if index > 0 { bytes.append(0x2C) }
                item.append(to: &bytes)
            }
            bytes.append(0x5D)
        case .object(let members):
            bytes.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(0x2C) }
                JSONValue.quote(member.name, to: &bytes)
                bytes.append(0x3A)
                member.value.append(to: &bytes)
            }
            bytes.append(0x7D)
        }
    }

    private static func quote(_ text: String, to bytes: inout [UInt8]) {
        var text = text
        text.withUTF8 { JSONQuoting.append($0, to: &bytes) }
    }

    /// Reads a whole document; nil when it is none, or is nested deeper than 64 levels.
    public init?(_ bytes: [UInt8]) {
        var reader = JSONValueReader(bytes: bytes)
        guard let value = reader.document() else { return nil }
        self = value
    }
}

/// Reads one document from its bytes.
private struct JSONValueReader {
    let bytes: [UInt8]
    var at = 0
    private static let depthMax = 64

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() -> JSONValue? {
        guard let value = value(0) else { return nil }
        skipSpace()
        return at == bytes.count ? value : nil
    }

    private mutating func skipSpace() {
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) -> JSONValue? {
        let end = at + text.utf8CodeUnitCount
        guard end <= bytes.count,
            text.withUTF8Buffer({ $0.elementsEqual(bytes[at..<end]) })
        else { return nil }
        at = end
        return value
    }

    private mutating func value(_ depth: Int) -> JSONValue? {
        skipSpace()
        guard depth < JSONValueReader.depthMax, at < bytes.count else { return nil }
        switch bytes[at] {
        case 0x22: return string().map { .string($0) }
        case 0x6E: return word("null", .null)
        case 0x74: return word("true", .boolean(true))
        case 0x66: return word("false", .boolean(false))
        case 0x5B:
            at += 1
            var items: [JSONValue] = []
            if take(0x5D) { return .array([]) }
            repeat {
                guard let item = value(depth + 1) else { return nil }
                items.append(item)
            } while take(0x2C)
            return take(0x5D) ? .array(items) : nil
        case 0x7B:
            at += 1
            var members: [JSONValue.Member] = []
            if take(0x7D) { return .object([]) }
            repeat {
                skipSpace()
                guard let name = string(), take(0x3A), let item = value(depth + 1) else {
                    return nil
                }
                members.append(.init(name, item))
            } while take(0x2C)
            return take(0x7D) ? .object(members) : nil
        default: return number()
        }
    }

    private mutating func number() -> JSONValue? {
        let start = at
        while at < bytes.count,
            (0x30...0x39).contains(bytes[at]) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(bytes[at])
        {
            at += 1
        }
        let digits = String(decoding: bytes[start..<at], as: UTF8.self)
        return Double(digits) == nil ? nil : .number(digits)
    }

    private mutating func string() -> String? {
        guard at < bytes.count, bytes[at] == 0x22 else { return nil }
        at += 1
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            switch byte {
            case 0x22: return String(validating: text, as: UTF8.self)
            case 0x5C:
                guard at < bytes.count else { return nil }
                let escape = bytes[at]
                at += 1
                switch escape {
                case 0x22, 0x5C, 0x2F: text.append(escape)
                case 0x62: text.append(0x08)
                case 0x66: text.append(0x0C)
                case 0x6E: text.append(0x0A)
                case 0x72: text.append(0x0D)
                case 0x74: text.append(0x09)
                case 0x75:
                    guard let scalar = escapedScalar() else { return nil }
                    text += String(Character(scalar)).utf8
                default: return nil
                }
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func unit() -> UInt32? {
        guard at + 4 <= bytes.count,
            let unit = UInt32(String(decoding: bytes[at..<(at + 4)], as: UTF8.self), radix: 16)
        else { return nil }
        at += 4
        return unit
    }

    /// What `\u` stands for; half of a pair without the other is the replacement character.
    private mutating func escapedScalar() -> Unicode.Scalar? {
        guard let high = unit() else { return nil }
        guard (0xD800..<0xDC00).contains(high) else { return Unicode.Scalar(high) ?? "\u{FFFD}" }
        guard at + 1 < bytes.count, bytes[at] == 0x5C, bytes[at + 1] == 0x75 else {
            return "\u{FFFD}"
        }
        at += 2
        guard let low = unit() else { return nil }
        guard (0xDC00..<0xE000).contains(low) else { return "\u{FFFD}" }
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    }
}
