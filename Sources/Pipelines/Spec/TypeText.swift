import StreamRuntime

/// Reads types as a pipelines file writes them: `decimal(12,2)`, `list<struct<a: int64>>`.
struct TypeText {
    /// Why text is no type: what, where in it (in UTF-8 bytes), and what to write.
    struct Problem: Error, Equatable {
        let message: String
        let offset: Int
        let length: Int
        let fix: String
    }

    /// The words for types without parameters.
    static let names: [(String, ColumnType)] = [
        ("bool", .bool), ("int64", .int64), ("double", .float64), ("timestamp", .timestamp),
        ("date", .date), ("string", .string), ("bytes", .bytes),
    ]

    /// Words of other systems, and what they are called here.
    private static let synonyms = [
        "boolean": "bool", "int": "int64", "integer": "int64", "bigint": "int64", "long": "int64",
        "int32": "int64", "float": "double", "float64": "double", "number": "double",
        "numeric": "decimal", "text": "string", "varchar": "string", "str": "string",
        "datetime": "timestamp", "array": "list", "object": "struct", "map": "struct",
    ]

    private let bytes: [UInt8]
    private var at = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    static func parse(_ text: String) throws(Problem) -> ColumnType {
        var reader = TypeText(text)
        let type = try reader.type(depth: 0)
        reader.skipSpaces()
        if reader.at < reader.bytes.count {
            throw reader.problem(
                "there is more text after the type", length: reader.bytes.count - reader.at,
                fix: "end the value after \(type)")
        }
        return type
    }

    private mutating func type(depth: Int) throws(Problem) -> ColumnType {
        guard depth < 16 else {
            throw problem("types are nested too deep", fix: "nest at most 16 levels")
        }
        skipSpaces()
        let start = at
        let word = self.word()
        if let known = TypeText.names.first(where: { $0.0 == word }) { return known.1 }
        switch word {
        case "decimal": return try decimal(from: start)
        case "list":
            try expect("<", after: "list", example: "list<string>")
            let element = try type(depth: depth + 1)
            try expect(">", after: "the type of the elements", example: "list<string>")
            return .list(element)
        case "struct": return try structure(depth: depth)
        default:
            at = start
            let known = TypeText.names.map(\.0) + ["decimal", "list", "struct"]
            let lower = word.lowercased()
            let meant =
                TypeText.synonyms[lower] ?? (known.contains(lower) ? lower : nil)
                ?? NearestWord.of(word, among: known)
            let all =
                "types: bool, int64, double, decimal(p,s), timestamp, date, string, bytes, list<…>, struct<…>"
            throw problem(
                word.isEmpty ? "a type is missing" : "there is no type \"\(word)\"",
                length: max(word.utf8.count, 1),
                fix: meant.map { "write \"\($0)\"; \(all)" } ?? all)
        }
    }

    private mutating func decimal(from start: Int) throws(Problem) -> ColumnType {
        let example = "decimal(12,2)"
        try expect("(", after: "decimal", example: example)
        let precision = try number(example)
        try expect(",", after: "the number of digits", example: example)
        let scale = try number(example)
        try expect(")", after: "the digits behind the point", example: example)
        guard (1...38).contains(precision), scale <= precision else {
            let length = at - start
            at = start
            throw problem(
                "decimal(\(precision),\(scale)) cannot be", length: length,
                fix: "use 1 to 38 digits, and no more behind the point than there are in all")
        }
        return .decimal(precision: precision, scale: scale)
    }

    private mutating func structure(depth: Int) throws(Problem) -> ColumnType {
        let example = "struct<name: string, count: int64>"
        try expect("<", after: "struct", example: example)
        var fields: [Field] = []
        while true {
            skipSpaces()
            let start = at
            let name = word()
            if name.isEmpty {
                throw problem("a field name is missing", fix: "write \(example)")
            }
            if fields.contains(where: { $0.name == name }) {
                at = start
                throw problem(
                    "the field \"\(name)\" is there twice", length: name.utf8.count,
                    fix: "give one of them another name")
            }
            try expect(":", after: "the field name", example: example)
            fields.append(Field(name, try type(depth: depth + 1)))
            skipSpaces()
            if peek == UInt8(ascii: ",") {
                at += 1
                continue
            }
            try expect(">", after: "the fields", example: example)
            return .structure(fields)
        }
    }

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpaces() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x09 { at += 1 }
    }

    private mutating func word() -> String {
        let start = at
        while let byte = peek,
            byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte)
                || (0x41...0x5A).contains(byte)
                || (0x61...0x7A).contains(byte)
        {
            at += 1
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func number(_ example: String) throws(Problem) -> Int {
        skipSpaces()
        let start = at
        while let byte = peek, (0x30...0x39).contains(byte), at - start < 4 { at += 1 }
        guard let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) else {
            throw problem("a number is missing", fix: "write \(example)")
        }
        return value
    }

    private mutating func expect(
        _ character: Unicode.Scalar, after what: String, example: String
    ) throws(Problem) {
        skipSpaces()
        guard peek == UInt8(ascii: character) else {
            throw problem("\"\(character)\" is missing after \(what)", fix: "write \(example)")
        }
        at += 1
    }

    private func problem(_ message: String, length: Int = 1, fix: String) -> Problem {
        let end = bytes.count
        return Problem(
            message: message, offset: min(at, max(end - 1, 0)), length: length, fix: fix)
    }
}
