/// Turns rows into the bytes a topic or a file keeps: the counterpart of `RecordDecoder`.
public protocol RecordEncoder: AnyObject {
    /// Appends one record value for each row of `batch`, in order.
    ///
    /// - Shape: `values` is a bytes column that may already hold rows; it grows by `batch.count`. A row
    ///   with no value (a tombstone) is appended as null.
    func encode(_ batch: ColumnBatch, into values: Column)

    /// Why a row of the last batch could not be written; nil when all were.
    var failure: JobFailure? { get }
}

extension RecordEncoder {
    /// Most formats can hold every row.
    public var failure: JobFailure? { nil }
}
