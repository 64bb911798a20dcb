import Operators
import StreamRuntime
import Testing

@Suite struct TemporalJoinTests {
    private func harness(
        _ type: JoinType, where condition: String? = nil, tableKey: [String] = [],
        timeToLive: Duration? = nil,
        header: String =
            "time side:string k:string n:int64 r_id:int64 r_name:string r_price:decimal(10,2)"
    ) throws -> OperatorHarness {
        try OperatorHarness(header, keys: ["k"]) { schema in
            try TwoSides(schema, tableKey: tableKey, type: type, where: condition) { form in
                TemporalJoin(
                    form: form, hasTableKey: !tableKey.isEmpty, timeToLive: timeToLive)
            }
        }
    }

    private static let log = """
        time   side  k     n     r_id  r_name  r_price
        00:01  l     a     1     null  null    null
        00:02  r     a     null  1     one     1.00
        00:03  l     a     2     null  null    null
        00:03  r     a     null  1     two     2.00
        00:04  l     b     3     null  null    null
        00:05  l     a     4     null  null    null
        00:06  r     null  null  9     none    9.00
        00:07  l     null  5     null  null    null
        00:08  r     a     null  1     null    null
        00:09  l     a     6     null  null    null
        """

    @Test func `a row sees what was newest at its own place in the order`() throws {
        let harness = try harness(.inner)
        try harness.send(TemporalJoinTests.log)
        try harness.finish()
        try harness.expect(
            """
            time   k  n  r
            00:03  a  2  {k: a, id: 1, name: one, price: 1.00}
            00:05  a  4  {k: a, id: 1, name: two, price: 2.00}
            00:09  a  6  {k: a, id: 1, name: null, price: null}
            """)
    }

    @Test func `left rows without partner come out with nothing beside them`() throws {
        let harness = try harness(.left)
        try harness.send(TemporalJoinTests.log)
        try harness.finish()
        try harness.expect(
            """
            time   k     n  r
            00:01  a     1  null
            00:03  a     2  {k: a, id: 1, name: one, price: 1.00}
            00:04  b     3  null
            00:05  a     4  {k: a, id: 1, name: two, price: 2.00}
            00:07  null  5  null
            00:09  a     6  {k: a, id: 1, name: null, price: null}
            """)
    }

    @Test(arguments: [
        (JoinType.semi, nil as String?, ["2", "4", "6"]), (.anti, nil, ["1", "3", "5"]),
        (.semi, "r.price * 2 = n", ["2", "4"]), (.anti, "r.price * 2 = n", ["1", "3", "5", "6"]),
        (.inner, "r.price < n", ["2", "4"]),
        (.left, "r.price < n", ["1", "2", "3", "4", "5", "6"]),
    ])
    func `which rows come out is the type's and the condition's decision`(
        type: JoinType, condition: String?, rows: [String]
    ) throws {
        let harness = try harness(type, where: condition)
        try harness.send(TemporalJoinTests.log)
        try harness.finish()
        try harness.expect(rows: rows.map { [$0] }, of: ["n"])
    }

    @Test func `deletes and rows before an update take table rows away`() throws {
        let harness = try harness(.left, where: "r.id > 0")
        try harness.send(
            """
            time   side  k  n     r_id  r_name  r_price  change
            00:01  r     a  null  1     one     1.00     insert
            00:02  l     a  1     null  null    null     insert
            00:03  r     a  null  1     null    null     delete
            00:04  l     a  2     null  null    null     insert
            00:05  r     a  null  1     two     2.00     insert
            00:06  r     a  null  1     two     2.00     updateBefore
            00:06  r     b  null  1     two     2.00     updateAfter
            00:07  l     a  3     null  null    null     insert
            00:08  l     b  4     null  null    null     insert
            """)
        try harness.finish()
        try harness.expect(
            """
            n  r
            1  {k: a, id: 1, name: one, price: 1.00}
            2  null
            3  null
            4  {k: b, id: 1, name: two, price: 2.00}
            """)
    }

    @Test func `a table row is forgotten a time to live after it came`() throws {
        for tableKey in [[], ["id"]] {
            let harness = try harness(.semi, tableKey: tableKey, timeToLive: .seconds(10))
            try harness.send(
                """
                time   side  k  n     r_id  r_name  r_price
                00:01  r     a  null  1     one     1.00
                00:10  l     a  1     null  null    null
                00:11  l     a  2     null  null    null
                00:12  r     a  null  1     one     1.00
                """)
            try harness.advance(to: "00:13")
            try harness.send("time side k n r_id r_name r_price\n00:21.9 l a 3 null null null")
            try harness.advance(to: "00:40")
            try harness.send("time side k n r_id r_name r_price\n00:41 l a 4 null null null")
            try harness.finish()
            try harness.expect("n\n1\n3")
        }
    }

    @Test
    func `a table with a key of its own gives a row for each of its rows, in the key's order`()
        throws
    {
        let harness = try harness(.left, where: "r.price <= n", tableKey: ["id"])
        try harness.send(
            """
            time   side  k  n     r_id  r_name  r_price  change
            00:01  r     a  null  3     three   3.00     insert
            00:02  r     a  null  1     one     1.00     insert
            00:03  l     a  5     null  null    null     insert
            00:04  r     a  null  2     two     2.00     insert
            00:05  r     a  null  3     drei    3.50     insert
            00:06  l     a  9     null  null    null     insert
            00:07  r     a  null  2     null    null     delete
            00:08  l     a  0     null  null    null     insert
            00:09  l     a  4     null  null    null     insert
            """)
        try harness.finish()
        try harness.expect(
            """
            time   n  r
            00:03  5  {k: a, id: 1, name: one, price: 1.00}
            00:03  5  {k: a, id: 3, name: three, price: 3.00}
            00:06  9  {k: a, id: 1, name: one, price: 1.00}
            00:06  9  {k: a, id: 2, name: two, price: 2.00}
            00:06  9  {k: a, id: 3, name: drei, price: 3.50}
            00:08  0  null
            00:09  4  {k: a, id: 1, name: one, price: 1.00}
            00:09  4  {k: a, id: 3, name: drei, price: 3.50}
            """)
    }

    @Test func `a pair the condition fails on is settled and matches nothing`() throws {
        let harness = try harness(.left, where: "10 // r.id > 0")
        try harness.send(
            """
            time   side  k  n     r_id  r_name  r_price
            00:01  r     a  null  0     zero    1.00
            00:02  l     a  1     null  null    null
            """)
        try harness.finish()
        try harness.expect("n r\n1 null")
        try harness.expect("offset reason\n1 'division by zero'", port: 1)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6])
    func `random logs join as a plain model says`(seed: UInt64) throws {
        var random = Seeded(seed)
        let isMany = seed % 2 == 0
        let type = [JoinType.inner, .left, .semi, .anti][Int(seed) % 4]
        let lives = seed % 3 == 0
        let condition = seed > 3 ? "length(r.name) <= n" : nil
        let harness = try OperatorHarness(
            "time side:string k:string n:int64 r_id:int64 r_name:string", keys: ["k"]
        ) { schema in
            try TwoSides(
                schema, tableKey: isMany ? ["id"] : [], type: type, where: condition
            ) { form in
                TemporalJoin(
                    form: form, hasTableKey: isMany, timeToLive: lives ? .seconds(40) : nil)
            }
        }
        var cells: [(isRight: Bool, key: Int, n: Int, id: Int, name: String)] = []
        let order = try harness.sendRandom(500, &random) { _, columns, random in
            var row = (
                isRight: Int.random(in: 0..<3, using: &random) > 0,
                key: Int.random(in: 0..<4, using: &random),
                n: Int.random(in: 0..<400, using: &random),
                // Names so long that a key's rows are in several pieces.
                id: Int.random(in: 0..<40, using: &random),
                name: String(
                    repeating: "x", count: Int.random(in: 0..<400, using: &random))
            )
            // Key 3 is in no table.
            if row.key == 3 { row.isRight = false }
            cells.append(row)
            columns[0].append(row.isRight ? "r" : "l")
            columns[1].append("k\(row.key)")
            columns[2].append(Int64(row.n))
            columns[3].append(Int64(row.id))
            columns[4].append(row.name)
        }
        var table: [Int: [Int: (text: String, length: Int, time: Int64)]] = [:]
        var expected: [[String]] = []
        for place in order {
            let row = cells[place.index]
            if row.isRight {
                let name = row.name.isEmpty ? "''" : row.name
                table[row.key, default: [:]][isMany ? row.id : 0] = (
                    "{k: k\(row.key), id: \(row.id), name: \(name)}", row.name.utf8.count,
                    place.time
                )
                continue
            }
            let partners = (table[row.key] ?? [:]).sorted { $0.key < $1.key }.map(\.value).filter {
                (!lives || place.time < $0.time + 40_000_000)
                    && (condition == nil || $0.length <= row.n)
            }
            let pairs = partners.map { ["\(row.n)", $0.text] }
            switch type {
            case .inner, .right: expected += pairs
            case .left, .full: expected += pairs.isEmpty ? [["\(row.n)", "null"]] : pairs
            case .semi: if !pairs.isEmpty { expected.append(["\(row.n)"]) }
            case .anti: if pairs.isEmpty { expected.append(["\(row.n)"]) }
            }
        }
        #expect(expected.count > 20, "seed \(seed)")
        try harness.expect(rows: expected, of: type.showsRight ? ["n", "r"] : ["n"])
    }
}
