import Operators
import StreamRuntime
import Testing

@Suite struct UpdatingJoinTests {
    private func harness(_ type: JoinType, timeToLive: Duration? = nil) throws -> OperatorHarness {
        try OperatorHarness(
            "time side:string k:string n:int64 v:int64 r_id:int64 r_v:int64", keys: ["k"]
        ) {
            schema in
            try TwoSides(schema, tableKey: ["id"], type: type) { form in
                UpdatingJoin(
                    form: form, leftKey: [1], hasRightKey: true, timeToLive: timeToLive)
            }
        }
    }

    private static let log = """
        time   side  k  n     v     r_id  r_v   change
        00:01  l     a  1     10    null  null  insert
        00:02  r     a  null  null  7     70    insert
        00:03  r     a  null  null  8     80    insert
        00:04  l     a  1     11    null  null  insert
        00:05  r     a  null  null  7     71    insert
        00:06  r     a  null  null  8     null  delete
        00:07  r     a  null  null  7     null  delete
        00:08  l     a  1     null  null  null  delete
        00:09  r     b  null  null  7     70    insert
        00:10  l     a  5     null  null  null  delete
        """

    @Test func `each change of a side changes the pairs it is in`() throws {
        let harness = try harness(.left)
        try harness.send(UpdatingJoinTests.log)
        try harness.finish()
        try harness.expect(
            """
            time   change        n  v   r
            00:01  insert        1  10  null
            00:02  updateBefore  1  10  null
            00:02  updateAfter   1  10  {k: a, id: 7, v: 70}
            00:03  insert        1  10  {k: a, id: 8, v: 80}
            00:04  updateBefore  1  10  {k: a, id: 7, v: 70}
            00:04  updateAfter   1  11  {k: a, id: 7, v: 70}
            00:04  updateBefore  1  10  {k: a, id: 8, v: 80}
            00:04  updateAfter   1  11  {k: a, id: 8, v: 80}
            00:05  updateBefore  1  11  {k: a, id: 7, v: 70}
            00:05  updateAfter   1  11  {k: a, id: 7, v: 71}
            00:06  delete        1  11  {k: a, id: 8, v: 80}
            00:07  updateBefore  1  11  {k: a, id: 7, v: 71}
            00:07  updateAfter   1  11  null
            00:08  delete        1  11  null
            """)
    }

    @Test func `an inner join tells of pairs only`() throws {
        let harness = try harness(.inner, timeToLive: .seconds(4))
        try harness.send(UpdatingJoinTests.log)
        try harness.finish()
        try harness.expect(
            """
            time   change        n  v   r
            00:02  insert        1  10  {k: a, id: 7, v: 70}
            00:03  insert        1  10  {k: a, id: 8, v: 80}
            00:04  updateBefore  1  10  {k: a, id: 7, v: 70}
            00:04  updateAfter   1  11  {k: a, id: 7, v: 70}
            00:04  updateBefore  1  10  {k: a, id: 8, v: 80}
            00:04  updateAfter   1  11  {k: a, id: 8, v: 80}
            00:05  updateBefore  1  11  {k: a, id: 7, v: 70}
            00:05  updateAfter   1  11  {k: a, id: 7, v: 71}
            00:06  delete        1  11  {k: a, id: 8, v: 80}
            00:07  delete        1  11  {k: a, id: 7, v: 71}
            """)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func `the changes of a random log add up to the join of its tables`(seed: UInt64) throws {
        var random = Seeded(seed)
        let type = seed % 2 == 0 ? JoinType.left : .inner
        let harness = try harness(type)
        var cells: [(isRight: Bool, key: Int, id: Int, value: Int)] = []
        let order = try harness.sendRandom(300, &random) { index, columns, random in
            let cell = (
                isRight: Bool.random(using: &random), key: Int.random(in: 0..<3, using: &random),
                id: Int.random(in: 0..<6, using: &random), value: index
            )
            cells.append(cell)
            columns[0].append(cell.isRight ? "r" : "l")
            columns[1].append("k\(cell.key)")
            for column in 2..<6 {
                columns[column].append(Int64(column % 2 == 0 ? cell.id : cell.value))
            }
        }
        var tables: [[[Int: Int]]] = [[[:], [:], [:]], [[:], [:], [:]]]
        for place in order {
            let row = cells[place.index]
            tables[row.isRight ? 1 : 0][row.key][row.id] = row.value
        }
        var expected: [[String]: Int] = [:]
        for key in 0..<3 {
            for left in tables[0][key] {
                let rights = tables[1][key].map { "{k: k\(key), id: \($0.key), v: \($0.value)}" }
                for right in rights.isEmpty && type == .left ? ["null"] : rights {
                    expected[["\(left.key)", "\(left.value)", right]] = 1
                }
            }
        }
        let columns = ["change", "n", "v", "r"]
        let rows = harness.rows(columns)
        var found: [[String]: Int] = [:]
        for row in rows {
            let isGone = ["updateBefore", "delete"].contains(row[0])
            let pair = Array(row[1...])
            found[pair, default: 0] += isGone ? -1 : 1
            #expect([0, 1].contains(found[pair]), "seed \(seed): \(row)")
            if found[pair] == 0 { found[pair] = nil }
        }
        #expect(found == expected, "seed \(seed)")
        try harness.expect(rows: rows, of: columns)
    }
}
