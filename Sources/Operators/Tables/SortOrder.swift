/// An order of rows as it is written: expressions apart by commas, each with `asc` or `desc` and
/// `nulls first` or `nulls last` behind it.
///
/// - Source: `ORDER BY` of SQL; nulls come last when not said, as in DuckDB.
public struct SortOrder: Equatable, Sendable {
    /// One expression of the order.
    public struct Item: Equatable, Sendable {
        /// The expression.
        public let text: String
        /// Where it begins in the order, in UTF-8 bytes.
        public let offset: Int
        /// Whether large values come first.
        public let isDescending: Bool
        /// Whether rows without a value come first.
        public let nullsFirst: Bool
    }

    /// The expressions, the one that decides first in front.
    public let items: [Item]

    /// Takes the order apart; what is wrong with an expression shows when it is compiled.
    public init(_ text: String) {
        let bytes = Array(text.utf8)
        var items: [Item] = []
        var start = 0
        var depth = 0
        var quote: UInt8 = 0
        for (at, byte) in bytes.enumerated() {
            if quote != 0 {
                if byte == quote { quote = 0 }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            } else if "([{".utf8.contains(byte) {
                depth += 1
            } else if ")]}".utf8.contains(byte) {
                depth -= 1
            } else if byte == UInt8(ascii: ","), depth == 0 {
                items.append(SortOrder.item(bytes, start..<at))
                start = at + 1
            }
        }
        items.append(SortOrder.item(bytes, start..<bytes.count))
        self.items = items
    }

    private static func item(_ bytes: [UInt8], _ range: Range<Int>) -> Item {
        var start = range.lowerBound
        while start < range.upperBound, bytes[start] == 32 { start += 1 }
        var end = range.upperBound
        var nullsFirst = false
        var isDescending = false
        if dropWord("first", bytes, start, &end) {
            if dropWord("nulls", bytes, start, &end) { nullsFirst = true } else { end += 6 }
        } else if dropWord("last", bytes, start, &end) {
            if !dropWord("nulls", bytes, start, &end) { end += 5 }
        }
        if dropWord("desc", bytes, start, &end) {
            isDescending = true
        } else {
            _ = dropWord("asc", bytes, start, &end)
        }
        while end > start, bytes[end - 1] == 32 { end -= 1 }
        return Item(
            text: String(decoding: bytes[start..<end], as: UTF8.self), offset: start,
            isDescending: isDescending, nullsFirst: nullsFirst)
    }

    /// Moves `end` before the word if the text ends with it, apart from what stands before.
    private static func dropWord(
        _ word: String, _ bytes: [UInt8], _ start: Int, _ end: inout Int
    ) -> Bool {
        var last = end
        while last > start, bytes[last - 1] == 32 { last -= 1 }
        let length = word.utf8.count
        let first = last - length
        guard first > start, bytes[first - 1] == 32 || bytes[first - 1] == UInt8(ascii: ")"),
            String(decoding: bytes[first..<last], as: UTF8.self).lowercased() == word
        else { return false }
        end = first
        return true
    }
}
