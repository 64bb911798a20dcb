import Glibc
import StreamRuntime
import Testing

@testable import StreamRuntime

/// A log in a directory of its own that goes away with it.
final class ScratchLog {
    let log: EmbeddedLog

    init() {
        var template = Array("/tmp/millrace-log-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }
        log = EmbeddedLog(root: String(cString: made!))
    }

    deinit { try? LogDirectory.removeTree(log.root) }

    /// A writer of a new topic that is not synced to disk.
    func topic(
        _ name: String, _ settings: TopicSettings = TopicSettings(partitions: 1),
        write: FileWrite = .system
    ) throws -> TopicWriter {
        try log.createTopic(name, settings)
        return try log.writer(name, syncing: false, write: write)
    }

    func segment(_ topic: String, _ partition: Int = 0, base: Int64 = 0) -> String {
        "\(log.root)/\(topic)/\(partition)/\(PartitionFiles.digits(base)).log"
    }

    func index(_ topic: String, _ partition: Int = 0, base: Int64 = 0) -> String {
        "\(log.root)/\(topic)/\(partition)/\(PartitionFiles.digits(base)).index"
    }
}

/// One record as a test writes and reads it.
struct TestRecord: Equatable {
    var key: String?
    var value: String?
    var timestamp: Int64 = 0
    var headers: [RecordHeaders.Header] = []
}

extension TopicWriter {
    func send(_ records: [TestRecord], partition: Int = 0) throws {
        for record in records {
            let headers = RecordHeaders.encode(record.headers)
            try withBytes(record.key) { key in
                try withBytes(record.value) { value in
                    try headers.withUnsafeBufferPointer { headers in
                        try append(
                            partition: partition, key: key, value: value,
                            timestamp: record.timestamp, headers: headers)
                    }
                }
            }
        }
    }

    func send(_ values: String..., partition: Int = 0) throws {
        try send(values.map { TestRecord(key: nil, value: $0) }, partition: partition)
    }
}

private func withBytes(
    _ text: String?, _ body: (UnsafeBufferPointer<UInt8>?) throws -> Void
) rethrows {
    guard var text else { return try body(nil) }
    try text.withUTF8 { try body($0) }
}

extension EmbeddedLog {
    /// Everything readable in a partition from `offset` on, in reads of at most `maxRecords`.
    func records(
        _ topic: String, _ partition: Int = 0, from offset: Int64? = nil, maxRecords: Int = 4096,
        maxBytes: Int = 1 << 20
    ) throws -> [TestRecord] {
        let reader = try source(topic, bounded: true).reader(partition: Int32(partition))
        if let offset { try reader.seek(to: offset) }
        var result: [TestRecord] = []
        while case .records(let batch) = try reader.read(maxRecords: maxRecords, maxBytes: maxBytes)
        {
            #expect(batch.count > 0)
            #expect(batch.count <= maxRecords)
            for row in 0..<batch.count { result.append(batch.record(row)) }
            #expect(batch.offsets.int64s[batch.count - 1] + 1 == reader.position)
        }
        return result
    }

    func values(_ topic: String, _ partition: Int = 0, from offset: Int64? = nil) throws
        -> [String?]
    {
        try records(topic, partition, from: offset).map(\.value)
    }
}

extension RecordBatch {
    func record(_ row: Int) -> TestRecord {
        TestRecord(
            key: keys.isValid(row) ? keys.string(row) : nil,
            value: values.isValid(row) ? values.string(row) : nil,
            timestamp: timestamps.int64s[row],
            headers: headers.flatMap { RecordHeaders.decode($0.bytes(row)) } ?? [])
    }
}

/// What is wrong, if `body` fails as a job does.
func failure(_ body: () throws -> Void) -> JobFailure? {
    do {
        try body()
        return nil
    } catch {
        return error as? JobFailure
    }
}

/// A file's bytes, and the same file with other ones.
func contents(_ path: String) throws -> [UInt8] { try LogDirectory.bytes(path) ?? [] }

func overwrite(_ path: String, _ bytes: [UInt8]) throws {
    let file = try LogFile(path, O_WRONLY | O_CREAT | O_TRUNC)
    try FileWrite.system.all(bytes, to: file)
}

/// A small generator with a printed seed (SplitMix64).
struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(_ below: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) >> 1) % below
    }
}
