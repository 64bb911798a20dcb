/// How a CSV text is written.
///
/// - Source: RFC 4180; the options are what exports differ in.
public struct CSVDialect: Equatable, Sendable {
    /// How bytes stand for characters.
    public enum Encoding: String, Sendable, CaseIterable {
        case utf8 = "utf-8"
        case latin1 = "latin-1"
    }

    /// Where the names of the columns come from.
    public enum Header: Equatable, Sendable {
        /// The first line of each file.
        case firstLine
        /// The pipelines file; every line is a row.
        case names([String])
    }

    /// The byte between two fields.
    public let delimiter: UInt8
    /// The byte around a field that holds delimiters, quotes or line ends.
    public let quote: UInt8
    /// The byte before a quote inside a quoted field; the quote itself where quotes are doubled.
    public let escape: UInt8
    /// Where column names come from.
    public let header: Header
    /// The unquoted text that stands for no value.
    public let nullText: [UInt8]
    /// How bytes stand for characters.
    public let encoding: Encoding

    /// A dialect; without arguments that of RFC 4180 with a header line.
    ///
    /// - Precondition: delimiter, quote and escape are ASCII and none is a line end.
    public init(
        delimiter: Character = ",", quote: Character = "\"", escape: Character? = nil,
        header: Header = .firstLine, nullText: String = "", encoding: Encoding = .utf8
    ) {
        let marks = [delimiter, quote, escape ?? quote]
        precondition(marks.allSatisfy { $0.isASCII && !$0.isNewline }, "ASCII marks")
        self.delimiter = delimiter.asciiValue!
        self.quote = quote.asciiValue!
        self.escape = (escape ?? quote).asciiValue!
        self.header = header
        self.nullText = Array(nullText.utf8)
        self.encoding = encoding
    }

    /// The name of the record header by which a file's reader hands on the file's first line.
    public static let headerName = "csv.header"
}
