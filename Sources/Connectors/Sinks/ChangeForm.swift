import StreamRuntime

/// How rows that are changed and deleted later are written.
public enum ChangeForm: String, CaseIterable, Sendable {
    /// A record a key: the row as it is now, and none (a tombstone) for a row that went.
    case upsert
    /// A record a change with the row `before` and `after` it, `op` and `ts_ms`, as Debezium writes them.
    case debezium
    /// Every change as a row of its own with what it is in a column `op`: +I, +U, -U or -D.
    case changelog

    /// The column that says what a row of a changelog is.
    public static let column = "op"
}

/// The rows that are written for the changes of a table.
public struct ChangeShape: Equatable, Sendable {
    /// Their columns; those of the record come first.
    public let schema: Schema
    /// How many of the columns are in the record.
    public let recordColumns: Int
    /// Where the columns are that were asked for.
    public let columns: [Int]

    /// The shape in which `form` brings rows of `schema`, of which the columns at `columns` stay at hand:
    /// those of a key, or of a path.
    public init(_ form: ChangeForm, of schema: Schema, columns: [Int]) {
        switch form {
        case .upsert:
            self.schema = schema
            recordColumns = schema.count
            self.columns = columns
        case .changelog:
            self.schema = Schema([Field(ChangeForm.column, .string)] + schema.fields)
            recordColumns = schema.count + 1
            self.columns = columns.map { $0 + 1 }
        case .debezium:
            let row = ColumnType.structure(schema.fields)
            let envelope = [
                Field("before", row), Field("after", row), Field("op", .string),
                Field("ts_ms", .int64),
            ]
            self.schema = Schema(envelope + columns.map { schema.fields[$0] })
            recordColumns = envelope.count
            self.columns = Array(envelope.count..<(envelope.count + columns.count))
        }
    }
}
