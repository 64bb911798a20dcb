import StreamRuntime
import Testing

@testable import Operators

@Suite struct SharedExpressionTests {
    private func batch() -> ColumnBatch {
        let schema = Schema([Field("t", .string), Field("n", .int64), Field("at", .timestamp)])
        let batch = emptyRows(6, schema: schema)
        for text in ["Apple", "GRÜSSE", "x", "", "longer THAN eight BYTES", "apple"] {
            batch.columns[0].append(text)
        }
        for number: Int64 in [0, 1, 2, 3, 4, 5] { batch.columns[1].append(number) }
        let day: Int64 = 86_400_000_000
        for moment in [0, 1, day - 1, day, -1, 59 * day] { batch.columns[2].append(moment) }
        return batch
    }

    @Test(
        arguments: [
            (
                "case lower(t) when 'apple' then 'a' when 'grüsse' then 'b' else upper(t) end",
                ["a", "b", "X", "", "LONGER THAN EIGHT BYTES", "a"]
            ),
            ("lower(t) in ('apple', 'x')", ["true", "false", "true", "false", "false", "true"]),
            (
                "case when n > 3 then 10 // n when n > 0 then 20 // n else -1 end",
                ["-1", "20", "10", "6", "2", "2"]
            ),
            (
                "try(10 // n) is null or 10 // n > 3",
                ["true", "true", "true", "false", "false", "false"]
            ),
            (
                "n = 0 or 10 // n > 3 and 10 // n < 9",
                ["true", "false", "true", "false", "false", "false"]
            ),
            (
                "strftime(at, '%Y-%m-%d')",
                [
                    "1970-01-01", "1970-01-01", "1970-01-01", "1970-01-02", "1969-12-31",
                    "1970-03-01",
                ]
            ),
            (
                "strftime(at, '%-d.%-m.%y %H')",
                ["1.1.70 00", "1.1.70 00", "1.1.70 23", "2.1.70 00", "31.12.69 23", "1.3.70 00"]
            ),
        ])
    func `an expression that stands in several places counts in each`(
        text: String, wanted: [String]
    ) {
        #expect(evaluate(text, on: batch()) == wanted)
    }

    @Test func `what fails only where it does not matter does not fail the row`() {
        let values = evaluate("coalesce(try(10 // n), -1) + 10 // n", on: batch())
        #expect(values[0].hasPrefix("error: "))
        #expect(Array(values.dropFirst()) == ["20", "10", "6", "4", "4"])
    }
}
