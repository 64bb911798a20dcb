import StreamRuntime

/// Reads the fields that come from around a record's value: its key, place, time and headers.
///
/// - Source: `RecordHeaders` says how headers are written.
final class MetadataReader {
    private let fields: [(column: Int, field: RecordField)]

    init(_ fields: [RecordField]) {
        self.fields = fields.enumerated().filter { $0.element.from != .value }
            .map { (column: $0.offset, field: $0.element) }
    }

    var isEmpty: Bool { fields.isEmpty }

    /// Whether all of them are numbers that every record has, so that they can be filled in afterwards.
    var isPlain: Bool {
        fields.allSatisfy { $0.field.from != .key && !$0.field.from.isHeader }
    }

    /// Writes the fields' values of the rows from `first` on.
    ///
    /// - Precondition: `isPlain`; `records` of `rows` tells the rows' records.
    func fill(_ rows: DecodedRows, from first: Int, of records: RecordBatch) {
        let origins = rows.records.int64s
        for (position, field) in fields {
            let column = rows.columns[position]
            let target = column.int64s
            var row = first
            if field.from == .partition {
                while row < rows.count {
                    target[row] = Int64(records.partition)
                    row &+= 1
                }
            } else {
                let source =
                    (field.from == .offset ? records.offsets : records.timestamps).int64s
                while row < rows.count {
                    target[row] = source[Int(origins[row])]
                    row &+= 1
                }
            }
            column.setCount(rows.count)
        }
    }

    /// The arena that texts of this column are views into.
    func arena(ofColumn column: Int, in records: RecordBatch) -> ByteArena {
        switch fields.first(where: { $0.column == column })?.field.from {
        case .key: records.keys.arena!
        case .header: records.headers?.arena ?? records.values.arena!
        default: records.values.arena!
        }
    }

    /// Appends the fields' values of record `index` to their columns.
    func append(
        _ records: RecordBatch, _ index: Int, to columns: [Column]
    ) throws(ValueProblem) {
        for (position, field) in fields {
            let column = columns[position]
            do {
                switch field.from {
                case .timestamp: column.append(records.timestamps.int64s[index])
                case .offset: column.append(records.offsets.int64s[index])
                case .partition: column.append(Int64(records.partition))
                case .key:
                    let view = records.keys.isValid(index) ? records.keys.views[index] : nil
                    try append(view, records.keys.arena!, field, to: column)
                case .header(let name):
                    let view = header(name, records.headers, index)
                    try append(view, records.headers?.arena, field, to: column)
                case .value: continue
                }
            } catch {
                throw error.inside(field.name)
            }
        }
    }

    private func append(
        _ view: UInt64?, _ arena: ByteArena?, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        guard let view, let arena else {
            guard !field.isRequired else { throw ValueProblem("is missing") }
            return column.appendNull()
        }
        let text = UnsafePointer(arena.base) + ByteView.start(view)
        let length = ByteView.length(view)
        switch field.type {
        case .bytes: column.append(view: view)
        case .string:
            guard isUTF8(text, length) else { throw ValueProblem("is not UTF-8") }
            column.append(view: view)
        default:
            try TextValue.append(
                text, length, unit: field.unit, zone: field.zone, named: true, to: column)
        }
    }

    /// The value of the last header called `name`; nil when there is none or it is null.
    private func header(_ name: String, _ headers: Column?, _ index: Int) -> UInt64? {
        guard let headers, let arena = headers.arena, headers.isValid(index) else { return nil }
        let view = headers.views[index]
        let raw = UnsafeRawPointer(arena.base)
        var at = ByteView.start(view)
        let end = at + ByteView.length(view)
        var found: UInt64?
        while at + 2 <= end {
            let nameLength = Int(
                UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
            at += 2
            guard at + nameLength + 4 <= end else { break }
            let isWanted = name.utf8.elementsEqual(
                UnsafeBufferPointer(start: arena.base + at, count: nameLength))
            at += nameLength
            let length = Int(
                Int32(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: Int32.self)))
            at += 4
            guard at + max(length, 0) <= end else { break }
            if isWanted { found = length < 0 ? nil : ByteView.pack(start: at, length: length) }
            at += max(length, 0)
        }
        return found
    }
}

extension RecordField.Origin {
    fileprivate var isHeader: Bool {
        if case .header = self { true } else { false }
    }
}
