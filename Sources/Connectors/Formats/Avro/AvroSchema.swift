import Foundation

/// A schema as Avro writes it: types by number, so that a record may hold itself.
///
/// - Source: the specification of Apache Avro 1.12, "Schema Declaration".
public struct AvroSchema: Equatable, Sendable {
    /// What a type is.
    enum Kind: Equatable, Sendable {
        case null, boolean, int, long, float, double, bytes, string
        /// This many bytes.
        case fixed(Int)
        /// Words, by their number.
        case enumeration([String])
        /// Elements of the type of this number.
        case array(Int)
        /// Values of the type of this number, by text.
        case map(Int)
        case record([Member])
        /// One of these types.
        case union([Int])
    }

    /// A field of a record.
    struct Member: Equatable, Sendable {
        let name: String
        let aliases: [String]
        let type: Int
    }

    /// What the values of a type stand for.
    enum Logical: Equatable, Sendable {
        case decimal(precision: Int, scale: Int)
        case date, uuid
        case timestamp(TimeUnit)
    }

    /// A type.
    struct Node: Equatable, Sendable {
        var kind: Kind
        var logical: Logical?
        /// Its full name, if it is a named one.
        var name = ""
    }

    /// Why text is no schema.
    public struct Problem: Error, Equatable, Sendable {
        /// What is wrong, in a sentence.
        public let reason: String
    }

    private(set) var nodes: [Node] = []
    private(set) var root = 0
    private var names: [String: Int] = [:]

    /// The most types a schema may have, and how deep they may lie in each other.
    private static let nodesMax = 10_000
    private static let depthMax = 64

    /// Reads a schema from its JSON.
    ///
    /// - Parameter known: schemas whose named types it may use, in an order in which each needs only
    ///   those before it.
    public init(json: String, known: [String] = []) throws(Problem) {
        for text in known { _ = try read(AvroSchema.parse(text), "", 0) }
        root = try read(AvroSchema.parse(json), "", 0)
    }

    private static func parse(_ text: String) throws(Problem) -> Any {
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(
                with: Data(text.utf8), options: [.fragmentsAllowed])
        } catch {
            // A bare word is the name of a type.
            let word = text.filter { !$0.isWhitespace }
            if AvroSchema.primitive(word) != nil { return word }
            throw Problem(reason: "the schema is not JSON")
        }
        return value
    }

    private static func primitive(_ word: String) -> Kind? {
        switch word {
        case "null": .null
        case "boolean": .boolean
        case "int": .int
        case "long": .long
        case "float": .float
        case "double": .double
        case "bytes": .bytes
        case "string": .string
        default: nil
        }
    }

    private mutating func add(_ node: Node) throws(Problem) -> Int {
        guard nodes.count < AvroSchema.nodesMax else {
            throw Problem(reason: "the schema has more than \(AvroSchema.nodesMax) types")
        }
        nodes.append(node)
        return nodes.count - 1
    }

    private mutating func read(
        _ value: Any, _ space: String, _ depth: Int
    ) throws(Problem) -> Int {
        guard depth < AvroSchema.depthMax else {
            throw Problem(reason: "types lie more than \(AvroSchema.depthMax) deep in each other")
        }
        if let word = value as? String {
            if let kind = AvroSchema.primitive(word) { return try add(Node(kind: kind)) }
            if let known = names[AvroSchema.full(word, space)] ?? names[word] { return known }
            throw Problem(reason: "there is no type \"\(word)\"")
        }
        if let branches = value as? [Any] {
            var types: [Int] = []
            for branch in branches { types.append(try read(branch, space, depth + 1)) }
            return try add(Node(kind: .union(types)))
        }
        guard let object = value as? [String: Any], let type = object["type"] else {
            throw Problem(reason: "a type must be a name, a list or an object with \"type\"")
        }
        guard let word = type as? String else { return try read(type, space, depth + 1) }
        switch word {
        case "record", "error": return try readRecord(object, space, depth)
        case "enum":
            guard let symbols = object["symbols"] as? [String] else {
                throw Problem(reason: "an enum has no symbols")
            }
            return try define(object, space, Node(kind: .enumeration(symbols)))
        case "fixed":
            guard let size = object["size"] as? Int, size >= 0 else {
                throw Problem(reason: "a fixed has no size")
            }
            var node = Node(kind: .fixed(size))
            node.logical = AvroSchema.logical(object, node.kind)
            return try define(object, space, node)
        case "array":
            guard let items = object["items"] else {
                throw Problem(reason: "an array has no items")
            }
            return try add(Node(kind: .array(try read(items, space, depth + 1))))
        case "map":
            guard let values = object["values"] else {
                throw Problem(reason: "a map has no values")
            }
            return try add(Node(kind: .map(try read(values, space, depth + 1))))
        default:
            guard let kind = AvroSchema.primitive(word) else {
                return try read(word, space, depth + 1)
            }
            return try add(Node(kind: kind, logical: AvroSchema.logical(object, kind)))
        }
    }

    private mutating func readRecord(
        _ object: [String: Any], _ space: String, _ depth: Int
    ) throws(Problem) -> Int {
        guard let fields = object["fields"] as? [[String: Any]] else {
            throw Problem(reason: "a record has no fields")
        }
        let number = try define(object, space, Node(kind: .record([])))
        let inner = nodes[number].name.split(separator: ".").dropLast().joined(separator: ".")
        var members: [Member] = []
        for field in fields {
            guard let name = field["name"] as? String, let type = field["type"] else {
                throw Problem(reason: "a field of \(nodes[number].name) has no name or no type")
            }
            members.append(
                Member(
                    name: name, aliases: field["aliases"] as? [String] ?? [],
                    type: try read(type, inner, depth + 1)))
        }
        nodes[number].kind = .record(members)
        return number
    }

    private mutating func define(
        _ object: [String: Any], _ space: String, _ node: Node
    ) throws(Problem) -> Int {
        guard let name = object["name"] as? String, !name.isEmpty else {
            throw Problem(reason: "a record, enum or fixed has no name")
        }
        let own = object["namespace"] as? String ?? space
        var node = node
        node.name = AvroSchema.full(name, own)
        let number = try add(node)
        names[node.name] = number
        for alias in object["aliases"] as? [String] ?? [] {
            let full = AvroSchema.full(alias, own)
            if names[full] == nil { names[full] = number }
        }
        return number
    }

    private static func full(_ name: String, _ space: String) -> String {
        name.contains(".") || space.isEmpty ? name : "\(space).\(name)"
    }

    /// What values stand for, as the specification, Kafka Connect and Debezium write it; what is not
    /// known or does not fit is passed over, as the specification demands.
    private static func logical(_ object: [String: Any], _ kind: Kind) -> Logical? {
        let word = object["logicalType"] as? String ?? object["connect.name"] as? String ?? ""
        switch (word, kind) {
        case ("decimal", .bytes), ("decimal", .fixed):
            guard let precision = object["precision"] as? Int, precision >= 1 else { return nil }
            let scale = object["scale"] as? Int ?? 0
            return scale >= 0 && scale <= precision
                ? .decimal(precision: precision, scale: scale) : nil
        case ("date", .int), ("io.debezium.time.Date", .int): return .date
        case ("uuid", .string), ("uuid", .fixed(16)): return .uuid
        case ("timestamp-millis", .long), ("local-timestamp-millis", .long),
            ("io.debezium.time.Timestamp", .long):
            return .timestamp(.milliseconds)
        case ("timestamp-micros", .long), ("local-timestamp-micros", .long),
            ("io.debezium.time.MicroTimestamp", .long):
            return .timestamp(.microseconds)
        case ("timestamp-nanos", .long), ("local-timestamp-nanos", .long),
            ("io.debezium.time.NanoTimestamp", .long):
            return .timestamp(.nanoseconds)
        default: return nil
        }
    }

    /// A type in the words of a person.
    func describe(_ number: Int) -> String {
        switch nodes[number].kind {
        case .null: "null"
        case .boolean: "boolean"
        case .int: "int"
        case .long: "long"
        case .float: "float"
        case .double: "double"
        case .bytes: "bytes"
        case .string: "string"
        case .fixed(let size): "fixed(\(size))"
        case .enumeration: "enum \(nodes[number].name)"
        case .array: "array"
        case .map: "map"
        case .record: "record \(nodes[number].name)"
        case .union: "union"
        }
    }
}
