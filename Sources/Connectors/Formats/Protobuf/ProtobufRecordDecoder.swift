import StreamRuntime

/// Decodes Protobuf messages, one a record, into the columns of the declared fields.
///
/// A field is found by its name in the descriptor (or its JSON name) and a path leads through messages.
/// The last value of a field counts, a message in several pieces is one, fields that are not described are
/// passed over. A field without presence that is absent has its default; any other is null.
///
/// - Shape: strings, bytes and enums' names (unknown numbers as digits); repeated fields and maps are
///   lists, a map's entries structs of key and value; messages are structs;
///   google.protobuf.Timestamp is a timestamp, Duration an int64 of microseconds, the wrappers what they
///   wrap. Texts are views into the arena of the records' values.
/// - Source: the Protocol Buffers documentation, "Encoding" and "Field Presence".
public final class ProtobufRecordDecoder: RecordDecoder {
    /// What stands before each message.
    public enum Framing: String, Sendable, CaseIterable {
        case none
        /// A zero byte, the schema's number, and which message of its file it is.
        case confluent
    }

    /// The declared fields.
    public let schema: Schema
    private let message: ProtobufSchema.Message
    private let reader: ProtobufMessageReader
    private let metadata: MetadataReader
    private let framing: Framing

    /// A decoder of messages called `message`.
    ///
    /// - Throws: when there is no such message, or a field cannot be read from it as declared.
    public init(
        fields: [RecordField], message name: String, of descriptor: ProtobufSchema,
        framing: Framing = .none
    ) throws(ProtobufMismatch) {
        guard let message = descriptor.messages[name] else {
            let known = descriptor.messageNames.prefix(20).joined(separator: ", ")
            throw ProtobufMismatch(
                "the descriptor file has no message \"\(name)\"; it has \(known)")
        }
        schema = Schema(fields)
        self.message = message
        self.framing = framing
        reader = ProtobufMessageReader(message)
        metadata = MetadataReader(fields)
        for (column, field) in fields.enumerated() where field.from == .value {
            try reader.add(
                path: field.path, type: field.type, unit: field.unit, column: column,
                isRequired: field.isRequired, in: descriptor)
        }
    }

    /// Appends a row for each record that is such a message.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            let input = ProtobufInput(text: text)
            for index in 0..<records.count {
                let count = rows.count
                do throws(ValueProblem) {
                    guard records.values.isValid(index) else {
                        throw ValueProblem("the record has no value (a tombstone)")
                    }
                    let view = try self.unframed(records.values.views[index], input)
                    self.reader.begin()
                    try self.reader.scan(view, input)
                    try self.reader.append(input, to: rows.columns)
                    try self.metadata.append(records, index, to: rows.columns)
                    rows.records.append(Int64(index))
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
        }
    }

    /// The message behind what stands before it.
    private func unframed(_ view: UInt64, _ input: ProtobufInput) throws(ValueProblem) -> UInt64 {
        guard framing == .confluent else { return view }
        let start = ByteView.start(view)
        let length = ByteView.length(view)
        guard length > 5, input.base[start] == 0 else {
            throw ValueProblem("the record does not begin with a schema's number")
        }
        var wire = ProtobufWire(input.base, start: start + 5, length: length - 5)
        let count = ProtobufRecordDecoder.zigzag(try wire.varint())
        guard count >= 0, count <= 64 else {
            throw ValueProblem("the record does not say which message it is")
        }
        var path: [Int] = count == 0 ? [0] : []
        for _ in 0..<count { path.append(ProtobufRecordDecoder.zigzag(try wire.varint())) }
        guard path == message.path else {
            throw ValueProblem(
                "the record is message \(path) of its file, and \(message.name) is "
                    + "\(message.path)")
        }
        return ByteView.pack(start: wire.at, length: wire.end - wire.at)
    }

    private static func zigzag(_ raw: UInt64) -> Int {
        Int(Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1))
    }
}
