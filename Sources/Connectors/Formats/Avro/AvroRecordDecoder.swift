import StreamRuntime

/// Where the schema that a record was written with is found.
public enum AvroFraming: Sendable {
    /// It is the same for all records, whose values are nothing but Avro.
    case plain(AvroSchema)
    /// It has the number that stands before the value: a zero byte, then four bytes, high ones first.
    ///
    /// - Source: Confluent's "Wire format".
    case registry(SchemaRegistry)
    /// The file the records come from brings it.
    case file
}

/// Decodes Avro records into the declared columns.
///
/// A field's path leads through records, and through unions of them with null. What the writer's schema
/// does not have is null. Unions, enums, fixed, decimals, dates, timestamps, UUIDs, arrays (lists), nested records
/// (structs) and maps (lists of structs of `key` and `value`) are read; a value that does not fit its field's type
/// rejects its record.
///
/// - Shape: one row a record; texts are views into the arena of the records' values.
/// - Source: the specification of Apache Avro 1.12.
public final class AvroRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let programs: AvroPrograms
    private let metadata: MetadataReader

    /// A decoder of these fields.
    public init(fields: [RecordField], framing: AvroFraming) {
        schema = Schema(fields)
        let inside = fields.indices.filter { fields[$0].from == .value }
        programs = AvroPrograms(framing) { written in
            [AvroProgram(written, fields: inside.map { fields[$0] }, columns: inside)]
        }
        metadata = MetadataReader(fields)
    }

    /// Appends a row for each record that its schema fits.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { target, text in
            let readers = AvroReaders(
                self.programs, into: target.columns, text: text,
                schema: self.programs.fileSchema(of: records))
            for index in 0..<records.count {
                let count = target.count
                do throws(ValueProblem) {
                    guard records.values.isValid(index) else {
                        throw ValueProblem("the record has no value (a tombstone)")
                    }
                    let value = try readers.find(records.values.views[index])
                    guard let value else {
                        rows.failure = readers.failure
                        return
                    }
                    let end = try value.readers[0].append(
                        start: value.start, length: value.length, row: count)
                    guard end == value.start + value.length else {
                        throw ValueProblem(
                            "the record goes on for \(value.start + value.length - end) bytes "
                                + "after its end")
                    }
                    try self.metadata.append(records, index, to: target.columns)
                    target.records.append(Int64(index))
                } catch {
                    for column in target.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
        }
    }
}

/// The programs of every schema met so far.
final class AvroPrograms {
    /// What a schema's number led to.
    enum Found {
        case programs([AvroProgram])
        case unusable(String)
    }

    let framing: AvroFraming
    private let make: (AvroSchema) throws(ValueProblem) -> [AvroProgram]
    private var made: [Int32: Found] = [:]
    /// The schemas of files, by their text; the numbers are ours.
    private var files: [[UInt8]: Int32] = [:]

    init(
        _ framing: AvroFraming, make: @escaping (AvroSchema) throws(ValueProblem) -> [AvroProgram]
    ) {
        self.framing = framing
        self.make = make
        if case .plain(let schema) = framing { made[0] = programs(of: schema) }
    }

    private func programs(of schema: AvroSchema) -> Found {
        do throws(ValueProblem) { return .programs(try make(schema)) } catch {
            return .unusable(error.reason)
        }
    }

    /// Our number of the schema that the file of `records` has; 0 where records have other ways to it.
    func fileSchema(of records: RecordBatch) -> Int32 {
        guard case .file = framing else { return 0 }
        var text: [UInt8] = []
        if let headers = records.headers, headers.count > 0, headers.isValid(0),
            let found = RecordHeaders.decode(headers.bytes(0))?.first(where: {
                $0.name == AvroFileReader.schemaName
            })
        {
            text = found.value ?? []
        }
        if let known = files[text] { return known }
        let number = Int32(files.count)
        files[text] = number
        do throws(AvroSchema.Problem) {
            made[number] = programs(
                of: try AvroSchema(json: String(decoding: text, as: UTF8.self)))
        } catch {
            made[number] = .unusable(
                text.isEmpty ? "the record does not come from an Avro file" : error.reason)
        }
        return number
    }

    /// The programs of schema `id`; asks the registry for one it has not met.
    ///
    /// - Throws: when the registry does not answer.
    func find(_ id: Int32) throws(JobFailure) -> Found {
        if let found = made[id] { return found }
        guard case .registry(let registry) = framing else { preconditionFailure("one schema") }
        switch try registry.schema(id) {
        case .success(let schema):
            let found = programs(of: schema)
            made[id] = found
            return found
        case .failure(let problem):
            // Not kept here: the registry's client says how long that is true.
            return .unusable(problem.reason)
        }
    }
}

/// The readers of one batch.
final class AvroReaders {
    /// The value of a record and what reads it.
    struct Value {
        let readers: [AvroReader]
        let start: Int
        let length: Int
    }

    /// Why the registry could not be asked.
    private(set) var failure: JobFailure?
    private let programs: AvroPrograms
    private let columns: [Column]
    private let text: RecordText
    private let isFramed: Bool
    /// The number of the schema of all records of the batch, where they do not name theirs.
    private let schema: Int32
    /// The columns of each program of a schema; nil for the batch's.
    private let places: (([Column]) -> (rows: [Column], parts: [Column]))?
    private var made: [Int32: [AvroReader]] = [:]
    private var last: (id: Int32, readers: [AvroReader])?

    /// - Parameter places: gives the first program columns of its own.
    init(
        _ programs: AvroPrograms, into columns: [Column], text: RecordText, schema: Int32 = 0,
        places: (([Column]) -> (rows: [Column], parts: [Column]))? = nil
    ) {
        self.places = places
        self.schema = schema
        self.programs = programs
        self.columns = columns
        self.text = text
        isFramed = if case .registry = programs.framing { true } else { false }
    }

    /// Takes a value's framing off.
    ///
    /// - Returns: nil when the registry does not answer.
    func find(_ view: UInt64) throws(ValueProblem) -> Value? {
        var start = ByteView.start(view)
        var length = ByteView.length(view)
        var id = schema
        if isFramed {
            let base = text.arena.base + start
            guard length >= 5, base[0] == 0 else {
                throw ValueProblem(
                    "the record does not begin with the number of its schema (a zero byte and "
                        + "four more)")
            }
            id = Int32(
                bigEndian: UnsafeRawPointer(base + 1).loadUnaligned(as: Int32.self))
            start += 5
            length -= 5
        }
        if let last, last.id == id {
            return Value(readers: last.readers, start: start, length: length)
        }
        guard let readers = try readers(id) else { return nil }
        last = (id, readers)
        return Value(readers: readers, start: start, length: length)
    }

    private func readers(_ id: Int32) throws(ValueProblem) -> [AvroReader]? {
        if let there = made[id] { return there }
        let found: AvroPrograms.Found
        do throws(JobFailure) { found = try programs.find(id) } catch {
            failure = error
            return nil
        }
        switch found {
        case .unusable(let reason): throw ValueProblem(reason)
        case .programs(let programs):
            let parts = places?(columns).parts
            let readers = programs.enumerated().map { index, program in
                AvroReader(program, into: index == 0 ? parts ?? columns : columns, text: text)
            }
            made[id] = readers
            return readers
        }
    }
}
