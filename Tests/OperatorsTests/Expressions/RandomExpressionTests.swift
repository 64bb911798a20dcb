import StreamRuntime
import Testing

@testable import Operators

/// A generator with a seed that failures print.
private struct Random {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}

private let schema = Schema([
    Field("i", .int64), Field("j", .int64), Field("x", .float64),
    Field("d", .decimal(precision: 9, scale: 2)), Field("s", .string), Field("b", .bool),
])

private func rows(_ count: Int, _ random: inout Random) -> ColumnBatch {
    let batch = ColumnBatch(schema: schema, capacity: count)
    for row in 0..<count {
        for column in batch.columns {
            guard random.next(5) > 0 else {
                column.appendNull()
                continue
            }
            switch column.type {
            case .int64: column.append([0, 1, -3, 7, .max, .min][random.next(6)] as Int64)
            case .float64: column.append([0, 1.5, -2, 1e300][random.next(4)])
            case .decimal: column.append(Int128(random.next(1000) - 500))
            case .string: column.append(["", "a", "square", "square-and-longer"][random.next(4)])
            default: column.append(random.next(2) == 0)
            }
        }
        batch.order.append(
            eventTime: Int64(row), watermark: .min, origin: 0, offset: Int64(row))
    }
    batch.count = count
    return batch
}

private func number(_ random: inout Random, _ depth: Int) -> String {
    guard depth > 0 else { return ["i", "j", "x", "d", "2", "0.5", "0"][random.next(7)] }
    let left = number(&random, depth - 1)
    let right = number(&random, depth - 1)
    switch random.next(6) {
    case 0: return "case when \(condition(&random, depth - 1)) then \(left) else \(right) end"
    case 1: return "coalesce(\(left), \(right))"
    default: return "(\(left) \(["+", "-", "*", "/"][random.next(4)]) \(right))"
    }
}

private func condition(_ random: inout Random, _ depth: Int) -> String {
    guard depth > 0 else {
        return ["b", "s = 'square'", "s <> 'a'", "i > 1", "true"][random.next(5)]
    }
    switch random.next(5) {
    case 0: return "not \(condition(&random, depth - 1))"
    case 1: return "(\(condition(&random, depth - 1)) and \(condition(&random, depth - 1)))"
    case 2: return "(\(condition(&random, depth - 1)) or \(condition(&random, depth - 1)))"
    case 3: return "(\(number(&random, depth - 1)) is null)"
    default:
        let comparison = ["<", "<=", "=", "<>", ">", ">="][random.next(6)]
        return "(\(number(&random, depth - 1)) \(comparison) \(number(&random, depth - 1)))"
    }
}

@Test(arguments: [1, 2, 3] as [UInt64])
func `a row's value and failure do not depend on the rows around it`(seed: UInt64) throws {
    var random = Random(state: seed)
    let batch = rows(40, &random)
    let compiler = ExpressionCompiler(schema: schema)
    var compiledCount = 0
    for _ in 0..<60 {
        let text = random.next(2) == 0 ? number(&random, 3) : condition(&random, 3)
        guard let compiled = try? compiler.compile(text) else { continue }
        compiledCount += 1
        let whole = evaluate(text, on: batch)
        for row in 0..<batch.count {
            var index = Int32(row)
            var errors = RejectedRows()
            let alone = compiled.evaluate(batch.gathered(&index, count: 1), errors: &errors)
            let value = errors.rejects.first.map { "error: \($0.reason)" } ?? alone.valueText(0)
            #expect(value == whole[row], "seed \(seed), row \(row): \(text)")
        }
    }
    #expect(compiledCount > 30)
}

@Test(arguments: [4, 5] as [UInt64])
func `and, or and not agree with three-valued truth tables`(seed: UInt64) throws {
    var random = Random(state: seed)
    let schema = Schema([Field("a", .bool), Field("b", .bool)])
    let batch = ColumnBatch(schema: schema, capacity: 64)
    var truths: [(Bool?, Bool?)] = []
    for row in 0..<64 {
        let pair = ([true, false, nil][random.next(3)], [true, false, nil][random.next(3)])
        truths.append(pair)
        for (column, value) in zip(batch.columns, [pair.0, pair.1]) {
            if let value { column.append(value) } else { column.appendNull() }
        }
        batch.order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    batch.count = 64
    func text(_ value: Bool?) -> String { value.map { "\($0)" } ?? "NULL" }
    func and(_ a: Bool?, _ b: Bool?) -> Bool? {
        if a == false || b == false { return false }
        return a == nil || b == nil ? nil : true
    }
    #expect(evaluate("a and b", on: batch) == truths.map { text(and($0.0, $0.1)) })
    #expect(
        evaluate("a or b", on: batch)
            == truths.map { text(and($0.0.map { !$0 }, $0.1.map { !$0 }).map { !$0 }) })
    #expect(evaluate("not a", on: batch) == truths.map { text($0.0.map { !$0 }) })
    #expect(evaluate("a is true", on: batch) == truths.map { text($0.0 == true) })
}

@Test func `the time of now is the row's, and an expression of nothing has every row`() {
    let batch = emptyRows(3)
    #expect(
        evaluate("now()", on: batch) == [
            "1970-01-01 00:00:00", "1970-01-01 00:00:01", "1970-01-01 00:00:02",
        ])
    #expect(evaluate("'a'", on: batch) == ["a", "a", "a"])
    #expect(evaluate("[1, null]", on: batch) == ["[1, NULL]", "[1, NULL]", "[1, NULL]"])
    #expect(evaluate("{a: 1}", on: emptyRows(0)) == [])
}

@Test func `hostile texts are refused, never trapped on`() {
    let texts = [
        String(repeating: "(", count: 5000), String(repeating: "not ", count: 5000) + "true",
        String(repeating: "-", count: 5000) + "1", String(repeating: "[", count: 5000),
        "1e99999", "99999999999999999999999999999999999999999", "repeat('abcdefgh', 9000000000)",
        "lpad('a', 9000000000000, 'b')", "range(9223372036854775807)",
        "date '999999-01-01'", "interval '9223372036854775807 years'", "chr(55296)",
        "cast('1e9999' as decimal(38,0))", "1 << 9223372036854775807", "x'", "\"", "a.", "[1][",
        "{a}",
        "cast(1 as decimal(99,2))", "cast(1 as list<list<)", "regexp_matches('a', '(')",
        "'a' like 'a' escape 'bc'", "round(1.5, 9223372036854775807)",
        "round(1.5::double, -9223372036854775807)", "substring('abc', -9223372036854775807, 3)",
        "[1, 2][-9223372036854775807 : 9223372036854775807]", "to_base(5, 1)",
        "make_date(9223372036854775807, 1, 1)", "to_timestamp(1e300)",
        "date_diff('day', timestamp '290000-01-01', timestamp '1970-01-01')",
        "split_part('a', ',', -9223372036854775807)", "left('a', -9223372036854775807)",
        "extract(nonsense from date '2024-01-01')", "strftime(date '2024-01-01', '%Q')",
    ]
    for text in texts { _ = value(of: text) }
    #expect(
        value(of: String(repeating: "(", count: 5000)).hasPrefix("error: the expression is nested"))
    #expect(
        value(of: "repeat('abcdefgh', 9000000000)").hasPrefix("error: the text would be longer"))
    #expect(value(of: "chr(55296)") == "error: 55296 is no character")
    #expect(value(of: "regexp_matches('a', '(')").hasPrefix("error: the pattern is wrong"))
}

@Test func `a null string's view is never followed`() {
    let schema = Schema([Field("s", .string), Field("t", .string)])
    let batch = ColumnBatch(schema: schema, capacity: 2)
    for column in batch.columns {
        column.append("square")
        column.append("square")
        column.views[1] = .max
        column.ensureValidity()[1] = 0
    }
    for row in 0..<2 {
        batch.order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    batch.count = 2
    for text in [
        "s = 'square'", "s = 'square-and-longer' or s <> 'x'", "s = t", "s || t = 'squaresquare'",
    ] {
        #expect(evaluate(text, on: batch) == ["true", "NULL"], "\(text)")
    }
}
