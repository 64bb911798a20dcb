import StreamRuntime

/// Turns what a client writes into rows of a view.
///
/// - Shape: a view's rows have the join keys, then all its features, in declared order; the rest of the client's
///   columns (`created`, say) is left out. `event_timestamp` is the time the values are about.
struct WrittenRows {
    static let timeColumn = "event_timestamp"

    let view: FeatureView
    let keys: [Field]
    let schema: Schema

    init(view: FeatureView, entity: Entity) {
        self.view = view
        keys = entity.keys
        schema = Schema(entity.keys + view.features)
    }

    /// The rows of `request`; nil when there are none to write.
    ///
    /// - Throws: naming the columns that are missing, or the value that is not of its column's type, with its row.
    func batch(
        _ request: WriteRequest, _ scanner: JSONScanner, style: Compatibility
    ) throws(LookupProblem) -> ColumnBatch? {
        guard let first = request.columns.first, first.count > 0 else { return nil }
        let rows = first.count
        for column in request.columns where column.count != rows {
            throw .invalid(
                "All columns of \"df\" must be of the same length: \(first.name) has \(rows), "
                    + "\(column.name) \(column.count)")
        }
        if style.dropsNullRows, isNull(request) { return nil }
        let missing = (schema.fields.map(\.name) + [WrittenRows.timeColumn]).filter {
            request.column($0) == nil
        }
        guard missing.isEmpty else { throw .missingColumns(missing, view: view) }
        let batch = ColumnBatch(schema: schema, capacity: rows)
        for (index, field) in schema.fields.enumerated() {
            let data = request.column(field.name)!
            for row in 0..<rows {
                let token = request.values[data.first + row]
                if index < keys.count {
                    try JoinKeyReader.append(
                        token, of: scanner, key: field, to: batch.columns[index])
                } else if !FeatureValueReader.append(
                    token, of: scanner, type: field.type, to: batch.columns[index])
                {
                    throw refused(token, scanner, field, row)
                }
            }
        }
        let times = request.column(WrittenRows.timeColumn)!
        for row in 0..<rows {
            let token = request.values[times.first + row]
            guard token.kind == .string, let micros = TimestampText.micros(scanner.bytes(token))
            else {
                throw refused(token, scanner, Field(WrittenRows.timeColumn, .timestamp), row)
            }
            batch.order.append(
                eventTime: micros, watermark: .min, origin: RowOrder.derived, offset: Int64(row))
        }
        batch.count = rows
        return batch
    }

    private func refused(
        _ token: JSONToken, _ scanner: JSONScanner, _ field: Field, _ row: Int
    ) -> LookupProblem {
        let shown = token.kind == .composite ? "a list or an object" : scanner.text(token)
        let form = field.name == WrittenRows.timeColumn ? " (ISO 8601; UTC without a zone)" : ""
        return .invalid(
            "\(shown.prefix(80)) in row \(row) of \"df\" is not a value of \(field.name), which is "
                + "\(field.type)\(form)")
    }

    /// Whether every feature of every row is null.
    private func isNull(_ request: WriteRequest) -> Bool {
        for feature in view.features {
            guard let data = request.column(feature.name) else { continue }
            for at in data.first..<(data.first + data.count)
            where request.values[at].kind != .null {
                return false
            }
        }
        return true
    }
}
