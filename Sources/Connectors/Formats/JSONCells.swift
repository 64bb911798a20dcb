import StreamRuntime

/// The columns of a batch as an encoder reads them: plain pointers, what a value is as a number, and
/// the bytes before each member.
///
/// Asking a column for its type, its children or a field's name counts references and copies enums for
/// every value; here that is done once a batch.
final class JSONCells {
    /// How values of a column are written.
    enum Kind: UInt8 {
        case string, int64, bool, float64, timestamp, other, list, structure
    }

    /// One column, or one field or element column below it.
    struct Cell {
        var kind = Kind.other
        /// Which of the columns the batch has, those below others included; only for `other`.
        var index = 0
        var values: UnsafeMutableRawPointer?
        var validity: UnsafeMutablePointer<UInt8>?
        /// Where the views of a string point.
        var bytes: UnsafeMutablePointer<UInt8>?
        /// Brace or comma, the name, the colon.
        var prefix: UnsafeMutablePointer<UInt8>?
        var prefixLength = 0
        /// The fields of a struct, the elements of a list.
        var children: UnsafeMutablePointer<Cell>?
        var childCount = 0
    }

    private let top: UnsafeMutablePointer<Cell>
    private let topCount: Int
    private var owned: [UnsafeMutablePointer<Cell>] = []
    private var texts: [UnsafeMutablePointer<UInt8>] = []
    /// The columns that have no pointers of their own, by `Cell.index`.
    private var columns: [Column?] = []

    init(schema: Schema) {
        topCount = schema.count
        top = .allocate(capacity: max(topCount, 1))
        owned.append(top)
        fill(top, schema.fields)
    }

    deinit {
        for cells in owned { cells.deallocate() }
        for text in texts { text.deallocate() }
    }

    private func fill(_ cells: UnsafeMutablePointer<Cell>, _ fields: [Field]) {
        let prefixes = JSONText.prefixes(fields)
        for (at, field) in fields.enumerated() {
            var cell = Cell()
            cell.prefixLength = prefixes[at].count
            let text = UnsafeMutablePointer<UInt8>.allocate(capacity: prefixes[at].count + 16)
            text.update(repeating: 0, count: prefixes[at].count + 16)
            for (slot, byte) in prefixes[at].enumerated() { text[slot] = byte }
            texts.append(text)
            cell.prefix = text
            describe(field.type, &cell)
            (cells + at).initialize(to: cell)
        }
    }

    private func describe(_ type: ColumnType, _ cell: inout Cell) {
        switch type {
        case .string: cell.kind = .string
        case .int64: cell.kind = .int64
        case .bool: cell.kind = .bool
        case .float64: cell.kind = .float64
        case .timestamp: cell.kind = .timestamp
        case .decimal, .date, .interval, .bytes:
            cell.index = columns.count
            columns.append(nil)
        case .list(let element):
            cell.kind = .list
            cell.childCount = 1
            let child = UnsafeMutablePointer<Cell>.allocate(capacity: 1)
            owned.append(child)
            var below = Cell()
            describe(element, &below)
            child.initialize(to: below)
            cell.children = child
        case .structure(let fields):
            cell.kind = .structure
            cell.childCount = fields.count
            let children = UnsafeMutablePointer<Cell>.allocate(capacity: max(fields.count, 1))
            owned.append(children)
            fill(children, fields)
            cell.children = children
        }
    }

    /// Takes the pointers of the columns, good as long as they live and do not grow.
    func bind(_ batch: [Column]) { bind(top, batch) }

    /// Lets the columns go.
    func unbind() { for index in columns.indices { columns[index] = nil } }

    private func bind(_ cells: UnsafeMutablePointer<Cell>, _ from: [Column]) {
        for (at, column) in from.enumerated() {
            let cell = cells + at
            cell.pointee.values = column.values
            cell.pointee.validity = column.validity
            cell.pointee.bytes = column.arena?.base
            if cell.pointee.kind == .other { columns[cell.pointee.index] = column }
            if let children = cell.pointee.children { bind(children, column.children) }
        }
    }

    /// Appends row `row` as one object.
    @inline(__always)
    func append(_ row: Int, to writer: ByteWriter) {
        var at = 0
        while at < topCount {
            writer.append(padded: top[at].prefix.unsafelyUnwrapped, top[at].prefixLength)
            append(top + at, row, to: writer)
            at &+= 1
        }
        if topCount == 0 { writer.append(byte: 0x7B) }
        writer.append(byte: 0x7D)
    }

    private func append(_ cell: UnsafeMutablePointer<Cell>, _ row: Int, to writer: ByteWriter) {
        if let validity = cell.pointee.validity, validity[row] == 0 { return writer.append("null") }
        let values = cell.pointee.values.unsafelyUnwrapped
        switch cell.pointee.kind {
        case .string:
            let view = values.assumingMemoryBound(to: UInt64.self)[row]
            guard let bytes = cell.pointee.bytes else { return writer.append("\"\"") }
            JSONText.appendString(
                padded: bytes + ByteView.start(view), ByteView.length(view), to: writer)
        case .int64:
            writer.append(int64: values.assumingMemoryBound(to: Int64.self)[row])
        case .bool:
            let isTrue = values.assumingMemoryBound(to: UInt8.self)[row] != 0
            writer.append(isTrue ? "true" : "false")
        case .float64:
            JSONText.append(values.assumingMemoryBound(to: Double.self)[row], to: writer)
        case .timestamp:
            writer.append(byte: 0x22)
            writer.append(timestamp: values.assumingMemoryBound(to: Int64.self)[row])
            writer.append(byte: 0x22)
        case .other: JSONText.append(columns[cell.pointee.index]!, row, to: writer)
        case .list:
            let view = values.assumingMemoryBound(to: UInt64.self)[row]
            let element = cell.pointee.children.unsafelyUnwrapped
            var at = ByteView.start(view)
            let end = at &+ ByteView.length(view)
            writer.append(byte: 0x5B)
            while at < end {
                append(element, at, to: writer)
                at &+= 1
                if at < end { writer.append(byte: 0x2C) }
            }
            writer.append(byte: 0x5D)
        case .structure:
            let fields = cell.pointee.children.unsafelyUnwrapped
            var at = 0
            while at < cell.pointee.childCount {
                writer.append(padded: fields[at].prefix.unsafelyUnwrapped, fields[at].prefixLength)
                append(fields + at, row, to: writer)
                at &+= 1
            }
            if at == 0 { writer.append(byte: 0x7B) }
            writer.append(byte: 0x7D)
        }
    }
}
