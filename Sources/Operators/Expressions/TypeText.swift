import StreamRuntime

/// Reads types as users write them: `int64`, `decimal(12,2)`, `list<struct<a: int64>>`, and the names
/// SQL gives them.
struct TypeText {
    private let tokens: [Token]
    private var at = 0

    /// The type `text` names, or nil.
    static func parse(_ text: String) -> ColumnType? {
        guard let tokens = try? Lexer.tokens(of: text) else { return nil }
        // ">>" closes two brackets.
        var split: [Token] = []
        for token in tokens {
            if token.kind == .symbol(">>") {
                split.append(Token(kind: .symbol(">"), range: token.range))
                split.append(Token(kind: .symbol(">"), range: token.range))
            } else {
                split.append(token)
            }
        }
        var reader = TypeText(tokens: split)
        guard let type = reader.type(), reader.tokens[reader.at].kind == .end else { return nil }
        return type
    }

    private init(tokens: [Token]) { self.tokens = tokens }

    private static let plain: [String: ColumnType] = [
        "bool": .bool, "boolean": .bool, "logical": .bool, "int64": .int64, "bigint": .int64,
        "int8": .int64, "long": .int64, "integer": .int64, "int": .int64, "int4": .int64,
        "smallint": .int64, "tinyint": .int64, "int32": .int64, "int2": .int64,
        "double": .float64, "float8": .float64, "float64": .float64, "float": .float64,
        "real": .float64, "float4": .float64, "timestamp": .timestamp, "timestamptz": .timestamp,
        "datetime": .timestamp, "date": .date, "interval": .interval, "string": .string,
        "varchar": .string, "text": .string, "char": .string, "bpchar": .string, "bytes": .bytes,
        "blob": .bytes, "bytea": .bytes, "binary": .bytes, "varbinary": .bytes,
        "hugeint": .decimal(precision: 38, scale: 0),
    ]

    private func isSymbol(_ symbol: String) -> Bool { tokens[at].kind == .symbol(symbol) }

    private mutating func accept(_ symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func word() -> String? {
        switch tokens[at].kind {
        case .word(let word), .quotedName(let word):
            at += 1
            return word
        default: return nil
        }
    }

    private mutating func integer() -> Int? {
        guard case .number(let digits) = tokens[at].kind, let value = Int(digits) else {
            return nil
        }
        at += 1
        return value
    }

    private mutating func type() -> ColumnType? {
        guard let name = word()?.lowercased() else { return nil }
        var type: ColumnType
        if name == "decimal" || name == "numeric" {
            guard let decimal = decimal() else { return nil }
            type = decimal
        } else if name == "list", accept("<") {
            guard let element = self.type(), accept(">") else { return nil }
            type = .list(element)
        } else if name == "struct", isSymbol("<") || isSymbol("(") {
            guard let structure = structure() else { return nil }
            type = structure
        } else if let plain = TypeText.plain[name] {
            if name == "double", case .word(let next) = tokens[at].kind,
                next.lowercased() == "precision"
            {
                at += 1
            }
            if name == "varchar" || name == "char", accept("(") {
                guard integer() != nil, accept(")") else { return nil }
            }
            type = plain
        } else {
            return nil
        }
        while accept("[") {
            guard accept("]") else { return nil }
            type = .list(type)
        }
        return type
    }

    private mutating func decimal() -> ColumnType? {
        guard accept("(") else { return .decimal(precision: 18, scale: 3) }
        guard let precision = integer() else { return nil }
        var scale = 0
        if accept(",") {
            guard let written = integer() else { return nil }
            scale = written
        }
        guard accept(")"), precision >= 1, precision <= 38, scale <= precision else { return nil }
        return .decimal(precision: precision, scale: scale)
    }

    private mutating func structure() -> ColumnType? {
        let close = isSymbol("<") ? ">" : ")"
        at += 1
        var fields: [Field] = []
        repeat {
            guard let name = word() else { return nil }
            _ = accept(":")
            guard let type = type() else { return nil }
            fields.append(Field(name, type))
        } while accept(",")
        return accept(close) ? .structure(fields) : nil
    }
}
