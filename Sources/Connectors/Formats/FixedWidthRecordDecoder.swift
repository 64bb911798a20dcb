import StreamRuntime

/// Decodes lines whose columns stand at fixed positions into the columns of the declared fields.
///
/// Spaces around a value do not count; a column of spaces, or behind the line's end, is null. Numbers may
/// have their sign on either side, and a point that is not written where the layout says.
///
/// - Shape: texts are views into the arena of the records' values; see `RecordText`.
public final class FixedWidthRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let layout: FixedWidthLayout
    private let fields: [(column: Int, field: RecordField, place: FixedWidthLayout.Column)]
    private let metadata: MetadataReader
    /// Where each character of a line begins, when some have several bytes.
    private var starts: [Int] = []

    /// A decoder of these fields; a field's path names its column.
    ///
    /// - Precondition: the layout has the columns that fields of the value are read from.
    public init(fields: [RecordField], layout: FixedWidthLayout) {
        schema = Schema(fields)
        self.layout = layout
        self.fields = fields.enumerated().filter { $0.element.from == .value }
            .map { index, field in
                let name = field.path.joined(separator: ".")
                guard let place = layout.columns.first(where: { $0.name == name }) else {
                    preconditionFailure("the layout has no column \(name)")
                }
                return (index, field, place)
            }
        metadata = MetadataReader(fields)
    }

    /// Appends a row for each line of the layout's kind.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            for index in 0..<records.count {
                let count = rows.count
                do throws(ValueProblem) {
                    guard try self.append(records, text, index, to: rows.columns) else {
                        rows.skipped += 1
                        continue
                    }
                    try self.metadata.append(records, index, to: rows.columns)
                    rows.records.append(Int64(index))
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, error)
                }
            }
        }
    }

    /// Appends the values of one line; false when it is of another kind.
    private func append(
        _ records: RecordBatch, _ text: RecordText, _ index: Int, to columns: [Column]
    ) throws(ValueProblem) -> Bool {
        guard records.values.isValid(index) else {
            throw ValueProblem("the record has no value (a tombstone)")
        }
        let view = records.values.views[index]
        let start = ByteView.start(view)
        var end = start + ByteView.length(view)
        let base = UnsafePointer(text.arena.base)
        while end > start, base[end - 1] == 0x0A || base[end - 1] == 0x0D { end -= 1 }
        try findCharacters(base, start, end)
        if let kind = layout.kind {
            let found = text.joined(kind.column.ranges.map { piece($0, start, end) })
            let bytes = UnsafeBufferPointer(
                start: text.arena.base + ByteView.start(found), count: ByteView.length(found))
            guard bytes.elementsEqual(kind.text) else { return false }
        }
        for (column, field, place) in fields {
            var cell =
                place.ranges.count == 1
                ? text.trimmed(piece(place.ranges[0], start, end))
                : text.trimmed(text.joined(place.ranges.map { piece($0, start, end) }))
            if place.decimals > 0 { cell = text.pointed(cell, decimals: place.decimals) }
            if layout.encoding == .latin1 { cell = text.fromLatin1(cell) }
            try text.append(cell: cell, of: field, to: columns[column])
        }
        return true
    }

    /// Notes where characters begin if positions are not bytes.
    private func findCharacters(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) throws(ValueProblem) {
        starts.removeAll(keepingCapacity: true)
        guard layout.encoding == .utf8 else { return }
        var at = start
        while at < end, base[at] < 0x80 { at &+= 1 }
        guard at < end else { return }
        guard isUTF8(base + start, end - start) else {
            throw ValueProblem("the line is not UTF-8; say encoding: latin-1 if it is that")
        }
        for byte in start..<end where base[byte] & 0xC0 != 0x80 { starts.append(byte) }
        starts.append(end)
    }

    /// The part of the line at these positions.
    private func piece(_ range: ClosedRange<Int>, _ start: Int, _ end: Int) -> UInt64 {
        let from: Int
        let to: Int
        if starts.isEmpty {
            from = min(start + range.lowerBound, end)
            to = min(start + range.upperBound + 1, end)
        } else {
            from = starts[min(range.lowerBound, starts.count - 1)]
            to = starts[min(range.upperBound + 1, starts.count - 1)]
        }
        return ByteView.pack(start: from, length: to - from)
    }
}

extension RecordText {
    /// The digits at `view` with a point before the last `decimals` of them; text with a point of its
    /// own, or with anything but digits and a sign, stays as it is.
    fileprivate func pointed(_ view: UInt64, decimals: Int) -> UInt64 {
        let bytes = Array(
            UnsafeBufferPointer(
                start: arena.base + ByteView.start(view), count: ByteView.length(view)))
        var digits = bytes
        var isNegative = false
        var isSigned = false
        if let first = digits.first, first == 0x2D || first == 0x2B {
            isNegative = first == 0x2D
            isSigned = true
            digits.removeFirst()
        } else if let last = digits.last, last == 0x2D || last == 0x2B {
            isNegative = last == 0x2D
            isSigned = true
            digits.removeLast()
        }
        while isSigned, digits.first == 0x20 { digits.removeFirst() }
        guard !digits.isEmpty, digits.allSatisfy({ $0 &- 0x30 <= 9 }) else { return view }
        while digits.count <= decimals { digits.insert(0x30, at: 0) }
        digits.insert(0x2E, at: digits.count - decimals)
        if isNegative { digits.insert(0x2D, at: 0) }
        return copy(digits, digits.count)
    }
}
