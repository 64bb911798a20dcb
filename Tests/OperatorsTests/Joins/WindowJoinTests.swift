import Operators
import StreamRuntime
import Testing

@Suite struct WindowJoinTests {
    private static func harness(
        _ type: JoinType, size: Duration = .seconds(10), every: Duration? = nil,
        where condition: String? = nil
    ) throws -> OperatorHarness {
        try OperatorHarness(
            "time side:string k:string n:int64 r_v:int64", keys: ["k"]
        ) { schema in
            try TwoSides(schema, type: type, where: condition) { form in
                WindowJoin(form: form, size: size, every: every ?? size)
            }
        }
    }

    private static let log = """
        time   side  k     n     r_v
        00:01  l     a     1     null
        00:02  r     a     null  70
        00:09  l     a     2     null
        00:05  r     b     null  80
        00:06  l     c     3     null
        00:07  l     null  4     null
        00:08  r     null  null  90
        00:10  l     a     5     null
        00:11  r     c     null  71
        """

    @Test func `rows of one window and key are paired when the window ends`() throws {
        let harness = try WindowJoinTests.harness(.inner)
        try harness.send(WindowJoinTests.log)
        try harness.advance(to: "00:10")
        try harness.expect(
            """
            time         k  n  r              window_start  window_end
            00:09.999999 a  1  {k: a, v: 70}  00:00         00:10
            00:09.999999 a  2  {k: a, v: 70}  00:00         00:10
            """)
        try harness.finish()
        try harness.expectNothing()
    }

    @Test func `a row whose windows have ended is late and counted`() throws {
        let harness = try WindowJoinTests.harness(.left, size: .seconds(10), every: .seconds(5))
        try harness.send(
            """
            time   W      side  k  n     r_v
            00:01  00:00  l     a  1     null
            00:04  00:12  l     a  2     null
            00:06  00:12  l     a  3     null
            00:07  00:15  r     a  null  7
            """)
        try harness.finish()
        try harness.expect(
            """
            window_start  n  r
            -00:05        1  null
            00:00         1  null
            00:05         3  null
            """)
        #expect(harness.counters.read(.late) == 2)
    }

    struct Case: CustomStringConvertible, Sendable {
        let type: JoinType
        let hops: Bool
        let condition: String?
        let seed: UInt64

        var description: String {
            "\(type) \(hops ? "hop" : "tumble") \(condition ?? "") seed \(seed)"
        }
    }

    static let cases: [Case] = JoinType.allCases.enumerated().flatMap { index, type in
        [
            Case(type: type, hops: index % 2 == 0, condition: nil, seed: UInt64(index)),
            Case(type: type, hops: index % 2 == 1, condition: "n <= r.v", seed: UInt64(index + 20)),
        ]
    }

    @Test(arguments: cases)
    func `the rows of random windows are those of a join of each window`(test: Case) throws {
        let size: Int64 = 10_000_000
        let every: Int64 = test.hops ? 4_000_000 : size
        let harness = try WindowJoinTests.harness(
            test.type, size: .seconds(10), every: .microseconds(every), where: test.condition)
        var random = Seeded(test.seed)
        var sent: [(isRight: Bool, key: String?, value: Int)] = []
        let order = try harness.sendRandom(150, &random) { _, columns, random in
            let key = Int.random(in: 0..<5, using: &random)
            let row = (
                isRight: Bool.random(using: &random), key: key == 4 ? nil : "k\(key)",
                value: Int.random(in: 0..<9, using: &random)
            )
            columns[0].append(row.isRight ? "r" : "l")
            if let key = row.key { columns[1].append(key) } else { columns[1].appendNull() }
            columns[2].append(Int64(row.value))
            columns[3].append(Int64(row.value))
            sent.append(row)
        }
        var expected: [[String]: Int] = [:]
        let first = order.map(\.eventTime).min()! - size
        let last = order.map(\.eventTime).max()!
        var start = first - (first % every + every) % every
        while start <= last {
            let rows = order.filter {
                $0.eventTime >= start && $0.eventTime < start + size && $0.watermark < start + size
            }.map { sent[$0.index] }
            WindowJoinTests.join(rows, test, start, &expected)
            start += every
        }
        let shows = test.type != .semi && test.type != .anti
        let columns = ["window_start", "k", "n"] + (shows ? ["r"] : [])
        let rows = harness.rows(columns)
        var found: [[String]: Int] = [:]
        for row in rows { found[row, default: 0] += 1 }
        #expect(found == expected, "\(test)")
        try harness.expect(rows: rows, of: columns)
    }

    private static func join(
        _ rows: [(isRight: Bool, key: String?, value: Int)], _ test: Case, _ start: Int64,
        _ result: inout [[String]: Int]
    ) {
        let window = TableText.time(start)
        let rights = rows.filter(\.isRight)
        var matched = Set<Int>()
        func show(_ index: Int) -> String {
            "{k: \(rights[index].key ?? "null"), v: \(rights[index].value)}"
        }
        for left in rows where !left.isRight {
            let partners = rights.indices.filter {
                left.key != nil && rights[$0].key == left.key
                    && (test.condition == nil || left.value <= rights[$0].value)
            }
            matched.formUnion(partners)
            let mine = [window, left.key ?? "null", "\(left.value)"]
            if test.type == .semi || test.type == .anti {
                if partners.isEmpty == (test.type == .anti) { result[mine, default: 0] += 1 }
                continue
            }
            for partner in partners { result[mine + [show(partner)], default: 0] += 1 }
            if partners.isEmpty, test.type == .left || test.type == .full {
                result[mine + ["null"], default: 0] += 1
            }
        }
        guard test.type == .right || test.type == .full else { return }
        for index in rights.indices where !matched.contains(index) {
            result[[window, rights[index].key ?? "null", "null", show(index)], default: 0] += 1
        }
    }
}
