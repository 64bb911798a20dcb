import StreamRuntime

/// Decodes XML documents into the columns of the declared fields, a row for each element of one kind.
///
/// The record's element is named from the root on; without one the root is it. Fields are found by paths
/// from that element, out to the elements around it with `../`, or from the root on, where they take the
/// way that leads to this very record as far as both agree (`XMLPath`). Names are local ones unless a
/// namespace is given. A document that is not well formed, or that declares a document type, gives no
/// row at all and one reason; a value that cannot be read takes only its own rows away.
///
/// - Shape: rows in the order in which their elements end. An element that comes several times is its
///   first one, or a list of all. In a struct a member is the child of its name, else the attribute, and
///   `_` the element's own text. Empty elements and `xsi:nil` are null.
public final class XMLRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let reader: XMLReader
    private let metadata: MetadataReader

    /// A decoder of these fields; `record` is the path of the element that makes a row.
    ///
    /// - Throws: what is wrong with a path, with the field it is of, empty for the record's.
    public init(fields: [RecordField], record: String? = nil) throws(FormatProblem) {
        schema = Schema(fields)
        reader = try XMLReader(fields, record: record)
        metadata = MetadataReader(fields)
    }

    /// Appends the rows of each record that is a well-formed document.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            let columns = rows.columns
            for index in 0..<records.count {
                let first = rows.count
                do throws(ValueProblem) {
                    guard records.values.isValid(index) else {
                        throw ValueProblem("the record has no value (a tombstone)")
                    }
                    let (made, problems) = try self.reader.read(
                        records.values.bytes(index), text, into: columns, first: first)
                    for _ in 0..<made { try self.metadata.append(records, index, to: columns) }
                    for _ in 0..<made { rows.records.append(Int64(index)) }
                    if made == 0, problems.isEmpty { rows.skipped += 1 }
                    if let problem = problems.combined { rejects.append(row: index, problem) }
                } catch {
                    for column in columns { column.cut(to: first) }
                    rejects.append(row: index, error)
                }
            }
        }
    }
}
