import StreamRuntime

/// A JSON value to be written: members keep their order, so that equal values give equal text.
indirect enum JSONText: Equatable, Sendable {
    case null
    case boolean(Bool)
    case integer(Int)
    case string(String)
    case array([JSONText])
    case members([Member])

    /// A member of an object.
    struct Member: Equatable, Sendable {
        let name: String
        let value: JSONText
    }

    static func object(_ members: [(String, JSONText)]) -> JSONText {
        .members(members.map { Member(name: $0.0, value: $0.1) })
    }

    static func strings(_ values: [String]) -> JSONText { .array(values.map { .string($0) }) }

    /// The text, two spaces an indent; short arrays and objects on one line.
    var text: String { rendered(indent: 0) + "\n" }

    private func rendered(indent: Int) -> String {
        let flat = compact
        if flat.count + indent * 2 <= 96 { return flat }
        let inner = String(repeating: "  ", count: indent + 1)
        let outer = String(repeating: "  ", count: indent)
        switch self {
        case .array(let values) where !values.isEmpty:
            let lines = values.map { inner + $0.rendered(indent: indent + 1) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
        case .members(let members) where !members.isEmpty:
            let lines = members.map {
                inner + JSONText.quoted($0.name) + ": " + $0.value.rendered(indent: indent + 1)
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        default: return flat
        }
    }

    /// The text on one line.
    var compact: String {
        switch self {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .string(let value): JSONText.quoted(value)
        case .array(let values): "[" + values.map(\.compact).joined(separator: ", ") + "]"
        case .members(let members):
            "{"
                + members.map { JSONText.quoted($0.name) + ": " + $0.value.compact }
                .joined(separator: ", ") + "}"
        }
    }

    static func quoted(_ value: String) -> String {
        var value = value
        var text: [UInt8] = []
        value.withUTF8 { JSONQuoting.append($0, to: &text) }
        return String(decoding: text, as: UTF8.self)
    }
}
