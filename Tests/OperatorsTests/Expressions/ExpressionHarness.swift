import Operators
import StreamRuntime
import Testing

/// Evaluates `text` on `rows` rows of nothing and gives the value as text, or the error.
func value(of text: String) -> String {
    evaluate(text, on: emptyRows(1))[0]
}

func emptyRows(_ count: Int) -> ColumnBatch {
    let batch = ColumnBatch(schema: Schema([]), capacity: count)
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

/// Checks a table of "expression => text" lines.
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
        #expect(got == wanted, "\(text)", sourceLocation: sourceLocation)
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
