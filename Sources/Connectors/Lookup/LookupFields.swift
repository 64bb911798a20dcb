import StreamRuntime

/// Brings what a service says into the declared fields.
public final class LookupFields: Sendable {
    /// The fields as they are in the service's documents.
    public let declared: [RecordField]
    private let schema: Schema

    /// These fields.
    public init(_ declared: [RecordField]) {
        self.declared = declared
        schema = Schema(declared)
    }

    /// The columns of an answer.
    public var fields: [Field] { schema.fields }

    /// A decoder of what `read` gives.
    public func decoder() -> any RecordDecoder {
        JSONRecordDecoder(fields: fields.map { RecordField($0.name, $0.type) })
    }

    /// The declared fields of each document, as a JSON object with one member each.
    public func read(_ documents: [[UInt8]]) -> [LookupReply] {
        // Where nothing is declared it is enough that there is a document.
        if declared.isEmpty { return documents.map { _ in .found(Array("{}".utf8)) } }
        let records = RecordBatch(partition: 0, capacity: documents.count)
        for (index, document) in documents.enumerated() {
            records.keys.appendNull()
            document.withUnsafeBufferPointer { records.values.append($0) }
            records.timestamps.append(Int64(0))
            records.offsets.append(Int64(index))
        }
        let rows = DecodedRows(schema: schema, capacity: documents.count)
        var rejects = RejectedRows()
        JSONRecordDecoder(fields: declared).decode(records, into: rows, rejects: &rejects)
        var replies = [LookupReply](repeating: .missing, count: documents.count)
        for reject in rejects.rejects {
            let column = reject.column.isEmpty ? "" : "\(reject.column): "
            replies[reject.row] = .refused("the answer cannot be read: \(column)\(reject.reason)")
        }
        if rows.count == 0 { return replies }
        var order = RowOrder(capacity: rows.count)
        for _ in 0..<rows.count { order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0) }
        order.elements = nil
        let batch = ColumnBatch(
            schema: schema, columns: rows.columns, order: order, count: rows.count)
        let texts = Column(.bytes, capacity: rows.count)
        JSONRecordEncoder(schema: schema).encode(batch, into: texts)
        for row in 0..<rows.count {
            replies[Int(rows.records.int64s[row])] = .found(Array(texts.bytes(row)))
        }
        return replies
    }
}
