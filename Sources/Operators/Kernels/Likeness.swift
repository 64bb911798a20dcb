/// Measures of how alike two byte strings are.
enum Likeness {
    static func levenshtein(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var previous = Array(0...right.count)
        for i in 0..<left.count {
            var row = [i + 1]
            row.reserveCapacity(right.count + 1)
            for j in 0..<right.count {
                let replaced = previous[j] + (left[i] == right[j] ? 0 : 1)
                row.append(min(previous[j + 1] + 1, row[j] + 1, replaced))
            }
            previous = row
        }
        return previous[right.count]
    }

    /// Unrestricted: other edits may come between swapped bytes.
    static func damerauLevenshtein(_ left: [UInt8], _ right: [UInt8]) -> Int {
        let infinite = left.count + right.count
        var table = Array(
            repeating: [Int](repeating: 0, count: right.count + 2), count: left.count + 2)
        table[0][0] = infinite
        for i in 0...left.count {
            table[i + 1][0] = infinite
            table[i + 1][1] = i
        }
        for j in 0...right.count {
            table[0][j + 1] = infinite
            table[1][j + 1] = j
        }
        var lastRow = [Int](repeating: 0, count: 256)
        for i in 0..<left.count {
            var lastColumn = 0
            for j in 0..<right.count {
                let row = lastRow[Int(right[j])]
                let column = lastColumn
                let isSame = left[i] == right[j]
                if isSame { lastColumn = j + 1 }
                table[i + 2][j + 2] = min(
                    table[i + 1][j + 1] + (isSame ? 0 : 1), table[i + 2][j + 1] + 1,
                    table[i + 1][j + 2] + 1, table[row][column] + (i - row) + 1 + (j - column))
            }
            lastRow[Int(left[i])] = i + 1
        }
        return table[left.count + 1][right.count + 1]
    }

    static func jaro(_ left: [UInt8], _ right: [UInt8]) -> Double {
        guard !left.isEmpty, !right.isEmpty else { return 0 }
        let reach = max(0, max(left.count, right.count) / 2 - 1)
        var leftMatched = [Bool](repeating: false, count: left.count)
        var rightMatched = [Bool](repeating: false, count: right.count)
        var matches = 0
        for i in 0..<left.count {
            let low = max(0, i - reach)
            let high = min(right.count, i + reach + 1)
            guard low < high else { continue }
            for j in low..<high where !rightMatched[j] && left[i] == right[j] {
                leftMatched[i] = true
                rightMatched[j] = true
                matches += 1
                break
            }
        }
        guard matches > 0 else { return 0 }
        let a = left.indices.filter { leftMatched[$0] }.map { left[$0] }
        let b = right.indices.filter { rightMatched[$0] }.map { right[$0] }
        let swaps = zip(a, b).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) } / 2
        let m = Double(matches)
        return (m / Double(left.count) + m / Double(right.count) + (m - Double(swaps)) / m) / 3
    }
}
