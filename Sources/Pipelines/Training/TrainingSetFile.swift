import Connectors
import Glibc
import StreamRuntime

/// The file a training set is written to; it has its name only once it is whole.
final class TrainingSetFile {
    private enum Format {
        case csv, jsonLines
        case avro(AvroFileFrame)
    }

    private let path: String
    private let staged: String
    private let format: Format
    private let schema: Schema
    private let encoder: any RecordEncoder
    private let values = Column(.bytes, capacity: 4096)
    private var buffer: [UInt8] = []
    private var descriptor: Int32

    private static let flushBytes = 1 << 20

    /// A file of rows of `schema`, in the format that the end of its name says.
    ///
    /// - Throws: when the name does not say one, or the file cannot be made.
    init(_ path: String, schema: Schema) throws(JobFailure) {
        self.path = path
        self.schema = schema
        staged = path + ".part"
        switch path.split(separator: ".").last?.lowercased() {
        case "csv":
            let csv = CSVRecordEncoder(schema: schema)
            (format, encoder) = (.csv, csv)
            buffer = csv.header + [0x0A]
        case "jsonl", "ndjson", "json":
            (format, encoder) = (.jsonLines, JSONRecordEncoder(schema: schema))
        case "avro":
            let frame = AvroFileFrame(schema: schema, name: "training_set")
            (format, encoder) = (.avro(frame), AvroRecordEncoder(schemaId: nil))
            buffer = frame.head
        default:
            throw JobFailure(
                .request, "it is not said what format the set is to have", at: path,
                remedy: "name the file with .csv, .jsonl or .avro at the end")
        }
        descriptor = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("create") }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(staged)
    }

    /// Appends the rows of `columns`.
    func write(_ columns: [Column], count: Int) throws(JobFailure) {
        guard count > 0 else { return }
        let order = RowOrder(capacity: count)
        for row in 0..<count {
            order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
        }
        let batch = ColumnBatch(schema: schema, columns: columns, order: order, count: count)
        values.removeAll()
        encoder.encode(batch, into: values)
        if case .avro(let frame) = format {
            var bytes = 0
            for row in 0..<count { bytes += ByteView.length(values.views[row]) }
            buffer += frame.blockHead(count: count, bytes: bytes)
            for row in 0..<count { buffer.append(contentsOf: values.bytes(row)) }
            buffer += frame.blockEnd
        } else {
            for row in 0..<count {
                buffer.append(contentsOf: values.bytes(row))
                buffer.append(0x0A)
            }
        }
        if buffer.count >= TrainingSetFile.flushBytes { try flush() }
    }

    private func flush() throws(JobFailure) {
        var rest = buffer[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                throw failure("write")
            }
            rest = rest.dropFirst(written)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Makes the file whole and gives it its name.
    func finish() throws(JobFailure) {
        try flush()
        guard fsync(descriptor) == 0 else { throw failure("sync") }
        close(descriptor)
        descriptor = -1
        guard rename(staged, path) == 0 else { throw failure("rename") }
    }

    private func failure(_ verb: String) -> JobFailure {
        JobFailure(
            .environment, "cannot \(verb) the file: \(String(cString: strerror(errno)))", at: path,
            remedy: "check the directory, its rights and its disk")
    }
}
