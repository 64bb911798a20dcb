import StreamRuntime

/// Decodes CSV rows, one a record, into the columns of the declared fields, matched by name.
///
/// Columns that no field declares are passed over; a declared column that the header does not have
/// refuses the row by name. Numbers, times and truth values may have spaces around them; texts are kept
/// as they are, leading zeros and spaces included. An empty cell is null, unless it is a quoted one of a
/// string.
///
/// - Shape: plain texts are views into the arena of the records' values; those with doubled quotes or
///   in Latin-1 move them to a copy of it; see `RecordText`.
public final class CSVRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let fields: [(column: Int, field: RecordField)]
    private let dialect: CSVDialect
    private let metadata: MetadataReader
    private let fileHeader: MetadataReader
    private let headerText: Column
    private let fileName: MetadataReader
    private let nameText: Column
    /// What the two texts view between two records: emptying a column empties its arena.
    private let noText = ByteArena(capacity: 64)
    private var row = CSVRow()
    /// The header the cells are matched by, and for each field its cell, or why it has none.
    private var header: [UInt8]?
    private var names: [String] = []
    private var cells: [Int] = []
    private var missing: ValueProblem?
    /// The same without the file it is in.
    private var problem: ValueProblem?

    /// A decoder of these fields; a field's path is the name of its column.
    public init(fields: [RecordField], dialect: CSVDialect = CSVDialect()) {
        schema = Schema(fields)
        self.fields = fields.enumerated().filter { $0.element.from == .value }
            .map { (column: $0.offset, field: $0.element) }
        self.dialect = dialect
        metadata = MetadataReader(fields)
        fileHeader = MetadataReader([
            RecordField("header", .bytes, from: .header(CSVDialect.headerName))
        ])
        headerText = Column(.bytes, capacity: 1)
        fileName = MetadataReader([
            RecordField("name", .bytes, from: .header(FileReader.nameHeader))
        ])
        nameText = Column(.bytes, capacity: 1)
        if case .names(let names) = dialect.header { match(names) }
    }

    /// Appends a row for each record that is a CSV row with the declared columns.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            for index in 0..<records.count {
                let count = rows.count
                do throws(ValueProblem) {
                    try self.append(records, text, index, to: rows.columns)
                    try self.metadata.append(records, index, to: rows.columns)
                    rows.records.append(Int64(index))
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
        }
    }

    private func append(
        _ records: RecordBatch, _ text: RecordText, _ index: Int, to columns: [Column]
    ) throws(ValueProblem) {
        guard records.values.isValid(index) else {
            throw ValueProblem("the record has no value (a tombstone)")
        }
        if dialect.header == .firstLine { try readHeader(records, index) }
        let arena = text.arena
        let view = records.values.views[index]
        let start = ByteView.start(view)
        var end = start + ByteView.length(view)
        if end > start, arena.base[end - 1] == 0x0A { end -= 1 }
        if end > start, arena.base[end - 1] == 0x0D { end -= 1 }
        let line = records.offsets.int64s[index] + 1
        if let problem = row.split(UnsafePointer(arena.base), start, end, dialect) {
            throw ValueProblem("\(problem) (line \(line))")
        }
        if let missing { throw missing }
        guard row.cells.count == names.count else {
            throw ValueProblem(
                "the row has \(row.cells.count) fields, the header names \(names.count) "
                    + "(line \(line))")
        }
        if dialect.encoding == .utf8, !isUTF8(arena.base + start, end - start) {
            throw ValueProblem("the row is not UTF-8 (line \(line))")
        }
        for (position, (column, field)) in fields.enumerated() {
            do {
                try append(row.cells[cells[position]], text, field, to: columns[column])
            } catch {
                throw error.inside(field.name)
            }
        }
    }

    private func append(
        _ cell: CSVRow.Cell, _ text: RecordText, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        let isText = field.type == .string
        let isEmpty = cell.length == 0 && !isText
        if isEmpty || (!cell.isQuoted && isNull(text.arena.base + cell.start, cell.length)) {
            guard !field.isRequired else { throw ValueProblem("is null") }
            return column.appendNull()
        }
        let view = view(of: cell, text)
        if isText { return column.append(view: view) }
        if field.type == .bytes { text.makeRoom(cell.length) }
        let arena = text.arena
        var start = ByteView.start(view)
        var end = start + ByteView.length(view)
        while start < end, arena.base[start] == 0x20 { start += 1 }
        while end > start, arena.base[end - 1] == 0x20 { end -= 1 }
        try TextValue.append(
            arena.base + start, end - start, unit: field.unit, zone: field.zone, named: true,
            to: column)
    }

    private func isNull(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        length == dialect.nullText.count
            && dialect.nullText.elementsEqual(UnsafeBufferPointer(start: text, count: length))
    }

    /// The text of a cell: where it lies or, when that is not its text yet, a copy behind the records.
    private func view(of cell: CSVRow.Cell, _ text: RecordText) -> UInt64 {
        var start = cell.start
        var length = cell.length
        if cell.hasEscape {
            text.makeRoom(length)
            let arena = text.arena
            let made = CSVRow.unescape(
                arena.base + start, length, dialect, into: arena.base + arena.count)
            start = arena.count
            length = made
            arena.count += made
        }
        guard dialect.encoding == .latin1, !isASCII(text.arena.base + start, length) else {
            return ByteView.pack(start: start, length: length)
        }
        text.makeRoom(length * 2)
        let arena = text.arena
        let from = arena.count
        for at in start..<(start + length) {
            let byte = arena.base[at]
            if byte < 0x80 {
                arena.base[arena.count] = byte
                arena.count += 1
            } else {
                arena.base[arena.count] = 0xC0 | byte >> 6
                arena.base[arena.count + 1] = 0x80 | byte & 0x3F
                arena.count += 2
            }
        }
        return ByteView.pack(start: from, length: arena.count - from)
    }

    private func isASCII(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        for at in 0..<length where text[at] >= 0x80 { return false }
        return true
    }

    /// Matches the fields with the header that the file's reader gave this record.
    private func readHeader(_ records: RecordBatch, _ index: Int) throws(ValueProblem) {
        lend(headerText, fileHeader.arena(ofColumn: 0, in: records))
        try fileHeader.append(records, index, to: [headerText])
        guard headerText.isValid(0) else {
            throw ValueProblem("no header names the columns; declare them under header")
        }
        let line = headerText.bytes(0)
        if let header, header.count == line.count, header.elementsEqual(line) {
            // The same wrong line may be that of another file.
            if missing != nil { missing = placed(problem, records, index) }
            return
        }
        header = Array(line)
        let lines = RecordBatch(partition: 0, capacity: 1)
        lines.values.append(line)
        let text = RecordText(lines, columns: [])
        let start = line.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var end = line.count
        while end > start, line[end - 1] == 0x0A || line[end - 1] == 0x0D { end -= 1 }
        if let problem = row.split(UnsafePointer(text.arena.base), start, end, dialect) {
            names = []
            cells = []
            self.problem = ValueProblem("the header is malformed: \(problem)")
            missing = placed(self.problem, records, index)
            return
        }
        match(
            row.cells.map { cell in
                let view = self.view(of: cell, text)
                return String(
                    decoding: UnsafeBufferPointer(
                        start: text.arena.base + ByteView.start(view), count: ByteView.length(view)),
                    as: UTF8.self)
            })
        problem = missing
        missing = placed(problem, records, index)
    }

    /// Lets an emptied `column` view `arena`, which may be that of the records themselves.
    private func lend(_ column: Column, _ arena: ByteArena) {
        column.adopt(noText)
        column.removeAll()
        column.adopt(arena)
    }

    /// What is wrong with a header, with the name of the file when the record has it.
    private func placed(
        _ problem: ValueProblem?, _ records: RecordBatch, _ index: Int
    ) -> ValueProblem? {
        guard let problem, records.headers != nil else { return problem }
        lend(nameText, fileName.arena(ofColumn: 0, in: records))
        guard (try? fileName.append(records, index, to: [nameText])) != nil, nameText.isValid(0)
        else { return problem }
        let name = String(decoding: nameText.bytes(0), as: UTF8.self)
        return ValueProblem("\(problem.reason) in \(name)", field: problem.field)
    }

    private func match(_ names: [String]) {
        self.names = names
        missing = nil
        cells = []
        for (_, field) in fields {
            let wanted = field.path.joined(separator: ".")
            let found = names.indices.filter { names[$0] == wanted }
            cells.append(found.first ?? 0)
            guard found.count != 1, missing == nil else { continue }
            let shown = names.joined(separator: ", ")
            missing = ValueProblem(
                found.isEmpty
                    ? "the header has no column \"\(wanted)\" (it names \(shown))"
                    : "the header names \"\(wanted)\" \(found.count) times", field: field.name)
        }
    }
}
