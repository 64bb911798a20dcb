import Operators
import StreamRuntime
import Testing

@Suite struct RebatchTests {
    private func harness(size: Int, linger: Duration?) throws -> OperatorHarness {
        try OperatorHarness("time shop:string n:int64", keys: ["shop"]) { schema in
            Rebatch(schema: schema, keys: [0], size: size, linger: linger)
        }
    }

    @Test func `a batch leaves when it is full`() throws {
        let harness = try harness(size: 2, linger: .seconds(10))
        try harness.send(
            """
            time   shop  n
            00:01  a     1
            00:02  b     2
            00:03  a     3
            00:04  a     4
            """)
        try harness.advance(to: "00:05")
        try harness.expect(
            """
            time   shop  size  items                                first_event_time  last_event_time
            00:03  a     2     [{shop: a, n: 1}, {shop: a, n: 3}]  00:01             00:03
            """)
        try harness.finish()
        try harness.expect(
            """
            time          shop  size  items
            00:11.999999  b     1     [{shop: b, n: 2}]
            00:13.999999  a     1     [{shop: a, n: 4}]
            """)
    }

    @Test func `a batch leaves when its time is over, without the row at its deadline`() throws {
        let harness = try harness(size: 50, linger: .seconds(2))
        try harness.send(
            """
            time          shop  n
            00:01         a     1
            00:02.999999  a     2
            00:03         a     3
            """)
        try harness.advance(to: "00:04")
        try harness.expect(
            """
            time          shop  size  items
            00:02.999999  a     2     [{shop: a, n: 1}, {shop: a, n: 2}]
            """)
        try harness.advance(to: "00:05")
        try harness.expect(
            """
            time          items
            00:04.999999  [{shop: a, n: 3}]
            """)
        try harness.finish()
        try harness.expectNothing()
    }

    @Test func `without a linger only size and the end of the input give batches out`() throws {
        let harness = try harness(size: 3, linger: nil)
        try harness.send(
            """
            time   shop  n
            00:01  a     1
            00:02  b     null
            """)
        try harness.advance(to: "50:00:00")
        try harness.expectNothing()
        try harness.finish()
        try harness.expect(
            """
            shop  size  last_event_time
            a     1     00:01
            b     1     00:02
            """)
    }

    @Test func `a batch's id is the same in every run and different for every batch`() throws {
        var seen: [Set<String>] = []
        for _ in 0..<2 {
            let harness = try harness(size: 1, linger: nil)
            try harness.send(
                """
                time   shop  n
                00:01  a     1
                00:01  b     1
                00:02  a     1
                """)
            let ids = {
                try harness.finish()
                return harness.rows(["batch_id"]).map { $0[0] }
            }
            let found = try ids()
            #expect(found.allSatisfy { $0.count == 32 })
            #expect(Set(found).count == 3)
            seen.append(Set(found))
            try harness.expect(rows: found.map { [$0] }, of: ["batch_id"])
        }
        #expect(seen[0] == seen[1])
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `random rows are batched as a plain model says`(seed: UInt64) throws {
        var random = Seeded(seed)
        var shops: [String] = []
        let harness = try harness(size: 5, linger: .seconds(8))
        let rows = try harness.sendRandom(300, &random) { index, columns, random in
            let shop = "s\(Int.random(in: 0..<9, using: &random))"
            shops.append(shop)
            columns[0].append(shop)
            columns[1].append(Int64(index))
        }
        struct Open {
            var members: [Int]
            var deadline: Int64
        }
        var open: [String: Open] = [:]
        var expected: Set<String> = []
        func leave(_ shop: String) {
            guard let batch = open.removeValue(forKey: shop) else { return }
            expected.insert(shop + batch.members.map { " \($0)" }.joined())
        }
        for row in rows {
            let shop = shops[row.index]
            if let batch = open[shop], row.time >= batch.deadline { leave(shop) }
            open[shop, default: Open(members: [], deadline: row.time + 8_000_000)]
                .members.append(row.index)
            if open[shop]!.members.count == 5 { leave(shop) }
        }
        for shop in Array(open.keys) { leave(shop) }
        let found = harness.rows(["time", "shop", "size", "items"])
        let plain = found.map { row in
            row[1]
                + row[3].split(separator: "n: ").dropFirst().map { " \($0.prefix { $0.isNumber })" }
                .joined()
        }
        #expect(Set(plain) == expected)
        #expect(plain.count == expected.count)
        try harness.expect(rows: found, of: ["time", "shop", "size", "items"])
    }
}
