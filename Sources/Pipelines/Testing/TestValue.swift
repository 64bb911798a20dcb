import StreamRuntime

/// A value of a test as JSON, by the type it is to have.
enum TestValue {
    /// A value that does not fit its type.
    struct Mismatch: Error {
        let message: String
        let position: Position
        let fix: String
        /// Whether it is the name that is wrong.
        var isName = false
    }

    /// JSON that the decoders read as `node` is meant.
    ///
    /// - Parameters:
    ///   - unit: how a timestamp is written; nil for ISO 8601.
    ///   - day: what times without a day belong to, in microseconds since 1970.
    static func json(
        _ node: SpecNode, _ type: ColumnType, unit: PlannedField.TimeUnit? = nil, day: Int64
    ) throws(Mismatch) -> JSONTree {
        if node.isNull, node.scalar?.isQuoted != true { return .leaf("null") }
        switch (type, node.content) {
        case (.list(let element), .list(let items)):
            var values: [JSONTree] = []
            for item in items { values.append(try json(item, element, day: day)) }
            return .array(values)
        case (.structure(let fields), .mapping(let entries)):
            var members: [(String, JSONTree)] = []
            for entry in entries {
                guard let field = fields.first(where: { $0.name == entry.key }) else {
                    throw Mismatch(
                        message: "there is no \"\(entry.key)\" in \(type)",
                        position: entry.keyPosition,
                        fix: NearestWord.advice(
                            entry.key, among: fields.map(\.name), what: "fields"))
                }
                members.append((entry.key, try json(entry.value, field.type, day: day)))
            }
            return .object(members)
        case (.list, _), (.structure, _), (_, .list), (_, .mapping):
            throw Mismatch(
                message: "\(node.kindName) is no \(type)", position: node.position,
                fix: "write \(example(of: type))")
        case (_, .scalar(let scalar)):
            guard let text = leaf(scalar, type, unit: unit, day: day) else {
                throw Mismatch(
                    message: "\"\(scalar.text)\" is no \(type)", position: node.position,
                    fix: "write \(example(of: type))")
            }
            return .leaf(text)
        }
    }

    private static func leaf(
        _ scalar: SpecScalar, _ type: ColumnType, unit: PlannedField.TimeUnit?, day: Int64
    ) -> String? {
        let text = scalar.text
        switch type {
        case .bool: return ["true", "false"].contains(text) ? text : nil
        case .int64: return Int64(text).map(String.init)
        case .float64:
            guard let value = Double(text) else { return nil }
            return value.isFinite ? value.description : quoted(text)
        case .decimal:
            switch SpecScalar.kind(ofPlain: text) {
            case .integer, .number:
                // JSON knows no sign in front of a plus and no bare point.
                let bare = text.hasPrefix("+") ? String(text.dropFirst()) : text
                return bare.hasPrefix(".") ? "0" + bare : bare
            default: return nil
            }
        case .timestamp: return moment(scalar, unit: unit, day: day)
        case .date:
            return TestTime.date(Substring(text)).map { _ in quoted(text) }
        case .string, .bytes: return quoted(text)
        case .interval, .list, .structure: return nil
        }
    }

    private static func moment(
        _ scalar: SpecScalar, unit: PlannedField.TimeUnit?, day: Int64
    ) -> String? {
        guard let micros = TestTime.parse(scalar.text, day: day) else {
            // A number in the stream's own unit.
            return unit != nil && unit != .iso && Int64(scalar.text) != nil ? scalar.text : nil
        }
        return moment(micros, unit: unit)
    }

    /// A moment as a record has it.
    static func moment(_ micros: Int64, unit: PlannedField.TimeUnit?) -> String {
        switch unit {
        // Where digits are the rule, ISO's own text is read too.
        case nil, .iso, .basic: quoted(TestTime.iso(micros))
        case .s: String(micros / 1_000_000)
        case .ms: String(micros / 1_000)
        case .us: String(micros)
        case .ns: String(micros * 1_000)
        case .days: String(micros / CivilDate.microsPerDay)
        }
    }

    static func quoted(_ text: String) -> String { JSONText.quoted(text) }

    private static func example(of type: ColumnType) -> String {
        switch type {
        case .bool: "true or false"
        case .int64: "a whole number such as 42"
        case .float64: "a number such as 0.5"
        case .decimal: "a number such as 12.50"
        case .timestamp: "\"12:00:00\" or \"2026-01-15 12:00:00\""
        case .date: "a day such as 2026-01-15"
        case .string, .bytes: "text"
        case .list: "[VALUE, …]"
        case .structure(let fields):
            "{" + fields.map { "\($0.name): …" }.joined(separator: ", ") + "}"
        case .interval: "nothing: such a column cannot be compared"
        }
    }
}

/// JSON of which parts are written already.
indirect enum JSONTree: Sendable {
    case leaf(String)
    case array([JSONTree])
    case object([(String, JSONTree)])

    /// The text.
    var text: String {
        switch self {
        case .leaf(let text): text
        case .array(let items): "[" + items.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { JSONText.quoted($0.0) + ":" + $0.1.text }.joined(separator: ",")
                + "}"
        }
    }

    /// Puts `value` at `path`, making the objects on the way.
    mutating func put(_ value: JSONTree, at path: ArraySlice<String>) {
        guard let name = path.first else {
            self = value
            return
        }
        var members: [(String, JSONTree)] = if case .object(let there) = self { there } else { [] }
        let index = members.firstIndex { $0.0 == name } ?? members.count
        if index == members.count { members.append((name, .object([]))) }
        members[index].1.put(value, at: path.dropFirst())
        self = .object(members)
    }
}

extension SpecNode {
    /// The node as JSON, each scalar as what it looks like.
    var plainJSON: JSONTree {
        switch content {
        case .scalar(let scalar):
            switch scalar.kind {
            case .null: .leaf(scalar.isQuoted ? JSONText.quoted(scalar.text) : "null")
            case .boolean, .integer, .number: .leaf(scalar.text)
            case .string: .leaf(JSONText.quoted(scalar.text))
            }
        case .list(let items): .array(items.map(\.plainJSON))
        case .mapping(let entries): .object(entries.map { ($0.key, $0.value.plainJSON) })
        }
    }
}
