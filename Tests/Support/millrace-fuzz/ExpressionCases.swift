import Glibc
import Operators
import StreamRuntime

/// Expressions evaluated on a table: the whole of it at once, and again in small batches.
///
/// Questions: `T name type …` begins a table, `R cell …` adds a row, `P id expression` asks for the type, `E id
/// expression` for the type and the values. An answer is `id type value …`; a value begins with `=`, one of a
/// row that failed with `!`, and is `~` when it is null. `id ! message` is an expression that does not compile,
/// and `id ? message` one whose values depend on the batch.
final class ExpressionCases {
    private var batch = ColumnBatch(schema: Schema([]), capacity: 0)
    private var types: [ColumnType] = []
    private var piece = 0

    func run() {
        while let cells = Cells.read() {
            guard let kind = cells.first ?? nil else { continue }
            switch kind {
            case "T": begin(cells.dropFirst().map { $0 ?? "" })
            case "R": append(Array(cells.dropFirst()))
            case "P", "E":
                guard cells.count == 3, let id = cells[1], let text = cells[2] else { continue }
                answer(id, text, values: kind == "E")
            case "X": Cells.flush()
            default: continue
            }
        }
    }

    private func begin(_ cells: [String]) {
        var fields: [Field] = []
        for index in stride(from: 0, to: cells.count - 1, by: 2) {
            guard let type = ExpressionCompiler.type(named: cells[index + 1]) else {
                fatalError("no type: \(cells[index + 1])")
            }
            fields.append(Field(cells[index], type))
        }
        types = fields.map(\.type)
        batch = ColumnBatch(schema: Schema(fields), capacity: 16)
    }

    private func append(_ cells: [String?]) {
        for (cell, column) in zip(cells, batch.columns) { append(cell, to: column) }
        batch.order.append(
            eventTime: Int64(batch.count) * 1_000_000, watermark: .min, origin: 0,
            offset: Int64(batch.count))
        batch.count += 1
    }

    /// Lists are elements that each have U+001F in front; bytes are hexadecimal digits.
    private func append(_ cell: String?, to column: Column) {
        guard let cell else { return column.appendNull() }
        if case .list = column.type {
            let start = column.children[0].count
            for item in cell.split(separator: "\u{1f}", omittingEmptySubsequences: false)
                .dropFirst()
            {
                append(item == "\\N" ? nil : String(item), to: column.children[0])
            }
            return column.appendList(from: start)
        }
        let text = column.type == .bytes ? "unhex(v)" : "cast(v as \(column.type))"
        let one = ColumnBatch(schema: Schema([Field("v", .string)]), capacity: 1)
        one.columns[0].append(cell)
        one.order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0)
        one.count = 1
        var errors = RejectedRows()
        guard
            let value = try? ExpressionCompiler(schema: one.schema).compile(text)
                .evaluate(one, errors: &errors), errors.rejects.isEmpty
        else { fatalError("no \(column.type): \(cell)") }
        column.append(from: value, row: 0)
    }

    private func answer(_ id: String, _ text: String, values: Bool) {
        do {
            let compiled = try ExpressionCompiler(schema: batch.schema).compile(text)
            guard values else { return Cells.write([id, "\(compiled.type)"]) }
            let whole = evaluate(compiled, batch)
            piece = (piece + 1) % 3
            let rows = [1, 3, 5][piece]
            var pieces: [String] = []
            for start in stride(from: 0, to: batch.count, by: rows) {
                pieces += evaluate(
                    compiled, part(start..<min(start + rows, batch.count)))
            }
            guard pieces == whole else {
                let row = zip(pieces, whole).enumerated().first { $1.0 != $1.1 }!
                return Cells.write([
                    id, "?",
                    "row \(row.offset): \(row.element.0) in batches of \(rows), \(row.element.1) in one",
                ])
            }
            Cells.write([id, "\(compiled.type)"] + whole)
        } catch {
            Cells.write([id, "!", error.message])
        }
    }

    private func part(_ rows: Range<Int>) -> ColumnBatch {
        let places = rows.map { Int32($0) }
        return batch.gathered(places, count: places.count)
    }

    private func evaluate(_ compiled: CompiledExpression, _ batch: ColumnBatch) -> [String] {
        var errors = RejectedRows()
        let column = compiled.evaluate(batch, errors: &errors)
        var values = (0..<batch.count).map {
            column.isValid($0) ? "=" + column.valueText($0) : "~"
        }
        for reject in errors.rejects { values[reject.row] = "!" + reject.reason }
        return values
    }
}
