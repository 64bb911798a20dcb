import Testing

@testable import Pipelines

/// Compares rows written as "key value" at the timestamps of their places.
@Suite struct RowComparisonTests {
    private func marks(_ rows: [String]) -> [RowMark] {
        rows.enumerated().map { index, row in
            let words = row.split(separator: " ").map(String.init)
            // A row is "time key value".
            return RowMark(
                identity: Int64(
                    (words[0] + "/" + words[1]).unicodeScalars.reduce(0) {
                        $0 &* 31 &+ Int($1.value)
                    }), content: Int64(row.unicodeScalars.reduce(7) { $0 &* 31 &+ Int($1.value) }),
                timestamp: Int64(words[0])!, partition: 0, offset: Int64(index))
        }
    }

    private func compare(
        _ live: [String], _ shadow: [String], _ allowance: RowComparison.Allowance = .init()
    ) -> [Int] {
        let found = RowComparison(live: marks(live), shadow: marks(shadow), allowing: allowance)
        return [found.equal, found.changed, found.missing, found.extra, found.uncompared]
    }

    @Test func `every row is equal, changed, missing or extra`() {
        #expect(compare(["1 a x", "2 b y"], ["2 b y", "1 a x"]) == [2, 0, 0, 0, 0])
        #expect(compare(["1 a x", "2 b y"], ["1 a x", "2 b z"]) == [1, 1, 0, 0, 0])
        #expect(compare(["1 a x", "2 b y"], ["1 a x"]) == [1, 0, 1, 0, 0])
        #expect(compare(["1 a x"], ["1 a x", "2 b y"]) == [1, 0, 0, 1, 0])
        #expect(compare([], []) == [0, 0, 0, 0, 0])
        // Rows about the same thing: equal ones belong together, whatever their order.
        #expect(compare(["1 a x", "1 a y"], ["1 a y"]) == [1, 0, 1, 0, 0])
        #expect(compare(["1 a x", "1 a x"], ["1 a x", "1 a z"]) == [1, 1, 0, 0, 0])
    }

    @Test func `what only one side can know is set apart`() {
        let live = ["1 a x", "2 b y", "3 a z", "4 b w"]
        let shadow = ["2 b y", "3 a z"]
        #expect(compare(live, shadow) == [2, 0, 2, 0, 0])
        #expect(compare(live, shadow, .init(liveIsAhead: true)) == [2, 0, 1, 0, 1])
        #expect(compare(live, shadow, .init(beginsLater: true)) == [2, 0, 1, 0, 1])
        #expect(
            compare(live, shadow, .init(liveIsAhead: true, beginsLater: true)) == [2, 0, 0, 0, 2])
        #expect(compare(shadow, live, .init(shadowIsAhead: true)) == [2, 0, 0, 1, 1])
        // A hole in the middle is never explained by one side being ahead.
        #expect(
            compare(live, ["1 a x", "4 b w"], .init(liveIsAhead: true, beginsLater: true))
                == [2, 0, 2, 0, 0])
    }

    @Test func `the first divergence is the earliest by time`() {
        let found = RowComparison(
            live: marks(["5 a x", "3 b y", "4 c z"]), shadow: marks(["5 a q", "3 b r", "4 c z"]),
            allowing: .init())
        #expect(found.first?.kind == .changed)
        #expect(found.first?.live?.timestamp == 3)
    }
}
