import Operators
import StreamRuntime
import Testing

@Suite struct IntervalJoinTests {
    private func harness(
        _ type: JoinType, where condition: String? = nil
    ) throws -> OperatorHarness {
        try OperatorHarness(
            "time side:string k:string n:int64 r_id:int64", keys: ["k"], disorder: "00:05"
        ) { schema in
            try TwoSides(schema, type: type, where: condition) { form in
                IntervalJoin(form: form, before: .seconds(10), after: .seconds(5))
            }
        }
    }

    private static let log = """
        time   side  k  n     r_id
        00:20  l     a  1     null
        00:10  r     a  null  10
        00:09  r     a  null  9
        00:21  l     b  2     null
        00:25  r     a  null  25
        00:26  r     a  null  26
        00:30  l     a  3     null
        00:31  l     null  4  null
        """

    @Test func `rows join that happen near each other, in the place of the later one`() throws {
        let harness = try harness(.inner)
        try harness.send(IntervalJoinTests.log)
        try harness.finish()
        try harness.expect(
            """
            time   n  r
            00:20  1  {k: a, id: 10}
            00:25  1  {k: a, id: 25}
            00:30  3  {k: a, id: 25}
            00:30  3  {k: a, id: 26}
            """)
    }

    @Test func `a left row without partner comes out when it is known that there is none`() throws {
        let harness = try harness(.left, where: "r.id <> 26 and r.id <> 10")
        try harness.send(IntervalJoinTests.log)
        try harness.advance(to: "00:26")
        try harness.expect("time n r\n00:25 1 {k: a, id: 25}")
        try harness.advance(to: "00:26.1")
        try harness.expect("time n r\n00:26 2 null")
        try harness.advance(to: "00:36")
        try harness.expect("time n r\n00:30 3 {k: a, id: 25}")
        try harness.finish()
        try harness.expect("time n r\n00:36 4 null")
    }

    @Test(arguments: [
        (JoinType.semi, "time n\n00:20 1\n00:30 3"), (.anti, "time n\n00:26 2\n00:36 4"),
    ])
    func `semi and anti give left rows once and as they are`(
        type: JoinType, rows: String
    ) throws {
        let harness = try harness(type)
        try harness.send(IntervalJoinTests.log)
        try harness.finish()
        try harness.expect(rows)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func `random logs join as a plain model says`(seed: UInt64) throws {
        var random = Seeded(seed)
        let type = [JoinType.inner, .left, .semi, .anti][Int(seed) % 4]
        let condition = seed > 4 ? "(n + r.id) % 3 = 0" : nil
        let (before, after): (Int64, Int64) = (8_000_000, 3_000_000)
        let harness = try OperatorHarness(
            "time side:string k:string n:int64 r_id:int64", keys: ["k"]
        ) { schema in
            try TwoSides(schema, type: type, where: condition) { form in
                IntervalJoin(
                    form: form, before: .microseconds(before), after: .microseconds(after))
            }
        }
        var cells: [(isRight: Bool, key: Int)] = []
        let order = try harness.sendRandom(300, &random) { index, columns, random in
            let cell = (
                isRight: Bool.random(using: &random), key: Int.random(in: 0..<4, using: &random)
            )
            cells.append(cell)
            columns[0].append(cell.isRight ? "r" : "l")
            columns[1].append("k\(cell.key)")
            columns[2].append(Int64(index))
            columns[3].append(Int64(index))
        }
        /// A row that should come out: its place, and what it shows.
        var expected: [(place: (Int64, Int64, Int64, Int), cells: [String])] = []
        func show(_ left: RandomRow, _ right: RandomRow?) -> [String] {
            let n = "\(left.index)"
            guard type.showsRight else { return [n] }
            return [n, right.map { "{k: k\(cells[$0.index].key), id: \($0.index)}" } ?? "null"]
        }
        func last(_ row: RandomRow) -> Int64 {
            max(row.eventTime + (cells[row.index].isRight ? before : after), row.time)
        }
        var matched: Set<Int> = []
        for (position, row) in order.enumerated() {
            let isRight = cells[row.index].isRight
            var found = 0
            // Partners come by their event time, those of one time as they were processed.
            let partners = order[..<position].filter {
                cells[$0.index].key == cells[row.index].key
                    && cells[$0.index].isRight != isRight
            }
            let places = partners.indices.sorted {
                (partners[$0].eventTime, $0) < (partners[$1].eventTime, $1)
            }
            for other in places.map({ partners[$0] }) {
                let (left, right) = isRight ? (other, row) : (row, other)
                guard right.eventTime >= left.eventTime - before,
                    right.eventTime <= left.eventTime + after, row.time <= last(other)
                else { continue }
                found += 1
                if condition != nil, (left.index + right.index) % 3 != 0 { continue }
                let isFirst = matched.insert(left.index).inserted
                if type == .anti || (type == .semi && !isFirst) { continue }
                expected.append(
                    ((row.time, row.origin, row.offset, found), show(left, right)))
            }
        }
        if type.showsUnmatched {
            for left in order where !cells[left.index].isRight && !matched.contains(left.index) {
                expected.append(((last(left), left.origin, left.offset, 0), show(left, nil)))
            }
        }
        #expect(expected.count > 20, "seed \(seed)")
        try harness.expect(
            rows: expected.sorted { $0.place < $1.place }.map(\.cells),
            of: type.showsRight ? ["n", "r"] : ["n"])
    }
}
