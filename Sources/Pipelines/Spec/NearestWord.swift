/// Finds what a misspelt word probably meant.
enum NearestWord {
    /// The known word nearest to `word`, when it is near enough to be meant.
    static func of(_ word: String, among known: [String]) -> String? {
        let wanted = Array(word.lowercased().unicodeScalars)
        let limit = max(1, min(3, wanted.count / 2))
        var best: (word: String, distance: Int)?
        for candidate in known {
            let there = Array(candidate.lowercased().unicodeScalars)
            let distance = distance(wanted, there)
            if distance <= limit, best == nil || distance < best!.distance {
                best = (candidate, distance)
            }
        }
        return best?.word
    }

    /// `write "filter"; known: filter, select` or only the latter half.
    static func advice(_ word: String, among known: [String], what: String) -> String {
        let shown = known.count <= 24 ? known : Array(known.prefix(24)) + ["…"]
        let all =
            known.isEmpty ? "there are no \(what) yet" : "\(what): " + shown.joined(separator: ", ")
        guard let near = of(word, among: known) else { return all }
        return "write \"\(near)\"; \(all)"
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that make `left` into `right`.
    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        var table = [[Int]](
            repeating: [Int](repeating: 0, count: right.count + 1), count: left.count + 1)
        for i in 0...left.count { table[i][0] = i }
        for j in 0...right.count { table[0][j] = j }
        for i in stride(from: 1, through: left.count, by: 1) {
            for j in stride(from: 1, through: right.count, by: 1) {
                let cost = left[i - 1] == right[j - 1] ? 0 : 1
                var least = min(
                    table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    least = min(least, table[i - 2][j - 2] + 1)
                }
                table[i][j] = least
            }
        }
        return table[left.count][right.count]
    }
}
