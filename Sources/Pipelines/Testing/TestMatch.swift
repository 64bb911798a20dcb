import Foundation
import StreamRuntime

/// Compares expected rows with those that came out: a pure value.
struct TestMatch {
    /// A row of the comparison.
    enum Line: Equatable {
        /// Positions in what was expected and in what came out.
        case equal(Int, Int)
        case different(Int, Int)
        case missing(Int)
        case extra(Int)
    }

    let lines: [Line]

    /// Whether nothing is missing, different or too many.
    var isEqual: Bool {
        lines.allSatisfy { if case .equal = $0 { true } else { false } }
    }

    /// Where the first row stands that is not as expected.
    func place(among rows: [SpecNode]) -> Position? {
        for line in lines {
            switch line {
            case .different(let left, _), .missing(let left): return rows[left].position
            case .equal, .extra: continue
            }
        }
        return nil
    }

    /// What is not as expected, in a few words.
    var summary: String {
        var different = 0
        var missing = 0
        var extra = 0
        for line in lines {
            switch line {
            case .equal: continue
            case .different: different += 1
            case .missing: missing += 1
            case .extra: extra += 1
            }
        }
        let parts = [(different, "different"), (missing, "missing"), (extra, "too many")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }

    /// - Parameters:
    ///   - expected: rows with the columns that count.
    ///   - types: of the columns, where they matter for the comparison.
    init(
        expected: [TestRow], got: [TestRow], mode: TestExpectation.Mode,
        types: [String: ColumnType]
    ) {
        func fits(_ left: Int, _ right: Int) -> Bool {
            TestMatch.fits(expected[left], got[right], types)
        }
        switch mode {
        case .exactly:
            lines = TestMatch.aligned(expected.count, got.count, fits)
        case .anyOrder, .contains:
            let (pairs, rest) = TestMatch.paired(expected.count, got.count, fits)
            var lines: [Line] = pairs.map { .equal($0, $1) }
            let missing = expected.indices.filter { index in !pairs.contains { $0.0 == index } }
            lines += missing.map { .missing($0) }
            if mode == .anyOrder { lines += rest.map { .extra($0) } }
            self.lines = lines
        }
    }

    /// Whether every column that `expected` names is the same in `got`.
    static func fits(_ expected: TestRow, _ got: TestRow, _ types: [String: ColumnType]) -> Bool {
        expected.cells.allSatisfy { name, cell in
            isEqual(cell, got.cells[name] ?? nil, types[name])
        }
    }

    /// Doubles are equal when they differ by less than a billionth of their size.
    static func isEqual(_ left: String?, _ right: String?, _ type: ColumnType?) -> Bool {
        if left == right { return true }
        guard type == .float64, let left = left.flatMap(Double.init),
            let right = right.flatMap(Double.init)
        else { return false }
        return abs(left - right) <= 1e-9 * max(abs(left), abs(right))
    }

    /// The rows in order, as many equal ones as can be beside each other; what is between them stands
    /// beside each other as different.
    private static func aligned(
        _ expected: Int, _ got: Int, _ fits: (Int, Int) -> Bool
    ) -> [Line] {
        var most = [[Int]](
            repeating: [Int](repeating: 0, count: got + 1), count: expected + 1)
        var equal = [[Bool]](repeating: [Bool](repeating: false, count: got), count: expected)
        for left in stride(from: expected - 1, through: 0, by: -1) {
            for right in stride(from: got - 1, through: 0, by: -1) {
                equal[left][right] = fits(left, right)
                most[left][right] =
                    equal[left][right]
                    ? most[left + 1][right + 1] + 1
                    : max(most[left + 1][right], most[left][right + 1])
            }
        }
        var lines: [Line] = []
        var left = 0
        var right = 0
        var lefts: [Int] = []
        var rights: [Int] = []
        func settle() {
            let pairs = min(lefts.count, rights.count)
            for index in 0..<pairs { lines.append(.different(lefts[index], rights[index])) }
            for index in lefts.dropFirst(pairs) { lines.append(.missing(index)) }
            for index in rights.dropFirst(pairs) { lines.append(.extra(index)) }
            lefts = []
            rights = []
        }
        while left < expected || right < got {
            if left < expected, right < got, equal[left][right] {
                settle()
                lines.append(.equal(left, right))
                left += 1
                right += 1
            } else if right == got
                || (left < expected && most[left + 1][right] >= most[left][right + 1])
            {
                lefts.append(left)
                left += 1
            } else {
                rights.append(right)
                right += 1
            }
        }
        settle()
        return lines
    }

    /// As many pairs of an expected row and one of its own as there can be.
    private static func paired(
        _ expected: Int, _ got: Int, _ fits: (Int, Int) -> Bool
    ) -> (pairs: [(Int, Int)], rest: [Int]) {
        var owner = [Int?](repeating: nil, count: got)
        func find(_ left: Int, _ seen: inout Set<Int>) -> Bool {
            for right in 0..<got where fits(left, right) && seen.insert(right).inserted {
                let other = owner[right]
                if other == nil || find(other!, &seen) {
                    owner[right] = left
                    return true
                }
            }
            return false
        }
        for left in 0..<expected {
            var seen: Set<Int> = []
            _ = find(left, &seen)
        }
        let pairs = owner.enumerated().compactMap { right, left in left.map { ($0, right) } }
        return (
            pairs.sorted { $0.0 < $1.0 }, owner.indices.filter { owner[$0] == nil }
        )
    }

    /// The comparison as a table: a line for each row, "expected ≠ got" in the cells that differ.
    func table(
        expected: [TestRow], got: [TestRow], columns: [String], types: [String: ColumnType]
    ) -> String {
        var table = TextTable(["row", "is"] + columns, widthMax: 60)
        for line in lines {
            switch line {
            case .equal(let left, let right):
                table.append(["\(right + 1)", "equal"] + columns.map(got[right].text))
                _ = left
            case .different(let left, let right):
                table.append(
                    ["\(right + 1)", "different"]
                        + columns.map { column in
                            guard let wanted = expected[left].cells[column] else {
                                return got[right].text(column)
                            }
                            return TestMatch.isEqual(
                                wanted, got[right].cells[column] ?? nil, types[column])
                                ? got[right].text(column)
                                : "\(wanted ?? "null") ≠ \(got[right].text(column))"
                        })
            case .missing(let left):
                table.append(["", "missing"] + columns.map(expected[left].text))
            case .extra(let right):
                table.append(["\(right + 1)", "extra"] + columns.map(got[right].text))
            }
        }
        return table.rendered(indent: 4)
    }
}
