import StreamRuntime

/// The columns of CSV or JSON text that nobody has declared, found out by looking at every record.
///
/// A column holds integers when every value in it is written as one, otherwise doubles, otherwise truth
/// values, and else text. "007" is text: an integer would lose its zeros.
public struct UndeclaredColumns {
    private enum Kind {
        case none, bool, integer, number, text

        /// What a column of both kinds holds.
        func joined(_ other: Kind) -> Kind {
            if self == other || other == .none { return self }
            switch (self, other) {
            case (.none, _): return other
            case (.integer, .number), (.number, .integer): return .number
            default: return .text
            }
        }
    }

    private let dialect: CSVDialect?
    private var kinds: [Kind] = []
    private var places: [[UInt8]: Int] = [:]
    private var row = CSVRow()
    /// The names of the columns, in the order they were met.
    public private(set) var names: [String] = []

    /// Columns of CSV in `csv`, or of JSON objects without nesting.
    public init(csv: CSVDialect?) { dialect = csv }

    /// The columns with their types.
    public var fields: [Field] {
        zip(names, kinds).map { name, kind in
            switch kind {
            case .bool: Field(name, .bool)
            case .integer: Field(name, .int64)
            case .number: Field(name, .float64)
            case .none, .text: Field(name, .string)
            }
        }
    }

    /// Looks at `records`; those that are not well written are passed over.
    public mutating func observe(_ records: RecordBatch) {
        if dialect != nil, names.isEmpty { readHeader(records) }
        guard let arena = records.values.arena else { return }
        for index in 0..<records.count where records.values.isValid(index) {
            let view = records.values.views[index]
            let start = ByteView.start(view)
            let end = start + ByteView.length(view)
            if let dialect {
                observe(arena.base, start, end, dialect)
            } else {
                var scanner = JSONScanner(arena.base, from: start, to: end)
                observe(&scanner)
            }
        }
    }

    private mutating func readHeader(_ records: RecordBatch) {
        guard let dialect, records.count > 0, let bytes = records.headers?.bytes(0),
            let line = RecordHeaders.decode(bytes)?
                .first(where: { $0.name == CSVDialect.headerName })?.value
        else { return }
        line.withUnsafeBufferPointer { text in
            guard let base = text.baseAddress, row.split(base, 0, text.count, dialect) == nil
            else { return }
            for cell in row.cells {
                var name = Array(text[cell.start..<(cell.start + cell.length)])
                if cell.hasEscape {
                    var plain = [UInt8](repeating: 0, count: cell.length)
                    let length = CSVRow.unescape(
                        base + cell.start, cell.length, dialect, into: &plain)
                    name = Array(plain[..<length])
                }
                _ = place(of: name)
            }
        }
    }

    private mutating func place(of name: [UInt8]) -> Int {
        if let known = places[name] { return known }
        places[name] = names.count
        names.append(String(decoding: name, as: UTF8.self))
        kinds.append(.none)
        return names.count - 1
    }

    private mutating func observe(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ dialect: CSVDialect
    ) {
        guard row.split(text, start, end, dialect) == nil else { return }
        for (column, cell) in row.cells.prefix(kinds.count).enumerated()
        where kinds[column] != .text && cell.length > 0 {
            let kind =
                cell.isQuoted
                ? Kind.text : UndeclaredColumns.kind(text + cell.start, cell.length)
            kinds[column] = kinds[column].joined(kind)
        }
    }

    private mutating func observe(_ scanner: inout JSONScanner) {
        scanner.skipSpace()
        guard scanner.next == 0x7B else { return }
        scanner.position += 1
        var isFirst = true
        while scanner.enterMember(isFirst: isFirst) == true {
            isFirst = false
            let nameStart = scanner.position + 1
            guard scanner.skipString() else { return }
            let name = Array(
                UnsafeBufferPointer(
                    start: scanner.text + nameStart, count: scanner.position - 1 - nameStart))
            guard scanner.skipColon() else { return }
            let start = scanner.position
            guard scanner.skipValue() else { return }
            let column = place(of: name)
            let kind: Kind =
                switch scanner.text[start] {
                case 0x22, 0x7B, 0x5B: .text
                case 0x6E: .none
                default: UndeclaredColumns.kind(scanner.text + start, scanner.position - start)
                }
            kinds[column] = kinds[column].joined(kind)
        }
    }

    private static func kind(_ text: UnsafePointer<UInt8>, _ length: Int) -> Kind {
        let bytes = UnsafeBufferPointer(start: text, count: length)
        if bytes.elementsEqual("true".utf8) || bytes.elementsEqual("false".utf8) { return .bool }
        let digits = text[0] == 0x2D ? 1 : 0
        guard digits < length, text[digits] &- 0x30 <= 9,
            text[digits] != 0x30 || digits + 1 == length || text[digits + 1] &- 0x30 > 9
        else { return .text }
        var at = digits
        while at < length, text[at] &- 0x30 <= 9 { at += 1 }
        if at == length { return length - digits <= 18 ? .integer : .text }
        return DecimalText.read(text, length) == nil ? .text : .number
    }
}
