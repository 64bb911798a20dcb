import Testing

@testable import Pipelines

/// Pipelines of tables, planned from YAML and run to the end.
@Suite struct TableRunTests {
    private static let head = """
        version: 1
        connections:
          local: {embedded: ./topics}
          here: {files: .}
        streams:
          bids:
            from: {files: bids.ndjson, connection: here}
            format: json
            fields: {auction: int64, bidder: int64, price: int64, ts: timestamp}
            time: {field: ts, out_of_orderness: 1s}
            on_error: fail

        """

    /// Auction, bidder, price, second.
    private static let bids: [(Int, Int, Int, Int)] = [
        (1, 7, 10, 1), (2, 7, 20, 2), (1, 8, 30, 3), (1, 7, 20, 4), (2, 9, 5, 5), (1, 9, 40, 11),
        (2, 7, 50, 12), (2, 8, 60, 13), (3, 8, 60, 14), (3, 9, 1, 15), (1, 8, 2, 26),
    ]

    private func run(_ pipelines: String, workers: Int = 1) throws -> [String: [String]] {
        let rows = TableRunTests.bids.map { bid in
            let second = bid.3 < 10 ? "0\(bid.3)" : "\(bid.3)"
            return
                "{\"auction\": \(bid.0), \"bidder\": \(bid.1), \"price\": \(bid.2), "
                + "\"ts\": \"2024-01-01T00:00:\(second)Z\"}"
        }
        return try JoinPlace.run(
            TableRunTests.head + pipelines,
            files: ["bids.ndjson": rows.joined(separator: "\n")], workers: workers)
    }

    @Test(arguments: [1, 2])
    func `the auctions with the most bids of each hopping window are a chain of two steps`(
        workers: Int
    ) throws {
        let rows = try run(
            """
            pipelines:
              hot:
                from: bids
                steps:
                  - aggregate:
                      id: counts
                      by: auction
                      window: {hop: 10s, every: 5s}
                      select: {n: count(*)}
                      late: drop
                  - top: {id: most, by: [], window: {of: window_end}, order: n desc, n: 1, ties: rank}
                  - select: {ends: "date_part('second', window_end)", auction: auction, n: n}
                to: {topic: hot, connection: local}
              largest:
                from: bids
                steps:
                  - aggregate:
                      id: counts_again
                      by: auction
                      window: {hop: 10s, every: 5s}
                      select: {n: count(*)}
                      late: drop
                  - aggregate:
                      id: largest
                      by: []
                      window: {of: window_end}
                      select: {n: max(n), auctions: count(*)}
                      having: auctions > 1
                      late: drop
                  - select: {ends: "date_part('second', window_end)", n: n, auctions: auctions}
                to: {topic: largest, connection: local}
            """, workers: workers)
        #expect(
            Set(rows["hot"] ?? []) == [
                #"{"ends":5,"auction":1,"n":3}"#, #"{"ends":10,"auction":1,"n":3}"#,
                #"{"ends":15,"auction":2,"n":3}"#, #"{"ends":20,"auction":2,"n":2}"#,
                #"{"ends":20,"auction":3,"n":2}"#,
                #"{"ends":25,"auction":3,"n":1}"#, #"{"ends":30,"auction":1,"n":1}"#,
                #"{"ends":35,"auction":1,"n":1}"#,
            ])
        #expect(
            rows["largest"] ?? [] == [
                #"{"ends":5,"n":3,"auctions":2}"#, #"{"ends":10,"n":3,"auctions":2}"#,
                #"{"ends":15,"n":3,"auctions":3}"#, #"{"ends":20,"n":2,"auctions":3}"#,
            ])
    }

    @Test(arguments: [1, 2])
    func `a mean of maxima follows every change of them`(workers: Int) throws {
        let rows = try run(
            """
            pipelines:
              means:
                from: bids
                steps:
                  - aggregate:
                      {id: highest, by: auction, window: none, changelog: full, select: {price: max(price)}}
                  - extend: {all: 1}
                  - aggregate:
                      {id: mean, by: all, window: none, changelog: full, select: {mean: avg(price), n: count(*)}}
                to: {topic: means, connection: local, key: all}
              best:
                from: bids
                steps:
                  - top: {id: best, by: auction, order: "price desc, ts", n: 1, changelog: upsert}
                to: {topic: best, connection: local, key: auction}
            """, workers: workers)
        #expect(
            (rows["means"] ?? []).last == #"{"mean":53.333333333333336,"n":3,"all":1}"#
                || (rows["means"] ?? []).last == #"{"all":1,"mean":53.333333333333336,"n":3}"#)
        #expect(
            (rows["best"] ?? []).filter { $0.contains(#""auction":1,"#) }.count == 3)
    }

    @Test func `steps that cannot follow a table say what to write`() {
        let problems = JoinPlace.problems(
            TableRunTests.head + """
                pipelines:
                  p:
                    from: bids
                    steps:
                      - top: {id: t, by: auction, order: price desc, n: 3, changelog: upsert}
                      - top: {id: u, by: bidder, order: price desc, n: 3}
                    to: {topic: a, connection: local, key: bidder}
                  q:
                    from: bids
                    steps:
                      - top: {id: v, by: auction, order: price, n: 3, ttl: 1h, window: {of: price}}
                    to: {topic: b, connection: local}
                """)
        #expect(problems.contains("top cannot know which rows these changes replace"))
        #expect(problems.contains("let the step or stream before it write changelog: full"))
        #expect(problems.contains("\"price\" does not say when a window ends"))
        let processing = JoinPlace.problems(
            TableRunTests.head + """
                pipelines:
                  p:
                    from: bids
                    steps:
                      - aggregate:
                          id: a
                          by: bidder
                          window: {tumble: 10s, time: processing}
                          select: {n: count(*)}
                          late: drop
                    to: {topic: a, connection: local}
                """)
        #expect(
            processing.contains(
                "the time of stream \"bids\" is not when its records were appended"))
        #expect(processing.contains("appended: {type: timestamp, from: timestamp}"))
    }

    @Test func `hot keys are summed up before they move, and the output is the same`() throws {
        let bids = (0..<6000).map { row in
            let user = row % 10 < 8 ? 1 : row % 97
            let second = row / 200
            return
                "{\"auction\": \(user), \"bidder\": \(row % 13), \"price\": \(row), "
                + "\"ts\": \"2024-01-01T00:00:\(second < 10 ? "0" : "")\(second)Z\"}"
        }.joined(separator: "\n")
        let text =
            TableRunTests.head + """
                pipelines:
                  counts:
                    from: bids
                    steps:
                      - aggregate:
                          id: counts
                          by: auction
                          window: {tumble: 10s}
                          select: {n: count(*), s: sum(price), b: count(distinct bidder), l: last(price)}
                          having: n > 1
                          late: drop
                    to: {topic: counts, connection: local}
                """
        let one = try JoinPlace.run(text, files: ["bids.ndjson": bids], workers: 1)
        let two = try JoinPlace.run(text, files: ["bids.ndjson": bids], workers: 2)
        #expect(one["counts"]?.count ?? 0 > 100)
        #expect(one == two)
        let plan = try JoinPlace.plan(text)
        #expect(plan.text(previous: nil).contains("hot keys are summed up before they move"))
    }
}
