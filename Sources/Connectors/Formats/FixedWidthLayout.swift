/// Where the columns of a fixed-width line are.
///
/// - Units: positions count characters from 1, as record descriptions do; both ends are included.
public struct FixedWidthLayout: Equatable, Sendable {
    /// One column of the line.
    public struct Column: Equatable, Sendable {
        /// The name fields find it by.
        public let name: String
        /// The ranges that make its text, one behind the other.
        let ranges: [ClosedRange<Int>]
        /// Digits behind a point that is not written; 0 for none.
        let decimals: Int

        /// A column called `name` of text such as "20-28", "7" or "20-27,35-40".
        ///
        /// - Returns: nil when that is no range of positions.
        public init?(_ name: String, at text: String, decimals: Int = 0) {
            var ranges: [ClosedRange<Int>] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
                    Int($0.filter { $0 != " " })
                }
                guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1],
                    first >= 1, last >= first, last <= 1 << 20
                else { return nil }
                ranges.append((first - 1)...(last - 1))
            }
            self.name = name
            self.ranges = ranges
            self.decimals = decimals
        }
    }

    /// The columns.
    public let columns: [Column]
    /// How bytes stand for characters.
    public let encoding: CSVDialect.Encoding
    /// Lines whose text at a place is another one are passed over; nil for none.
    let kind: (column: Column, text: [UInt8])?

    /// Lines of these columns.
    ///
    /// - Parameter record: "1-2=10" for lines that have "10" there; nil for all.
    /// - Returns: nil when `record` is not written so.
    public init?(columns: [Column], encoding: CSVDialect.Encoding = .utf8, record: String? = nil) {
        self.columns = columns
        self.encoding = encoding
        guard let record else {
            kind = nil
            return
        }
        guard let equals = record.firstIndex(of: "="),
            let place = Column("record", at: String(record[..<equals]))
        else { return nil }
        kind = (place, Array(record[record.index(after: equals)...].utf8))
    }

    /// Whether two layouts read lines alike.
    public static func == (one: FixedWidthLayout, other: FixedWidthLayout) -> Bool {
        one.columns == other.columns && one.encoding == other.encoding
            && one.kind?.column == other.kind?.column && one.kind?.text == other.kind?.text
    }
}
