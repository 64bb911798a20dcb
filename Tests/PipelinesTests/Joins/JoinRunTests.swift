import Foundation
import Testing

@testable import Pipelines

/// Joins from a file to rows.
@Suite struct JoinRunTests {
    private static let files = [
        "orders.json": """
        {"id":"o1","sku":"p1","amount":3,"ts":"2026-01-01T00:00:05Z"}
        {"id":"o2","sku":"p2","amount":1,"ts":"2026-01-01T00:00:06Z"}
        {"id":"o3","sku":"p1","amount":2,"ts":"2026-01-01T00:00:20Z"}
        {"id":"o4","sku":"p1","amount":9,"ts":"2026-01-01T00:00:40Z"}

        """,
        "prices.json": """
        {"product":"p1","zone":"a","price":"1.50","ts":"2026-01-01T00:00:01Z"}
        {"product":"p1","zone":"b","price":"1.75","ts":"2026-01-01T00:00:04Z"}
        {"product":"p1","zone":"a","price":"2.00","ts":"2026-01-01T00:00:10Z"}

        """,
        "payments.json": """
        {"order_id":"o1","paid":"1.00","ts":"2026-01-01T00:00:15Z"}
        {"order_id":"o1","paid":"4.25","ts":"2026-01-01T00:00:16Z"}
        {"order_id":"o2","paid":"9.00","ts":"2026-01-01T00:00:17Z"}
        {"order_id":"o3","paid":"4.00","ts":"2026-01-01T00:00:19Z"}

        """,
        "changes.json": """
        {"op":"c","before":null,"after":{"sku":"p1","name":"apple"},"source":{"ts_ms":1767225601000}}
        {"op":"u","before":{"sku":"p1","name":"apple"},"after":{"sku":"p1","name":"pear"},"source":{"ts_ms":1767225610000}}
        {"op":"d","before":{"sku":"p1","name":"pear"},"after":null,"source":{"ts_ms":1767225630000}}

        """,
    ]

    private static let head = """
        version: 1
        job: {name: joins, state: ./state}
        connections: {local: {embedded: ./topics}, price_service: {http: {url: "http://127.0.0.1:1"}}}
        streams:
          orders:
            from: {files: orders.json}
            format: json
            fields: {id: string, sku: string, amount: int64, note: string, ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: fail
          prices:
            from: {files: prices.json}
            format: json
            fields: {product: string, zone: string, price: "decimal(10,2)", unused: string, ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: fail
          payments:
            from: {files: payments.json}
            format: json
            fields: {order_id: string, paid: "decimal(10,2)", ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: fail
          changes:
            from: {files: changes.json}
            format: {debezium: {changelog: full}}
            fields: {sku: string, name: string, at: {type: timestamp, path: source.ts_ms, unit: ms}}
            time: {field: at, out_of_orderness: 5s}
            on_error: fail
        pipelines:

        """

    private static let text =
        head
            + """
              newest:
                from: orders
                steps:
                  - join: {id: newest, with: prices, as: p, on: {sku: product}, type: left, as_of: {}}
                  - select: {id: id, price: p.price, total: amount * p.price}
                to: {topic: newest}
              zones:
                from: orders
                steps:
                  - join: {id: zones, with: prices, on: {sku: product}, as_of: {key: zone}, where: prices.price * amount > 5}
                  - select: {id: id, zone: prices.zone, price: prices.price}
                to: {topic: zones}
              named:
                from: orders
                steps:
                  - join: {id: named, with: changes, as: product, on: sku, type: left, as_of: {}}
                  - join: {id: priced, with: prices, as: p, on: {sku: product}, type: semi, as_of: {}, where: p.zone = 'a'}
                  - select: {id: id, name: product.name}
                to: {topic: named}
              paid:
                from: orders
                steps:
                  - join: {id: paid, with: payments, as: p, on: {id: order_id}, type: left, within: {before: 1s, after: 10s}}
                  - select: {id: id, paid: p.paid}
                to: {topic: paid}
              open:
                from: orders
                steps:
                  - join: {id: open, with: changes, as: product, on: sku, type: left, tables: {key: id, with_key: sku}}
                  - select: {id: id, name: product.name}
                to: {topic: open, key: id}
              met:
                from: orders
                steps:
                  - join: {id: met, with: payments, as: p, on: {id: order_id}, tables: {}, where: p.paid > amount}
                  - select: {id: id, paid: p.paid}
                to: {topic: met}
              windows:
                from: orders
                steps:
                  - join: {id: windows, with: payments, as: p, on: {id: order_id}, type: full, window: {tumble: 20s}}
                  - select: {id: id, sku: sku, paid: p.paid}
                to: {topic: windows}
              unknown:
                from: orders
                steps:
                  - join: {id: unknown, with: dear, on: {sku: product}, type: anti, as_of: {}}
                  - select: {id: id}
                to: {topic: unknown}
              dear: {from: prices, steps: [{filter: price >= 2}]}
            """

    @Test(arguments: [1, 2])
    func `rows are joined as the file says, on any number of workers`(workers: Int) throws {
        let found = try JoinPlace.run(
            JoinRunTests.text, files: JoinRunTests.files, workers: workers)
        #expect(
            found["newest"] == [
                #"{"id":"o1","price":1.75,"total":5.25}"#,
                #"{"id":"o2","price":null,"total":null}"#,
                #"{"id":"o3","price":2.00,"total":4.00}"#,
                #"{"id":"o4","price":2.00,"total":18.00}"#,
            ])
        #expect(
            found["zones"] == [
                #"{"id":"o1","zone":"b","price":1.75}"#, #"{"id":"o4","zone":"a","price":2.00}"#,
                #"{"id":"o4","zone":"b","price":1.75}"#,
            ])
        #expect(
            found["named"] == [
                #"{"id":"o3","name":"pear"}"#, #"{"id":"o4","name":null}"#,
            ])
        #expect(
            found["paid"] == [
                #"{"id":"o1","paid":1.00}"#, #"{"id":"o2","paid":null}"#,
                #"{"id":"o3","paid":4.00}"#, #"{"id":"o4","paid":null}"#,
            ])
        #expect(
            found["open"] == [
                #"{"id":"o1","name":"apple"}"#, #"{"id":"o2","name":null}"#,
                #"{"id":"o1","name":null}"#, #"{"id":"o1","name":"pear"}"#,
                #"{"id":"o3","name":"pear"}"#, #"{"id":"o1","name":null}"#,
                #"{"id":"o3","name":null}"#, #"{"id":"o4","name":null}"#,
            ])
        #expect(
            found["met"] == [
                #"{"id":"o1","paid":4.25}"#, #"{"id":"o2","paid":9.00}"#,
                #"{"id":"o3","paid":4.00}"#,
            ])
        #expect(
            found["windows"]?.sorted() == [
                #"{"id":"o1","sku":"p1","paid":1.00}"#, #"{"id":"o1","sku":"p1","paid":4.25}"#,
                #"{"id":"o2","sku":"p2","paid":9.00}"#, #"{"id":"o3","sku":"p1","paid":null}"#,
                #"{"id":"o3","sku":null,"paid":4.00}"#, #"{"id":"o4","sku":"p1","paid":null}"#,
            ])
        #expect(found["unknown"] == [#"{"id":"o1"}"#, #"{"id":"o2"}"#])
    }

    @Test(arguments: [1, 3])
    func `joins follow each other, each with its own columns`(workers: Int) throws {
        let found = try JoinPlace.run(
            JoinRunTests.head
                + """
                  chain:
                    from: orders
                    steps:
                      - join: {id: c1, with: payments, as: p, on: {id: order_id}, tables: {}}
                      - join: {id: c2, with: prices, as: q, on: {sku: product}, tables: {}, where: q.price > 1.6}
                      - join: {id: c3, with: changes, as: c, on: sku, type: left, as_of: {}}
                      - select: {id: id, paid: p.paid, price: q.price, name: c.name}
                    to: {topic: chain}
                """, files: JoinRunTests.files, workers: workers)
        #expect(
            found["chain"] == [
                #"{"id":"o1","paid":1.00,"price":1.75,"name":"pear"}"#,
                #"{"id":"o1","paid":1.00,"price":2.00,"name":"pear"}"#,
                #"{"id":"o1","paid":4.25,"price":1.75,"name":"pear"}"#,
                #"{"id":"o1","paid":4.25,"price":2.00,"name":"pear"}"#,
                #"{"id":"o3","paid":4.00,"price":1.75,"name":"pear"}"#,
                #"{"id":"o3","paid":4.00,"price":2.00,"name":"pear"}"#,
            ])
    }

    @Test(arguments: [1, 2])
    func `a side input is there before the first row, whatever its times`(workers: Int) throws {
        let text =
            JoinRunTests.head
                + """
                  known:
                    from: orders
                    steps:
                      - join: {id: known, with: prices, as: p, on: {sku: product}, type: left, side: {}}
                      - select: {id: id, price: p.price}
                    to: {topic: known}
                """
        let found = try JoinPlace.run(text, files: JoinRunTests.files, workers: workers)
        #expect(
            found["known"] == [
                #"{"id":"o1","price":2.00}"#, #"{"id":"o2","price":null}"#,
                #"{"id":"o3","price":2.00}"#, #"{"id":"o4","price":2.00}"#,
            ])
        let shown = try JoinPlace.plan(text).text(previous: nil)
        #expect(shown.contains("read to its end before the first row"), "\(shown)")
        let twice = text + "\n  other: {from: prices, to: {topic: other}}\n"
        #expect(JoinPlace.problems(twice).contains("\"prices\" is a side input"))
    }

    @Test func `a join that keeps rows for good is warned of, with its line and a fix`() {
        let file = PlannedFile(
            file: "pipelines.yaml",
            text: JoinRunTests.head
                + "  j: {from: orders, steps: [{join: {id: j, with: payments, as: p, on: {id: order_id}, tables: {key: id}}}], to: {topic: j, changes: changelog}}\n",
            variables: Variables(environment: [:], readFile: { _ in nil }))
        let told = Validate.output(file, json: false)
        #expect(told.exitCode == 0)
        #expect(
            told.text.contains(
                ":30:30: warning[W401]: step \"j\" keeps every row of payments for good"),
            "\(told.text)")
        #expect(told.text.contains("fix: say how long a row can find partners: ttl: 1d"))
        #expect(Validate.output(file, json: true).text.contains("\"code\": \"W401\""))
    }

    @Test func `a pipeline run alone brings what it joins with`() throws {
        let found = try JoinPlace.run(
            JoinRunTests.text, files: JoinRunTests.files, workers: 1, only: ["unknown"])
        #expect(found.keys.sorted() == ["unknown"])
        #expect(found["unknown"]?.count == 2)
    }

    @Test func `only the fields that are needed of either side are read`() throws {
        let plan = try JoinPlace.plan(JoinRunTests.text, only: ["unknown"])
        let fields = plan.sources.map {
            "\($0.name): " + $0.fields.map(\.name).joined(separator: " ")
        }
        #expect(fields == ["orders: id sku ts", "prices: product price ts"])
    }

    @Test(arguments: [
        (
            "{id: j, with: orders2, on: sku, as_of: {}}",
            "error[E202]: there is no stream or pipeline \"orders2\""
        ),
        (
            "{id: j, with: prices, on: sku, as_of: {}}",
            "error[E206]: \"on\" of step \"j\", for prices,"
        ),
        (
            "{id: j, with: prices, on: {amount: product}, as_of: {}}",
            "error[E320]: \"amount\" is int64, and \"product\" of prices is string"
        ),
        (
            "{id: j, with: prices, as: note, on: {sku: product}, as_of: {}}",
            "error[E308]: there is already a column \"note\""
        ),
        (
            "{id: j, with: prices, on: {sku: product}, as_of: {}, where: prices.prize > 1}",
            "error[E301]"
        ),
        (
            "{id: j, with: prices, on: {sku: product}, as_of: {key: zones}}",
            "error[E206]: the key of prices names \"zones\""
        ),
        (
            "{id: j, with: prices, on: {sku: product}, type: full, as_of: {}}",
            "error[E119]: right rows without partner do not come out of a join as_of or within a time"
        ),
        (
            "{id: j, with: prices, on: {sku: product}, window: {hop: 5s, every: 10s}}",
            "windows of 5s every 10s leave rows out"
        ),
        (
            "{id: j, with: changes, on: sku, window: {tumble: 10s}}",
            "a join in a window cannot take back right rows"
        ),
        ("{id: j, with: j, on: sku, as_of: {}}", "error[E204]: \"j\" reads from itself"),
        ("{id: j, with: prices, on: {sku: product}}", "error[E107]"),
    ])
    func `a wrong join is told with its place`(join: String, message: String) {
        let text =
            JoinRunTests.head
            + "  j: {from: orders, steps: [{join: \(join)}], to: {topic: out}}\n"
        let problems = JoinPlace.problems(text)
        #expect(problems.contains(message), "\(problems)")
    }

    @Test func `the examples of the reference are joins without problems`() throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/PIPELINES.md")
        let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
        let begin = try #require(text.range(of: "\n## Joins\n")).upperBound
        let end = try #require(text.range(of: "\n## ", range: begin..<text.endIndex)).lowerBound
        let examples = text[begin..<end].split(separator: "```yaml\n").dropFirst()
        #expect(examples.count == 8)
        for example in examples {
            let steps = example.split(separator: "```")[0].split(separator: "\n")
            let file =
                JoinRunTests.head + "  shown:\n    from: orders\n    steps:\n"
                + steps.map { "      \($0)\n" }.joined() + "    to: {topic: shown, key: id}\n"
            #expect(JoinPlace.problems(file) == "")
        }
    }

    @Test func `right rows that are changed cannot be joined within a time`() {
        let text =
            JoinRunTests.head
            + "  j: {from: orders, steps: [{join: {id: j, with: changes, on: sku, within: {after: 1s}}}], to: {topic: out}}\n"
        let problems = JoinPlace.problems(text)
        #expect(problems.contains("error[E312]: a join within a time"), "\(problems)")
    }

    @Test func `changed rows cannot be on the left`() {
        let text =
            JoinRunTests.head
            + "  j: {from: changes, steps: [{join: {id: j, with: prices, on: {sku: product}, as_of: {}}}], to: {topic: out}}\n"
        let problems = JoinPlace.problems(text)
        #expect(problems.contains("error[E312]: a join cannot take back left rows"), "\(problems)")
    }
}
