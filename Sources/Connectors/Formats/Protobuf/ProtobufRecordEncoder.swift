import StreamRuntime

/// Writes each row as one Protobuf message, its columns as the fields of their names.
///
/// - Shape: fields by number; a null is an absent field, and so is a proto3 default without presence;
///   numbers of proto3 lists are packed. Enums by their names, decimals, dates and timestamps as text or,
///   where the message says so, google.protobuf.Timestamp; int64 microseconds as Duration; wrappers around
///   what they wrap; lists of structs of key and value as maps. Deleted rows have no value. Equal rows give
///   equal bytes.
/// - Source: the Protocol Buffers documentation, "Encoding" and "Field Presence".
public final class ProtobufRecordEncoder: RecordEncoder {
    /// The first row that could not be written, until the next batch.
    public private(set) var failure: JobFailure?
    private let message: ProtobufMessageWriter
    private let place: String
    private let frame: [UInt8]
    private let writer = ByteWriter()

    /// An encoder of rows of `schema` as messages called `message`.
    ///
    /// - Parameter frame: what stands before each message in its record.
    /// - Throws: when there is no such message, or a column cannot be written as the field of its name.
    public init(
        schema: Schema, message name: String, of descriptor: ProtobufSchema, frame: [UInt8] = []
    ) throws(ProtobufMismatch) {
        self.frame = frame
        guard let described = descriptor.messages[name] else {
            let known = descriptor.messageNames.prefix(20).joined(separator: ", ")
            throw ProtobufMismatch(
                "the descriptor file has no message \"\(name)\"; it has \(known)")
        }
        message = try ProtobufMessageWriter(described, schema.fields, in: descriptor)
        place = "message \(name)"
    }

    /// Appends one message a row; null for a deleted one and for one that cannot be written.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        failure = nil
        let changes = batch.changes?.bools
        let columns = batch.columns
        let writer = writer
        values.reserve(batch.count)
        writer.write(to: values.arena!) {
            for row in 0..<batch.count {
                let kind = changes.map { $0[row] } ?? RowChange.insert.rawValue
                if kind == RowChange.delete.rawValue || kind == RowChange.updateBefore.rawValue {
                    values.appendNull()
                    continue
                }
                let start = writer.count
                frame.withUnsafeBufferPointer {
                    if let base = $0.baseAddress { writer.append(base, $0.count) }
                }
                do throws(ValueProblem) {
                    try self.message.append(columns, row, to: writer)
                    values.append(
                        view: ByteView.pack(start: start, length: writer.count &- start))
                } catch {
                    values.appendNull()
                    self.failure =
                        self.failure
                        ?? JobFailure(
                            .sink, "a row cannot be written: \(error.field): \(error.reason)",
                            at: self.place,
                            remedy: "change the value in a select, or the field in the message")
                }
            }
        }
        withExtendedLifetime(columns) {}
    }
}

/// Writes the fields of one kind of message.
final class ProtobufMessageWriter {
    private let fields: [(column: Int, value: ProtobufValueWriter)]
    /// Of each oneof the fields that have a column.
    private let oneofs: [[Int]]

    init(
        _ message: ProtobufSchema.Message, _ columns: [Field], in schema: ProtobufSchema
    ) throws(ProtobufMismatch) {
        var made: [(column: Int, value: ProtobufValueWriter)] = []
        for (index, column) in columns.enumerated() {
            guard let field = message.field(column.name) else {
                let known = message.fields.map(\.name).joined(separator: ", ")
                throw ProtobufMismatch(
                    "the message \(message.name) has no field \"\(column.name)\"; it has \(known)",
                    field: column.name)
            }
            do throws(ProtobufMismatch) {
                made.append(
                    (
                        index,
                        try ProtobufValueWriter(
                            field, column.type, in: schema, writesDefaults: message.isMapEntry)
                    ))
            } catch {
                throw ProtobufMismatch(
                    error.reason,
                    field: error.field.isEmpty ? column.name : column.name + "." + error.field)
            }
        }
        fields = made.sorted { $0.value.field.number < $1.value.field.number }
        var oneofs: [Int: [Int]] = [:]
        for (column, value) in fields {
            if let oneof = value.field.oneof { oneofs[oneof, default: []].append(column) }
        }
        self.oneofs = oneofs.values.filter { $0.count > 1 }
    }

    func append(_ columns: [Column], _ row: Int, to writer: ByteWriter) throws(ValueProblem) {
        for members in oneofs where members.filter({ columns[$0].isValid(row) }).count > 1 {
            let name = fields.first { $0.column == members[0] }!.value.field.name
            throw ValueProblem("more than one field of its oneof has a value", field: name)
        }
        for (column, value) in fields where columns[column].isValid(row) {
            do throws(ValueProblem) {
                try value.append(columns[column], row, to: writer)
            } catch { throw error.inside(value.field.name) }
        }
    }
}

/// Writes the values of one column as one field of a message.
final class ProtobufValueWriter {
    private enum Rule {
        case scalar
        case structure(ProtobufMessageWriter)
        case moment
        case duration
        case wrapper(ProtobufValueWriter)
    }

    let field: ProtobufSchema.MessageField
    private let rule: Rule
    private let numbers: [String: Int32]
    private let writesDefault: Bool

    init(
        _ field: ProtobufSchema.MessageField, _ type: ColumnType, in schema: ProtobufSchema,
        writesDefaults: Bool = false
    ) throws(ProtobufMismatch) {
        self.field = field
        writesDefault = writesDefaults || field.hasPresence || field.isRepeated
        var element = type
        if field.isRepeated {
            guard case .list(let inside) = type else {
                throw ProtobufMismatch("a repeated field is written from a list, not from \(type)")
            }
            element = inside
        }
        var numbers: [String: Int32] = [:]
        for (number, name) in schema.enumerations[field.typeName]?.names ?? [:] {
            numbers[name] = number
        }
        self.numbers = numbers
        if field.scalar == .message, let message = schema.messages[field.typeName] {
            rule = try ProtobufValueWriter.rule(message, element, schema)
        } else {
            guard ProtobufValueWriter.canWrite(element, as: field.scalar) else {
                throw ProtobufMismatch("a \(field.scalar.name) is not written from \(element)")
            }
            rule = .scalar
        }
    }

    private static func rule(
        _ message: ProtobufSchema.Message, _ type: ColumnType, _ schema: ProtobufSchema
    ) throws(ProtobufMismatch) -> Rule {
        switch (message.name, type) {
        case (_, .structure(let fields)):
            return .structure(try ProtobufMessageWriter(message, fields, in: schema))
        case ("google.protobuf.Timestamp", .timestamp): return .moment
        case ("google.protobuf.Duration", .int64): return .duration
        default: break
        }
        if message.name.hasPrefix("google.protobuf."), message.name.hasSuffix("Value"),
            message.fields.count == 1
        {
            return .wrapper(try ProtobufValueWriter(message.fields[0], type, in: schema))
        }
        throw ProtobufMismatch("the message \(message.name) is not written from \(type)")
    }

    private static func canWrite(_ type: ColumnType, as scalar: ProtobufSchema.Scalar) -> Bool {
        switch type {
        case .string: scalar == .string || scalar == .enum
        case .bytes: scalar == .bytes
        case .bool: scalar == .bool
        case .float64: scalar == .double || scalar == .float
        case .int64:
            ![.double, .float, .bool, .string, .bytes, .message, .group].contains(scalar)
        case .decimal, .timestamp, .date: scalar == .string
        case .interval, .list, .structure: false
        }
    }

    /// Appends the field with its tag; nothing for a default that is the same as absence.
    func append(_ column: Column, _ row: Int, to writer: ByteWriter) throws(ValueProblem) {
        guard field.isRepeated else { return try appendOne(column, row, to: writer) }
        let view = column.views[row]
        let elements = column.children[0]
        let range = ByteView.start(view)..<(ByteView.start(view) + ByteView.length(view))
        for at in range where !elements.isValid(at) {
            throw ValueProblem("an element of the list is null, which Protobuf has not")
        }
        let isPacked = !field.hasPresence && field.scalar.wire != .length
        guard isPacked else {
            for at in range { try appendOne(elements, at, to: writer) }
            return
        }
        if range.isEmpty { return }
        tag(.length, to: writer)
        try withLength(writer) { () throws(ValueProblem) in
            for at in range { try self.appendScalar(elements, at, to: writer) }
        }
    }

    private func appendOne(
        _ column: Column, _ row: Int, to writer: ByteWriter
    ) throws(ValueProblem) {
        switch rule {
        case .scalar:
            let start = writer.count
            tag(field.scalar.wire, to: writer)
            let value = writer.count
            try appendScalar(column, row, to: writer)
            guard !writesDefault else { return }
            // Zero in every type is all zero bytes, and so is the length of an empty text.
            var at = value
            while at < writer.count, writer.base[at] == 0 { at += 1 }
            if at == writer.count { writer.cut(to: start) }
        case .structure(let message):
            tag(.length, to: writer)
            try withLength(writer) { () throws(ValueProblem) in
                try message.append(column.children, row, to: writer)
            }
        case .wrapper(let inner):
            tag(.length, to: writer)
            try withLength(writer) { () throws(ValueProblem) in
                try inner.append(column, row, to: writer)
            }
        case .moment:
            let micros = column.int64s[row]
            let part = ((micros % 1_000_000) + 1_000_000) % 1_000_000
            tag(.length, to: writer)
            withPlainLength(writer) { pair((micros - part) / 1_000_000, part * 1000, to: writer) }
        case .duration:
            let micros = column.int64s[row]
            tag(.length, to: writer)
            withPlainLength(writer) {
                pair(micros / 1_000_000, micros % 1_000_000 * 1000, to: writer)
            }
        }
    }

    private func appendScalar(
        _ column: Column, _ row: Int, to writer: ByteWriter
    ) throws(ValueProblem) {
        switch column.type {
        case .bool: writer.append(byte: column.bools[row] == 0 ? 0 : 1)
        case .float64:
            let value = column.float64s[row]
            guard field.scalar == .float else {
                return fixed(value.bitPattern, bytes: 8, to: writer)
            }
            let narrow = Float(value)
            guard narrow.isFinite || !value.isFinite else {
                throw ValueProblem("\(value) is beyond the range of a float")
            }
            fixed(UInt64(narrow.bitPattern), bytes: 4, to: writer)
        case .int64: try number(column.int64s[row], to: writer)
        case .string where field.scalar == .enum:
            let name = column.string(row)
            guard let value = numbers[name] else {
                throw ValueProblem("\"\(name)\" is no name of the enum")
            }
            varint(UInt64(bitPattern: Int64(value)), to: writer)
        case .string, .bytes:
            let bytes = column.bytes(row)
            varint(UInt64(bytes.count), to: writer)
            writer.append(bytes)
        case .decimal(_, let scale):
            withPlainLength(writer) { writer.append(decimal: column.decimals[row], scale: scale) }
        case .timestamp: withPlainLength(writer) { writer.append(timestamp: column.int64s[row]) }
        case .date: withPlainLength(writer) { writer.append(date: column.int64s[row]) }
        case .interval, .list, .structure:
            preconditionFailure("such columns were refused before")
        }
    }

    private func number(_ value: Int64, to writer: ByteWriter) throws(ValueProblem) {
        let fits: Bool
        switch field.scalar {
        case .int32, .sint32, .sfixed32, .enum: fits = Int32(exactly: value) != nil
        case .uint32, .fixed32: fits = UInt32(exactly: value) != nil
        case .uint64, .fixed64: fits = value >= 0
        default: fits = true
        }
        guard fits else {
            throw ValueProblem("\(value) is beyond the range of \(field.scalar.name)")
        }
        let raw = UInt64(bitPattern: value)
        switch field.scalar {
        case .fixed32, .sfixed32: fixed(raw & 0xFFFF_FFFF, bytes: 4, to: writer)
        case .fixed64, .sfixed64: fixed(raw, bytes: 8, to: writer)
        case .sint32, .sint64:
            varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)), to: writer)
        default: varint(raw, to: writer)
        }
    }

    // MARK: bytes

    private func tag(_ kind: ProtobufWire.Kind, to writer: ByteWriter) {
        varint(UInt64(field.number) << 3 | kind.rawValue, to: writer)
    }

    /// Fields 1 and 2 of a moment or a duration.
    private func pair(_ first: Int64, _ second: Int64, to writer: ByteWriter) {
        if first != 0 {
            writer.append(byte: 0x08)
            varint(UInt64(bitPattern: first), to: writer)
        }
        if second != 0 {
            writer.append(byte: 0x10)
            varint(UInt64(bitPattern: second), to: writer)
        }
    }

    private func varint(_ value: UInt64, to writer: ByteWriter) {
        var rest = value
        while rest >= 0x80 {
            writer.append(byte: UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        writer.append(byte: UInt8(rest))
    }

    private func fixed(_ value: UInt64, bytes: Int, to writer: ByteWriter) {
        for at in 0..<bytes { writer.append(byte: UInt8(truncatingIfNeeded: value >> (8 * at))) }
    }

    /// Puts the length of what `body` writes before it.
    private func withLength(
        _ writer: ByteWriter, _ body: () throws(ValueProblem) -> Void
    ) throws(ValueProblem) {
        let start = writer.count
        try body()
        prefixLength(writer, start)
    }

    private func withPlainLength(_ writer: ByteWriter, _ body: () -> Void) {
        let start = writer.count
        body()
        prefixLength(writer, start)
    }

    private func prefixLength(_ writer: ByteWriter, _ start: Int) {
        let length = writer.count - start
        varint(UInt64(length), to: writer)
        let prefix = writer.count - start - length
        // The length was written behind what it is of: the two change places.
        var bytes: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &bytes) { held in
            held.baseAddress!.copyMemory(
                from: writer.base + start + length, byteCount: prefix)
            UnsafeMutableRawPointer(writer.base + start + prefix).copyMemory(
                from: writer.base + start, byteCount: length)
            UnsafeMutableRawPointer(writer.base + start).copyMemory(
                from: held.baseAddress!, byteCount: prefix)
        }
    }
}
