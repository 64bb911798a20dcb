/// One row of a CSV text, cut into cells.
struct CSVRow {
    /// A cell, quotes left out; positions count from the text given to `split`.
    struct Cell {
        var start: Int
        var length: Int
        var isQuoted: Bool
        /// Whether quotes inside it are still escaped.
        var hasEscape: Bool
    }

    private(set) var cells: [Cell] = []

    /// Cuts the row between `start` and `end` of `text`.
    ///
    /// - Returns: what is wrong with it, or nil.
    mutating func split(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ dialect: CSVDialect
    ) -> String? {
        cells.removeAll(keepingCapacity: true)
        let delimiter = dialect.delimiter
        let quote = dialect.quote
        let escape = dialect.escape
        var at = start
        while true {
            if at < end, text[at] == quote {
                at &+= 1
                let from = at
                var hasEscape = false
                while true {
                    guard at < end else {
                        return "the quote of column \(cells.count + 1) does not close"
                    }
                    let byte = text[at]
                    if byte == escape, at &+ 1 < end,
                        text[at &+ 1] == quote || (escape != quote && text[at &+ 1] == escape)
                    {
                        hasEscape = true
                        at &+= 2
                    } else if byte == quote {
                        break
                    } else {
                        at &+= 1
                    }
                }
                cells.append(
                    Cell(start: from, length: at - from, isQuoted: true, hasEscape: hasEscape))
                at &+= 1
                guard at == end || text[at] == delimiter else {
                    return "text follows the closing quote of column \(cells.count)"
                }
            } else {
                let from = at
                while at < end, text[at] != delimiter { at &+= 1 }
                cells.append(
                    Cell(start: from, length: at - from, isQuoted: false, hasEscape: false))
            }
            guard at < end else { return nil }
            at &+= 1
        }
    }

    /// Writes the text of a cell with its escapes resolved to `target`, which has room for as many
    /// bytes.
    ///
    /// - Returns: the bytes written.
    static func unescape(
        _ text: UnsafePointer<UInt8>, _ length: Int, _ dialect: CSVDialect,
        into target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var at = 0
        var made = 0
        while at < length {
            if text[at] == dialect.escape, at + 1 < length,
                text[at + 1] == dialect.quote || text[at + 1] == dialect.escape
            {
                at += 1
            }
            target[made] = text[at]
            made += 1
            at += 1
        }
        return made
    }
}
