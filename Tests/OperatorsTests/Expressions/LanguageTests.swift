import Operators
import StreamRuntime
import Testing

@Test func `arithmetic keeps decimals exact and divides to doubles`() {
    expectValues(
        """
        1 + 2 => 3
        1.5 + 2.25 => 3.75
        1.5 * 2 => 3.0
        2.50 * 1.10 => 2.7500
        0.1 + 0.2 => 0.3
        0.1::double + 0.2::double => 0.30000000000000004
        1 / 2 => 0.5
        1 // 2 => 0
        -7 // 2 => -3
        5 // -3 => -1
        -7 % 3 => -1
        7.5 % 2 => 1.5
        1.5 / 2 => 0.75
        2 + 3 * 4 => 14
        (2 + 3) * 4 => 20
        1e3 => 1000.0
        9223372036854775807 + 1 => error: overflow in 9223372036854775807 + 1
        -9223372036854775808 - 1 => error: overflow in -9223372036854775808 - 1
        9223372036854775807 * 2 => error: overflow in 9223372036854775807 * 2
        1 // 0 => error: division by zero
        1 % 0 => error: division by zero
        1 / 0 => error: division by zero
        null + 1 => NULL
        99999999999999999999 + 1 => 100000000000000000000
        """)
}

@Test func `comparison and logic know three values`() {
    expectValues(
        """
        1 = 1.0 => true
        1 < 2 => true
        2 <= 1 => false
        3 > 2 and 2 > 1 => true
        'a' < 'B' => false
        'abc' = 'abc' => true
        'abcdefghij' = 'abcdefghij' => true
        'abcdefghij' <> 'abcdefghik' => true
        null = 1 => NULL
        null and false => false
        null and true => NULL
        null or true => true
        null or false => NULL
        not null => NULL
        not true => false
        1 is distinct from null => true
        null is not distinct from null => true
        1 is null => false
        null is null => true
        null is not null => false
        true is not false => true
        null is true => false
        1 in (2, null) => NULL
        1 in (1, null) => true
        3 not in (1, 2) => true
        2 between 1 and 3 => true
        2 not between 1 and 3 => false
        1 between 0 and null => NULL
        date '2024-01-01' = '2024-01-01' => true
        timestamp '2024-01-01' > date '2023-12-31' => true
        'nan'::double = 'nan'::double => true
        'nan'::double > 'inf'::double => true
        """)
}

@Test func `case and coalesce do not fail in branches not taken`() {
    expectValues(
        """
        case when false then 1 // 0 else 2 end => 2
        case 2 when 1 then 'a' when 2 then 'b' end => b
        case when null then 1 end => NULL
        coalesce(1, 1 // 0) => 1
        coalesce(null, 2) => 2
        if(true, 1, 1 // 0) => 1
        false and 1 // 0 = 1 => false
        true or 1 // 0 = 1 => true
        true and 1 // 0 = 1 => error: division by zero
        nullif(1, 1) => NULL
        nullif(1, 2) => 1
        try(1 // 0) => NULL
        """)
}

@Test func `a part that fails makes the whole fail, also beside a constant that is null`() {
    expectValues(
        """
        1 // 0 + null => error: division by zero
        null::double * sqrt(-1) => error: no square root of -1.0
        null = 1 // 0 => error: division by zero
        1 // 0 in (null, 2) => error: division by zero
        null between 1 // 0 and 2 => error: division by zero
        round(1.5 + 1 // 0, null) => error: division by zero
        [1 // 0] || null => error: division by zero
        concat(1 // 0, null) => error: division by zero
        left('abc', 1 // 0) || null => error: division by zero
        (1 // 0 > null) is null => error: division by zero
        case when 1 // 0 > null then 1 end => error: division by zero
        try(1 // 0 + null) => NULL
        coalesce(null, 1, 1 // 0 + null) => 1
        false and 1 // 0 > null => false
        1 + null => NULL
        """)
}

@Test func `casts round half away from zero and refuse what does not fit`() {
    expectValues(
        """
        cast(1.5 as bigint) => 2
        cast(2.5 as bigint) => 3
        cast(-2.5 as bigint) => -3
        cast(2.5::double as bigint) => 2
        cast('1.9' as int64) => 2
        cast('x' as int64) => error: 'x' is not a valid int64
        try_cast('x' as int64) => NULL
        cast(1e300 as bigint) => error: 1e+300 is out of the range of int64
        cast(true as varchar) => true
        'yes'::bool => true
        '2.567'::decimal(5,2) => 2.57
        1234.5::decimal(5,2) => error: 1234.5 is out of the range of decimal(5,2)
        '2024-02-30'::date => error: '2024-02-30' is not a valid date
        '2024-02-29T10:20:30.123456Z'::timestamp => 2024-02-29 10:20:30.123456
        '2024-02-29 10:20:30+02:00'::timestamp => 2024-02-29 08:20:30
        timestamp '2024-01-01 10:00:00'::date => 2024-01-01
        1::string => 1
        1.50::string => 1.50
        [1, 2]::string => [1, 2]
        ['1', '2']::int64[] => [1, 2]
        ['1', 'x']::list<int64> => error: 'x' is not a valid int64
        """)
}

@Test func `columns are read by name and nested fields by dots`() throws {
    let schema = Schema([
        Field("quantity", .int64), Field("source", .string),
        Field("count", .structure([Field("state", .string), Field("n", .int64)])),
    ])
    let batch = ColumnBatch(schema: schema, capacity: 3)
    for row in 0..<3 {
        if row == 1 { batch.columns[0].appendNull() } else { batch.columns[0].append(Int64(row)) }
        batch.columns[1].append(row == 2 ? "square" : "sap")
        batch.columns[2].children[0].append("s\(row)")
        batch.columns[2].children[1].append(Int64(10 * row))
        batch.columns[2].appendStructure()
        batch.order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    batch.count = 3
    #expect(evaluate("quantity < 2 and source = 'sap'", on: batch) == ["true", "NULL", "false"])
    #expect(evaluate("count.state", on: batch) == ["s0", "s1", "s2"])
    #expect(evaluate("COUNT.n + Quantity", on: batch) == ["0", "NULL", "22"])
    #expect(
        evaluate("10 // quantity", on: batch) == ["error: division by zero", "NULL", "5"])
    let compiled = try ExpressionCompiler(schema: schema).compile("source = 'x'")
    #expect(compiled.columns == [1])
    #expect(compiled.type == .bool)
}

@Test func `errors say where, what and how to mend it`() {
    let schema = Schema([Field("amount", .decimal(precision: 12, scale: 2)), Field("id", .string)])
    let cases: [(String, String, Int, Int, String?)] = [
        ("amuont > 1", "unknown column \"amuont\"", 0, 6, "write \"amount\""),
        (
            "amount + id", "decimal(12,2) + string has no meaning", 0, 11,
            "write cast(… as decimal(12,2)) around the string"
        ),
        (
            "id > 5", "string cannot be compared with int64", 0, 6,
            "write cast(… as int64) around the string"
        ),
        ("amount >", "the expression ends where a value should be", 8, 0, nil),
        ("(amount", "the expression ends where \")\" should be", 7, 0, nil),
        ("coalesc(id, 'x')", "unknown function \"coalesc\"", 0, 7, "write \"coalesce\""),
        ("id = 'x", "a text is not closed", 5, 2, "end it with '"),
        ("amount > 'abc'", "'abc' is not a valid decimal(12,2)", 9, 5, nil),
        (
            "sum(amount)", "sum is an aggregate: it has no meaning for a single row", 0, 3,
            "use it in the select of an aggregate or rolling step"
        ),
        ("'é' + amuont", "unknown column \"amuont\"", 7, 6, "write \"amount\""),
        ("cast(id as strnig)", "unknown type \"strnig\"", 11, 6, "write \"string\""),
        (
            "not amount", "a condition is needed here, and this is decimal(12,2)", 4, 6,
            "compare it: … <> 0"
        ),
    ]
    for (text, message, offset, length, fix) in cases {
        do {
            _ = try ExpressionCompiler(schema: schema).compile(text)
            Issue.record("\(text) compiled")
        } catch {
            #expect(
                error
                    == ExpressionError(message: message, offset: offset, length: length, fix: fix),
                "\(text)")
        }
    }
}

@Test func `aggregates are gathered once and become columns of the result`() throws {
    let schema = Schema([
        Field("user", .int64), Field("amount", .decimal(precision: 12, scale: 2)),
        Field("card", .string),
    ])
    let plan = try ExpressionCompiler(schema: schema).compileAggregates(
        [
            ("orders", "count(*)"), ("revenue", "sum(amount)"),
            ("basket", "sum(amount) / count(*)"), ("cards", "count(distinct card)"),
            ("big", "count(*) filter (where amount > 100)"), ("who", "user"),
            ("p90", "approx_quantile(amount, 0.9)"), ("newest", "arg_max(card, amount)"),
        ], keys: ["user"])
    #expect(
        plan.calls.map(\.function) == [
            .count, .sum, .count, .count, .approximateQuantile, .argumentMaximum,
        ])
    #expect(
        plan.resultSchema.fields == [
            Field("user", .int64), Field("$0", .int64),
            Field("$1", .decimal(precision: 38, scale: 2)), Field("$2", .int64),
            Field("$3", .int64), Field("$4", .float64), Field("$5", .string),
        ])
    #expect(plan.calls[2].isDistinct && plan.calls[3].filter != nil)
    #expect(plan.calls[4].parameter == 0.9)
    #expect(plan.outputs[2].expression.columns == [1, 2])
    #expect(plan.outputs[5].expression.plainColumn == 0)
    do {
        _ = try ExpressionCompiler(schema: schema).compileAggregates(
            [("bad", "amount")], keys: ["user"])
        Issue.record("a column that is no key was taken")
    } catch {
        #expect(error.name == "bad")
        #expect(error.error.fix == "write last(amount), or add it to \"by\"")
    }
}
