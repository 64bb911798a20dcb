import StreamRuntime

extension RecordText {
    /// Appends the value written at `view`, without the spaces at its ends; nothing left of it is null.
    ///
    /// - Parameter comma: a comma stands for the decimal point in numbers.
    /// - Throws: when it is no value of the column's type, or missing where the field is required.
    func append(
        cell view: UInt64, of field: RecordField, comma: Bool = false, to column: Column
    ) throws(ValueProblem) {
        let cell = trimmed(view)
        guard ByteView.length(cell) > 0 else {
            guard !field.isRequired else { throw ValueProblem("is missing", field: field.name) }
            return column.appendNull()
        }
        do {
            try append(text: cell, of: field, comma: comma, to: column)
        } catch {
            throw error.inside(field.name)
        }
    }

    /// Appends the value that the whole text at `view` is written for.
    func append(
        text view: UInt64, of field: RecordField, comma: Bool = false, to column: Column
    ) throws(ValueProblem) {
        let length = ByteView.length(view)
        if column.type == .bytes { makeRoom(length) }
        let text = UnsafePointer(arena.base) + ByteView.start(view)
        if column.type == .string {
            guard isUTF8(text, length) else { throw ValueProblem("is not UTF-8") }
            return column.append(view: view)
        }
        if comma, column.type != .timestamp, column.type != .date, column.type != .bytes {
            var point = [UInt8](UnsafeBufferPointer(start: text, count: length))
            for at in point.indices where point[at] == 0x2C { point[at] = 0x2E }
            return try TextValue.append(
                point, length, unit: field.unit, zone: field.zone, named: false, to: column)
        }
        try TextValue.append(
            text, length, unit: field.unit, zone: field.zone, named: true, to: column)
    }

    /// The part of `view` between the white space at its ends.
    func trimmed(_ view: UInt64) -> UInt64 {
        let base = arena.base
        var start = ByteView.start(view)
        var end = start + ByteView.length(view)
        while start < end, RecordText.isSpace(base[start]) { start &+= 1 }
        while end > start, RecordText.isSpace(base[end - 1]) { end &-= 1 }
        return ByteView.pack(start: start, length: end - start)
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    /// A copy of these bytes behind the others.
    func copy(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> UInt64 {
        makeRoom(length)
        return arena.append(bytes, length)
    }

    /// The texts at `views`, one behind the other; the first as it lies when it is the only one.
    func joined(_ views: [UInt64]) -> UInt64 {
        if views.count == 1 { return views[0] }
        let length = views.reduce(0) { $0 + ByteView.length($1) }
        makeRoom(length)
        let start = arena.count
        for view in views {
            (arena.base + arena.count).update(
                from: arena.base + ByteView.start(view), count: ByteView.length(view))
            arena.count += ByteView.length(view)
        }
        return ByteView.pack(start: start, length: length)
    }

    /// A copy of Latin-1 text in UTF-8; the text itself when it is ASCII.
    func fromLatin1(_ view: UInt64) -> UInt64 {
        let start = ByteView.start(view)
        let length = ByteView.length(view)
        let bytes = UnsafeBufferPointer(start: arena.base + start, count: length)
        guard bytes.contains(where: { $0 >= 0x80 }) else { return view }
        makeRoom(length * 2)
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
}

extension RejectedRows {
    /// Notes that record `row` cannot be used.
    mutating func append(row: Int, _ problem: ValueProblem) {
        append(row: row, column: problem.field, reason: problem.reason)
    }
}
