import Glibc
import StreamRuntime
import Testing

@testable import Operators

/// What DuckDB said of an expression: a line of `Tests/Data/duckdb-vectors.tsv`.
struct DuckDBVector: Sendable {
    let group: String
    let expression: String
    /// The kind of the value's type, or "error".
    let kind: String
    let text: String

    /// Lines of a test; enough that one of them takes long, few enough that a failure is found.
    static let linesMax = 80

    /// All vectors, cut into parts of one group each.
    static let parts: [(name: String, vectors: [DuckDBVector])] = {
        var parts: [(name: String, vectors: [DuckDBVector])] = []
        for line in TestData.lines("duckdb-vectors.tsv") {
            let cells = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard cells.count == 4 else { continue }
            let vector = DuckDBVector(
                group: String(cells[0]), expression: TestData.unescaped(cells[1]),
                kind: String(cells[2]), text: TestData.unescaped(cells[3]))
            if parts.last?.vectors.first?.group != vector.group
                || parts[parts.count - 1].vectors.count >= linesMax
            {
                parts.append(("\(vector.group) \(parts.count + 1)", []))
            }
            parts[parts.count - 1].vectors.append(vector)
        }
        return parts
    }()

    /// Whether `text` and its type, as the engine gave them, are what DuckDB said.
    func agrees(with text: String, _ type: ColumnType?) -> Bool {
        if kind == "error" { return text.hasPrefix("error: ") }
        // Of several forms of a function that a null might mean, DuckDB takes one: the type of a null says nothing.
        let isTyped = kind != "null" && self.text != "NULL"
        if let type, isTyped, !DuckDBVector.kinds(type).contains(kind) { return false }
        if text.hasPrefix("error: ") { return false }
        if text == self.text { return true }
        let mine = DuckDBVector.words(text)
        let theirs = DuckDBVector.words(self.text)
        guard mine.count == theirs.count else { return false }
        return zip(mine, theirs).allSatisfy { DuckDBVector.isSame($0, $1) }
    }

    /// The kinds of DuckDB's types that a type of the engine stands for.
    private static func kinds(_ type: ColumnType) -> [String] {
        switch type {
        case .bool: ["bool"]
        case .int64: ["int"]
        case .decimal(_, 0): ["int", "decimal"]
        case .decimal: ["decimal"]
        case .float64: ["double"]
        case .timestamp: ["timestamp"]
        case .date: ["date"]
        case .interval: ["interval"]
        case .string: ["string"]
        case .bytes: ["bytes"]
        case .list: ["list"]
        case .structure: ["struct"]
        }
    }

    private static func words(_ text: String) -> [Substring] {
        text.split { "[]{}, ".contains($0) }
    }

    /// Doubles may differ in their last digits; -0.0 and nan are written in several ways.
    private static func isSame(_ mine: Substring, _ other: Substring) -> Bool {
        if mine == other { return true }
        guard let left = Double(mine), let right = Double(other) else { return false }
        if left.isNaN || right.isNaN { return left.isNaN && right.isNaN }
        guard mine.contains(".") || mine.contains("e") || other.contains("."), left.isFinite else {
            return left == right
        }
        return left == right || abs(left - right) <= 1e-12 * max(abs(left), abs(right))
    }
}

/// An expression that gives something else than in DuckDB, and why: a line of
/// `Tests/Data/duckdb-differences.tsv`.
struct DuckDBDifference: Sendable {
    let reason: String
    let expression: String
    /// What the engine gives.
    let text: String

    static let all: [String: DuckDBDifference] = {
        var all: [String: DuckDBDifference] = [:]
        for line in TestData.lines("duckdb-differences.tsv") {
            let cells = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard cells.count == 3 else { continue }
            let expression = TestData.unescaped(cells[1])
            all[expression] = DuckDBDifference(
                reason: String(cells[0]), expression: expression,
                text: TestData.unescaped(cells[2]))
        }
        return all
    }()
}

/// Files beside the tests.
enum TestData {
    static func lines(_ name: String) -> [Substring] {
        let source = String(decoding: Array(#filePath.utf8), as: UTF8.self)
        let root = source.split(separator: "/").dropLast(3).joined(separator: "/")
        guard let file = fopen("/\(root)/Data/\(name)", "r") else { return [] }
        defer { fclose(file) }
        var text: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&bytes, 1, bytes.count, file)
            guard count > 0 else { break }
            text += bytes[0..<count]
        }
        return text.split(separator: 10).map { Substring(decoding: $0, as: UTF8.self) }
    }

    static func unescaped(_ text: Substring) -> String {
        var result = ""
        var isEscape = false
        for character in text {
            if isEscape {
                switch character {
                case "n": result.append("\n")
                case "t": result.append("\t")
                case "r": result.append("\r")
                default: result.append(character)
                }
                isEscape = false
            } else if character == "\\" {
                isEscape = true
            } else {
                result.append(character)
            }
        }
        return result
    }

    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case "\\": result += "\\\\"
            default: result.append(character)
            }
        }
    }
}

/// The expression with a column in place of every number and text, and rows of those columns.
struct ColumnForm {
    let text: String
    let batch: ColumnBatch

    /// - Shape: the first row is null, `count` rows hold the literals.
    /// - Returns: nil for an expression without literals, or one that needs a constant or another type
    ///   somewhere.
    init?(_ expression: String, rows count: Int) {
        guard let tokens = try? Lexer.tokens(of: expression) else { return nil }
        var form: [UInt8] = []
        var fields: [Field] = []
        var values: [Column] = []
        var at = 0
        let bytes = Array(expression.utf8)
        for token in tokens {
            let value: Column
            switch token.kind {
            case .number(let digits):
                guard let node = try? Constants.number(digits, at: token.range) else { return nil }
                value = node.value
            case .text(let text): value = Constants.text(text).value
            default: continue
            }
            form += bytes[at..<token.range.lowerBound] + Array("c\(fields.count)".utf8)
            at = token.range.upperBound
            fields.append(Field("c\(fields.count)", value.type))
            values.append(value)
        }
        guard !fields.isEmpty else { return nil }
        form += bytes[at...]
        text = String(decoding: form, as: UTF8.self)
        batch = emptyRows(count + 1, schema: Schema(fields))
        for (column, value) in zip(batch.columns, values) {
            column.appendNull()
            for _ in 0..<count { column.append(from: value, row: 0) }
        }
        guard let plain = try? ExpressionCompiler(schema: Schema([])).compile(expression).type,
            let type = try? ExpressionCompiler(schema: batch.schema).compile(text).type
        else { return nil }
        if case .decimal(_, let scale) = plain {
            guard case .decimal(_, scale) = type else { return nil }
        } else {
            guard type == plain else { return nil }
        }
    }
}
