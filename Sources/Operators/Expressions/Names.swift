/// Finds names, and what was probably meant by an unknown one.
enum Names {
    /// The position of `name`, as written or, if only one fits, whatever its case.
    static func index(of name: String, in names: [String]) -> Int? {
        if let exact = names.firstIndex(of: name) { return exact }
        let lower = name.lowercased()
        let alike = names.indices.filter { names[$0].lowercased() == lower }
        return alike.count == 1 ? alike[0] : nil
    }

    /// The types a cast may name.
    static let types = [
        "bool", "int64", "double", "decimal(18,3)", "timestamp", "date", "interval", "string",
        "bytes", "list<int64>", "varchar", "bigint", "integer", "boolean",
    ]

    static func unknown(
        _ what: String, _ name: String, among names: [String], at range: Range<Int>
    ) -> ExpressionError {
        let fix: String?
        if let near = nearest(name, among: names) {
            fix = "write \"\(near)\""
        } else if names.isEmpty {
            fix = nil
        } else if what == "function" {
            fix = "docs/FUNCTIONS.md lists the functions"
        } else {
            let shown = names.prefix(12).joined(separator: ", ")
            fix = "known \(what)s: \(shown)" + (names.count > 12 ? ", …" : "")
        }
        return ExpressionError("unknown \(what) \"\(name)\"", at: range, fix: fix)
    }

    /// The name with the fewest edits to `name`, if they are few enough to be a slip.
    static func nearest(_ name: String, among names: [String]) -> String? {
        let wanted = Array(name.lowercased().utf8)
        var best: (name: String, edits: Int)?
        for candidate in names {
            let edits = editDistance(wanted, Array(candidate.lowercased().utf8))
            if best == nil || edits < best!.edits
                || (edits == best!.edits && candidate < best!.name)
            {
                best = (candidate, edits)
            }
        }
        guard let best, best.edits <= max(1, wanted.count / 3) else { return nil }
        return best.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
    static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for i in 0..<left.count {
            var row = [Int](repeating: 0, count: right.count + 1)
            row[0] = i + 1
            for j in 0..<right.count {
                let replaced = previous[j] + (left[i] == right[j] ? 0 : 1)
                row[j + 1] = min(previous[j + 1] + 1, row[j] + 1, replaced)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    row[j + 1] = min(row[j + 1], before[j - 1] + 1)
                }
            }
            before = previous
            previous = row
        }
        return previous[right.count]
    }
}
