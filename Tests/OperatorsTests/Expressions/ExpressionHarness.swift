import StreamRuntime
import Testing

@testable import Operators

/// Evaluates `text` on `rows` rows of nothing and gives the value as text, or the error.
func value(of text: String) -> String {
    evaluate(text, on: emptyRows(1))[0]
}

func emptyRows(_ count: Int, schema: Schema = Schema([])) -> ColumnBatch {
    let batch = ColumnBatch(schema: schema, capacity: count)
    for row in 0..<count {
        batch.order.append(eventTime: Int64(row) * 1_000_000, watermark: .min, origin: 0, offset: 0)
    }
    batch.count = count
    return batch
}

/// The text of every row's value; "error: …" for a row or an expression that fails.
func evaluate(_ text: String, on batch: ColumnBatch) -> [String] {
    do {
        let compiled = try ExpressionCompiler(schema: batch.schema).compile(text)
        var errors = RejectedRows()
        let column = compiled.evaluate(batch, errors: &errors)
        var values = (0..<batch.count).map { column.valueText($0) }
        for reject in errors.rejects {
            #expect(values[reject.row] == "NULL", "a failed row is null: \(text)")
            #expect(reject.column == text)
            values[reject.row] = "error: \(reject.reason)"
        }
        return values
    } catch {
        return Array(repeating: "error: \(error.message)", count: batch.count)
    }
}

/// Evaluates `text` again with a column in place of every number and text: a null, then twice the
/// literal, so that kernels meet columns, nulls and more than one row. Texts that need a
/// constant somewhere do not compile that way and are left out.
private func expectSameFromColumns(
    _ text: String, wanted: String, sourceLocation: SourceLocation
) {
    guard let tokens = try? Lexer.tokens(of: text) else { return }
    var form: [UInt8] = []
    var fields: [Field] = []
    var values: [String] = []
    var at = 0
    let bytes = Array(text.utf8)
    for token in tokens {
        let type: ColumnType
        switch token.kind {
        case .number(let digits):
            guard let literal = try? ExpressionCompiler(schema: Schema([])).compile(digits) else {
                return
            }
            type = literal.type
            values.append(digits)
        case .text(let value):
            type = .string
            values.append(value)
        default: continue
        }
        form += bytes[at..<token.range.lowerBound] + Array("c\(fields.count)".utf8)
        at = token.range.upperBound
        fields.append(Field("c\(fields.count)", type))
    }
    guard !fields.isEmpty else { return }
    form += bytes[at...]
    let batch = emptyRows(3, schema: Schema(fields))
    for (column, value) in zip(batch.columns, values) {
        let one = ColumnBatch(schema: Schema([Field("v", .string)]), capacity: 1)
        one.columns[0].append(value)
        one.order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0)
        one.count = 1
        var errors = RejectedRows()
        guard
            let cast = try? ExpressionCompiler(schema: one.schema)
                .compile("cast(v as \(column.type))").evaluate(one, errors: &errors)
        else { return }
        column.appendNull()
        column.append(from: cast, row: 0)
        column.append(from: cast, row: 0)
    }
    let formText = String(decoding: form, as: UTF8.self)
    // A literal may decide the type of the result; then there is nothing to compare.
    guard let plain = try? ExpressionCompiler(schema: Schema([])).compile(text).type,
        let type = try? ExpressionCompiler(schema: batch.schema).compile(formText).type
    else { return }
    if case .decimal(_, let scale) = plain {
        guard case .decimal(_, scale) = type else { return }
    } else {
        guard type == plain else { return }
    }
    let results = evaluate(formText, on: batch)
    // Overflow messages name the operands' types when they are not all constants.
    let isSame =
        results[1] == wanted || (wanted.hasPrefix("error") && results[1].hasPrefix("error"))
    #expect(isSame, "\(formText): \(results[1]) is not \(wanted)", sourceLocation: sourceLocation)
    #expect(results[1] == results[2], "\(formText)", sourceLocation: sourceLocation)
}

/// Checks a table of "expression => text" lines, each with its literals folded and from columns.
func expectValues(
    _ table: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    for line in table.split(separator: "\n") where !line.trimmingBlanks.isEmpty {
        guard let arrow = line.range(of: " => ") else {
            Issue.record("no arrow in \(line)", sourceLocation: sourceLocation)
            continue
        }
        let text = line[..<arrow.lowerBound].trimmingBlanks
        let wanted = line[arrow.upperBound...].trimmingBlanks
        let got = value(of: text)
        #expect(
            (got.isEmpty ? "(empty)" : got) == wanted, "\(text)", sourceLocation: sourceLocation)
        expectSameFromColumns(text, wanted: got, sourceLocation: sourceLocation)
    }
}

extension Substring {
    var trimmingBlanks: String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    func range(of needle: String) -> Range<Index>? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(needle) {
                return at..<index(at, offsetBy: needle.count)
            }
            at = index(after: at)
        }
        return nil
    }
}
