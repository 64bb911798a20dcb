import Operators
import StreamRuntime
import Testing

@Suite struct MatchTests {
    private func harness(_ spec: MatchSpec) throws -> OperatorHarness {
        try OperatorHarness("time card:string s:string n:int64", keys: ["card"]) { schema in
            let (program, problems) = MatchProgram.compile(spec, input: schema, keys: [0])
            return Match(program: try #require(program, "\(problems)"), onError: .drop)
        }
    }

    private func spec(_ pattern: String, skip: MatchSkip = .pastLast, rows: Int = 1000) -> MatchSpec
    {
        MatchSpec(
            pattern: pattern,
            definitions: [
                .init("a", "s = 'a'"), .init("b", "s = 'b'"), .init("c", "s = 'c'"),
                .init("up", "n > coalesce(last(up.n), 0)"),
            ], within: .seconds(60), skip: skip, rowsMax: rows,
            select: [
                .init("rows", "count(*)"), .init("from", "first(n)"), .init("to", "last(n)"),
            ])
    }

    private func only(_ spec: MatchSpec, _ names: [String]) -> MatchSpec {
        var spec = spec
        spec.definitions.removeAll { !names.contains($0.name) }
        return spec
    }

    @Test func `three refusals and an approval are told with the approval`() throws {
        let harness = try harness(
            MatchSpec(
                pattern: "decline{3,} approve",
                definitions: [
                    .init("decline", "s = 'declined'"),
                    .init("approve", "s = 'approved' and n > sum(decline.n)"),
                ], within: .seconds(600),
                select: [
                    .init("declines", "count(decline.*)"), .init("first", "first(decline.n)"),
                    .init("mean", "avg(decline.n)"), .init("at", "last(approve.n)"),
                ]))
        try harness.send(
            """
            time      card  s         n
            00:01:00  x     declined  1
            00:02:00  x     declined  2
            00:02:00  y     declined  2
            00:03:00  x     declined  3
            00:04:00  x     declined  1
            00:05:00  x     approved  9
            00:06:00  y     approved  9
            """)
        try harness.advance(to: "00:10:00")
        try harness.expect(
            """
            time      card  declines  first  mean  at
            00:05:00  x     4         1      1.75  9
            """)
        try harness.finish()
        try harness.expectNothing()
    }

    @Test func `a greedy end waits for the row that ends it, or for the time to be over`() throws {
        let harness = try harness(only(spec("a b*"), ["a", "b"]))
        try harness.send(
            """
            time      card  s  n
            00:00:10  x     a  1
            00:00:20  x     b  2
            00:00:30  x     b  3
            00:00:40  x     c  4
            00:01:40  x     a  5
            00:01:50  x     b  6
            00:03:00  x     c  7
            """)
        try harness.finish()
        try harness.expect(
            """
            time             rows  from  to
            00:00:40         3     1     3
            00:02:40         2     5     6
            """)
    }

    @Test func `reluctant, alternative and counted parts prefer as written`() throws {
        for (pattern, expected) in [
            ("a b?? c?", ["1 1 1"]), ("a b+? b", ["3 1 3"]), ("a (b b | b)", ["3 1 3"]),
            ("a (b | b b) ", ["2 1 2"]), ("a b{2}", ["3 1 3"]), ("a b{1,2}? b", ["3 1 3"]),
            ("(a | b){3} c", ["4 1 4"]), ("a c", []), ("b{,1} c", ["2 3 4"]),
        ] {
            let harness = try harness(
                only(spec(pattern), ["a", "b", "c"].filter(pattern.contains)))
            try harness.send(
                """
                time      card  s  n
                00:00:10  x     a  1
                00:00:20  x     b  2
                00:00:30  x     b  3
                00:00:40  x     c  4
                """)
            try harness.finish()
            let rows = harness.rows(["rows", "from", "to"])
            #expect(rows.map { $0.joined(separator: " ") } == expected, "\(pattern)")
            try harness.expect(rows: rows, of: ["rows", "from", "to"])
        }
    }

    @Test func `the next match begins behind the last row, at the second one, or at a named one`()
        throws
    {
        for (skip, expected) in [
            (MatchSkip.pastLast, ["3 1 4", "2 4 9"]), (.toNext, ["3 1 4", "2 2 4", "2 4 9"]),
            (.toLast("up"), ["3 1 4", "2 4 9"]), (.toFirst("up"), ["3 1 4", "2 2 4", "2 4 9"]),
        ] {
            let harness = try harness(only(spec("up{2,}", skip: skip), ["up"]))
            try harness.send(
                """
                time      card  s  n
                00:00:10  x     a  1
                00:00:20  x     b  2
                00:00:30  x     b  4
                00:00:40  x     c  4
                00:00:50  x     c  9
                00:00:55  x     c  3
                """)
            try harness.finish()
            let rows = harness.rows(["rows", "from", "to"])
            #expect(rows.map { $0.joined(separator: " ") } == expected)
            try harness.expect(rows: rows, of: ["rows", "from", "to"])
        }
    }

    @Test func `a key's rows are bounded: the first row's match is decided with what there is`()
        throws
    {
        let harness = try harness(only(spec("a+ b?", rows: 3), ["a", "b"]))
        try harness.send(
            """
            time      card  s  n
            00:00:10  x     a  1
            00:00:11  x     a  2
            00:00:12  x     a  3
            00:00:13  x     a  4
            00:00:14  x     b  5
            """)
        try harness.finish()
        try harness.expect(
            """
            time      rows  from  to
            00:00:13  3     1     3
            00:00:14  2     4     5
            """)
    }

    @Test func `what is wrong with a pattern is told at its place`() throws {
        let schema = Schema([Field("k", .string), Field("n", .int64)])
        for (pattern, message, offset) in [
            ("a b)", "unexpected \")\", expected a name or the end", 3),
            ("a* b?", "no row at all would be a match", 0),
            ("a (b?)+", "what may be no row at all cannot be repeated", 2),
            ("a{3,2}", "there are no such numbers of rows", 2),
            ("a |", "the pattern ends, expected a name", 3),
            ("a{9999}", "the pattern is too large: its counts make more than 2,000 steps", 0),
        ] {
            let spec = MatchSpec(
                pattern: pattern, definitions: [], within: .seconds(1), select: [])
            let problems = MatchProgram.compile(spec, input: schema, keys: [0]).problems
            #expect(problems.map(\.error.message) == [message], "\(pattern)")
            #expect(problems.map(\.error.offset) == [offset], "\(pattern)")
        }
        let astray = MatchSpec(
            pattern: "a b", definitions: [], within: .seconds(1), skip: .toLast("bb"), select: [])
        let problems = MatchProgram.compile(astray, input: schema, keys: [0]).problems
        #expect(problems.map(\.place) == [.skip])
        let torn = MatchSpec(
            pattern: "a b", definitions: [.init("a", "n > last(b.n"), .init("c", "true")],
            within: .seconds(1), select: [])
        #expect(
            MatchProgram.compile(torn, input: schema, keys: [0]).problems.map(\.place) == [
                .name(1), .definition(0),
            ])
        #expect(problems.map(\.error.message) == ["\"bb\" is not in the pattern"])
        #expect(problems.map(\.error.fix) == ["write \"b\""])
        let spec = MatchSpec(
            pattern: "a b",
            definitions: [.init("bb", "true"), .init("b", "n > last(c.n)"), .init("a", "n")],
            within: .seconds(1),
            select: [
                .init("k", "count(*)"), .init("x", "n"), .init("y", "sum(a.k)"),
                .init("z", "last(a.n + 1)"), .init("w", "last(a.n, -1)"),
                .init("v", "sum(a.n, 1)"),
            ])
        #expect(
            MatchProgram.compile(spec, input: schema, keys: [0]).problems.map(\.error.message) == [
                "\"bb\" is not in the pattern", "a condition is needed here, and this is int64",
                "unknown name \"c\"", "the rows out have the key column \"k\" already",
                "unknown column \"n\"", "sum needs a number, this is string",
                "last of a match takes NAME.COLUMN or COLUMN",
                "how many rows last passes over is a whole number of at most 100,000",
                "sum takes one column of the rows",
            ])
    }
}
