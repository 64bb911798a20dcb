/// A piece of the file as YAML sees it, with its place: a scalar, a list or a mapping.
struct SpecNode: Sendable {
    indirect enum Content: Sendable {
        case scalar(SpecScalar)
        case list([SpecNode])
        case mapping([Entry])
    }

    /// A key of a mapping with its value.
    struct Entry: Sendable {
        let key: String
        let keyPosition: Position
        let value: SpecNode
    }

    let content: Content
    let position: Position

    var scalar: SpecScalar? {
        if case .scalar(let scalar) = content { scalar } else { nil }
    }

    /// Nothing written, `~` or `null`.
    var isNull: Bool { scalar?.kind == .null }

    var entries: [Entry] {
        if case .mapping(let entries) = content { entries } else { [] }
    }

    var items: [SpecNode] {
        if case .list(let items) = content { items } else { [] }
    }

    /// The value under `key`, unless it is missing or null.
    subscript(key: String) -> SpecNode? {
        guard let value = entry(key)?.value, !value.isNull else { return nil }
        return value
    }

    func entry(_ key: String) -> Entry? { entries.first { $0.key == key } }

    /// A scalar as a list of one, a list as its items.
    var oneOrMore: [SpecNode] {
        if case .list(let items) = content { items } else { isNull ? [] : [self] }
    }

    /// What the user would call it.
    var kindName: String {
        switch content {
        case .scalar(let scalar):
            switch scalar.kind {
            case .null: "nothing"
            case .boolean: "a boolean"
            case .integer, .number: "a number"
            case .string: "text"
            }
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// A scalar of the file: its text as written and with variables put in.
struct SpecScalar: Sendable {
    /// What plain text stands for; quoted text is always a string.
    enum Kind: Sendable {
        case null, boolean, integer, number, string
    }

    /// A variable that is neither set nor given a default.
    struct UnsetVariable: Sendable {
        let name: String
        /// Offset into `raw`, in Unicode scalars.
        let offset: Int
    }

    /// The text as YAML read it.
    let raw: String
    /// The text with `${NAME}` replaced.
    let text: String
    let kind: Kind
    let isQuoted: Bool
    /// Whether a variable was named in it.
    let hasVariables: Bool
    let unset: [UnsetVariable]
    /// The position of every scalar of `raw`, and one more for its end.
    let places: [Position]

    /// The stretch of the file that `length` UTF-8 bytes from `offset` of `raw` came from.
    func position(utf8Offset offset: Int, length: Int) -> Position {
        var start = 0
        var bytes = 0
        for scalar in raw.unicodeScalars {
            if bytes >= offset { break }
            bytes += UTF8.width(scalar)
            start += 1
        }
        var end = start
        var covered = 0
        for scalar in raw.unicodeScalars.dropFirst(start) {
            if covered >= length { break }
            covered += UTF8.width(scalar)
            end += 1
        }
        let first = places[min(start, places.count - 1)]
        let last = places[min(max(end - 1, start), places.count - 1)]
        let width = last.line == first.line ? last.column - first.column + 1 : end - start
        return Position(
            line: first.line, column: first.column, length: width, file: first.file)
    }

    /// What plain text stands for, by YAML 1.2's core schema.
    static func kind(ofPlain text: String) -> Kind {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "false", "False", "FALSE": return .boolean
        default: break
        }
        var digits = Substring(text)
        if digits.first == "-" || digits.first == "+" { digits = digits.dropFirst() }
        guard let first = digits.utf8.first, first == 0x2E || (0x30...0x39).contains(first) else {
            return .string
        }
        if digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { return .integer }
        let allowed = digits.utf8.allSatisfy {
            (0x30...0x39).contains($0) || [0x2E, 0x65, 0x45, 0x2B, 0x2D].contains($0)
        }
        return allowed && Double(digits) != nil ? .number : .string
    }
}
