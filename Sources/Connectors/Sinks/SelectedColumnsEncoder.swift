import StreamRuntime

/// Writes some columns of each row: the others are there for a key or a path.
public final class SelectedColumnsEncoder: RecordEncoder {
    private let encoder: any RecordEncoder
    private let columns: [Int]
    private let schema: Schema

    /// Has `encoder`, which is one of the chosen columns, write the columns at `columns` of rows of `schema`.
    public init(_ encoder: any RecordEncoder, columns: [Int], of schema: Schema) {
        self.encoder = encoder
        self.columns = columns
        self.schema = Schema(columns.map { schema.fields[$0] })
    }

    /// Appends one record a row, as the encoder behind does.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let chosen = batch.replacingColumns(columns.map { batch.columns[$0] }, schema: schema)
        encoder.encode(chosen, into: values)
    }

    /// Why a row of the last batch could not be written.
    public var failure: JobFailure? { encoder.failure }
}
