/// A table for a terminal: columns as wide as what is in them, numbers to the right.
struct TextTable {
    private let header: [String]
    private var rows: [[String]] = []
    private let widthMax: Int

    /// A table under these headings; cells wider than `widthMax` characters are cut with an ellipsis.
    init(_ header: [String], widthMax: Int = 44) {
        self.header = header
        self.widthMax = widthMax
    }

    mutating func append(_ row: [String]) {
        precondition(row.count == header.count, "a cell for every heading")
        rows.append(row)
    }

    /// The lines of the table, each indented by `indent` spaces.
    func rendered(indent: Int = 0) -> String {
        let cells = ([header] + rows).map { $0.map(cut) }
        let widths = header.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        let isNumeric = header.indices.map { column in
            !rows.isEmpty && rows.allSatisfy { TextTable.isNumber($0[column]) }
        }
        let margin = String(repeating: " ", count: indent)
        var lines = cells.map { row in
            var line = margin
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += isNumeric[column] ? space + cell : cell + space
                if column < row.count - 1 { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
        let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
        lines.insert(margin + rule, at: 1)
        return lines.joined(separator: "\n") + "\n"
    }

    private func cut(_ cell: String) -> String {
        let flat = cell.map { $0.isNewline || $0 == "\t" ? " " : $0 }
        return flat.count <= widthMax ? String(flat) : String(flat.prefix(widthMax - 1)) + "…"
    }

    private static func isNumber(_ cell: String) -> Bool {
        cell.isEmpty || cell == "NULL" || Double(cell.filter { $0 != "," }) != nil
    }
}
