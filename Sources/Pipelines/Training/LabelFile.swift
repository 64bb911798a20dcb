import Connectors
import FeatureServe
import StreamRuntime

/// A file of labels: keys of entities, moments, and whatever else stands beside them.
struct LabelFile {
    /// Some of its rows.
    struct Batch {
        let columns: [Column]
        let count: Int
    }

    /// What is asked of a file of labels.
    struct Wish {
        var path: String
        /// The keys it must have, with their types.
        var keys: [Field]
        /// What lookups would have had to say besides.
        var inputs: [OnDemandView.Input] = []
        /// The column that says of what moment a label is.
        var time: String
        /// How numbers in that column are meant; `.iso` for text only.
        var unit = TimeUnit.iso
    }

    /// Its columns in the order of the file; keys and moments have the types they must have.
    let schema: Schema
    /// Where the moments are.
    let timeColumn: Int
    /// The number of labels.
    let count: Int

    private let wish: Wish
    private let dialect: CSVDialect?

    /// Finds out the columns of the file.
    ///
    /// - Throws: when it cannot be read, has no rows, or not the columns it must have.
    init(_ wish: Wish) throws(JobFailure) {
        self.wish = wish
        dialect = try LabelFile.dialect(wish.path)
        var found = UndeclaredColumns(csv: dialect)
        var count = 0
        try LabelFile.forEachBatch(wish.path, dialect) { records throws(JobFailure) in
            found.observe(records)
            count += records.count
        }
        self.count = count
        guard count > 0 else {
            throw JobFailure(
                .request, "there are no labels", at: wish.path,
                remedy: "give a file with a row for each label")
        }
        for name in [wish.time] + wish.keys.map(\.name) where !found.names.contains(name) {
            throw JobFailure(
                .request, "the labels have no column \"\(name)\"", at: wish.path,
                remedy: (name == wish.time
                    ? "name the column of moments with --time"
                    : "add the key, which the features are found by") + "; the columns are: "
                    + found.names.joined(separator: ", "))
        }
        for input in wish.inputs
        where input.defaultValue == nil && !found.names.contains(input.field.name) {
            throw JobFailure(
                .request,
                "the labels have no column \"\(input.field.name)\", which a lookup would have to say",
                at: wish.path, remedy: "add the column, which is \(input.field.type)")
        }
        let known = wish.keys + wish.inputs.map(\.field)
        let types = Dictionary(known.map { ($0.name, $0.type) }) { first, _ in first }
        schema = Schema(
            found.fields.map { field in
                if field.name == wish.time { return Field(field.name, .timestamp) }
                return Field(field.name, types[field.name] ?? field.type)
            })
        timeColumn = schema.index(of: wish.time)!
    }

    private static func dialect(_ path: String) throws(JobFailure) -> CSVDialect? {
        switch path.split(separator: ".").last?.lowercased() {
        case "csv": return CSVDialect()
        case "tsv": return CSVDialect(delimiter: "\t")
        case "jsonl", "ndjson", "json": return nil
        default:
            throw JobFailure(
                .request, "it is not said what format the labels have", at: path,
                remedy: "name the file with .csv, .tsv or .jsonl at the end")
        }
    }

    private static func forEachBatch(
        _ path: String, _ dialect: CSVDialect?,
        _ body: (RecordBatch) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let source = FileSource(path: path, layout: dialect.map { .csv($0) } ?? .lines)
        try ReplaySources.forEachBatch(of: source, body)
    }

    /// Hands every row to `body`, in the order of the file.
    ///
    /// - Throws: at the first row that is not as it must be, with its line and column.
    func forEachBatch(_ body: (Batch) throws(JobFailure) -> Void) throws(JobFailure) {
        let keys = Set(wish.keys.map(\.name))
        let fields = schema.fields.map { field in
            let isNeeded = field.name == wish.time || keys.contains(field.name)
            return RecordField(
                field.name, field.type, isRequired: isNeeded,
                unit: field.name == wish.time ? wish.unit : .automatic,
                takesAnyText: field.type == .string)
        }
        let decoder: any RecordDecoder =
            if let dialect {
                CSVRecordDecoder(fields: fields, dialect: dialect)
            } else {
                JSONRecordDecoder(fields: fields)
            }
        try LabelFile.forEachBatch(wish.path, dialect) { records throws(JobFailure) in
            let rows = DecodedRows(schema: schema, capacity: records.count)
            var rejects = RejectedRows()
            decoder.decode(records, into: rows, rejects: &rejects)
            if let reject = rejects.rejects.first {
                throw JobFailure(
                    .request, "a label cannot be read: \(reject.reason)",
                    at: "\(wish.path), line \(records.offsets.int64s[reject.row] + 1)"
                        + (reject.column.isEmpty ? "" : ", column \(reject.column)"),
                    remedy: reject.column == wish.time
                        ? "write moments as 2026-11-02T12:00:00Z, or say with --time-unit what a "
                            + "number counts" : "correct the line")
            }
            try body(Batch(columns: rows.columns, count: rows.count))
        }
    }
}
