import Connectors
import FeatureServe
import StreamRuntime

/// Pushes rows of a test into a view, as a client does.
struct TestPush {
    let view: PlannedFeatureView
    let keys: [Field]

    /// Upserts `rows` as of `at`; features that a row does not name become null.
    func write(
        _ rows: [SpecNode], to store: OnlineStore, at: Int64, day: Int64
    ) throws(JobFailure) {
        let schema = Schema(keys + view.features)
        let decoder = JSONRecordDecoder(
            fields: schema.fields.map { RecordField($0.name, $0.type) })
        let batch = RecordBatch(partition: 0, capacity: rows.count)
        let order = RowOrder(capacity: rows.count)
        for (index, row) in rows.enumerated() {
            let members = row.entries.compactMap { entry -> (String, JSONTree)? in
                guard let field = schema.fields.first(where: { $0.name == entry.key }) else {
                    return nil
                }
                return (try? TestValue.json(entry.value, field.type, day: day)).map {
                    (entry.key, $0)
                }
            }
            batch.keys.appendNull()
            batch.values.append(JSONTree.object(members).text)
            batch.timestamps.append(at)
            batch.offsets.append(Int64(index))
            order.append(eventTime: at, watermark: .min, origin: 0, offset: Int64(index))
        }
        let decoded = DecodedRows(schema: schema, capacity: rows.count)
        var rejects = RejectedRows()
        decoder.decode(batch, into: decoded, rejects: &rejects)
        if let reject = rejects.rejects.first {
            throw JobFailure(
                .request, "\(reject.column): \(reject.reason)", at: "push to \(view.name)",
                remedy: "correct the row")
        }
        let writer = try FeatureWriter(store: store, view: view.name, schema: schema)
        _ = try writer.write(
            ColumnBatch(
                schema: schema, columns: decoded.columns, order: order, count: decoded.count))
        try store.sync()
    }
}
