import Codecs
import Foundation
import StreamRuntime
import Testing

@testable import Connectors

@Suite final class AvroFileTests {
    private let directory = NSTemporaryDirectory() + "millrace-ocf-\(UUID().uuidString)"
    private static let mark = [UInt8](repeating: 0xA5, count: 16)
    private static let schema =
        #"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},"#
        + #"{"name":"tags","type":{"type":"array","items":"string"}},"#
        + #"{"name":"note","type":["null","string"],"default":null}]}"#

    init() throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private static func long(_ value: Int64) -> [UInt8] {
        var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private static func text(_ text: String) -> [UInt8] {
        long(Int64(text.utf8.count)) + Array(text.utf8)
    }

    private static func record(_ id: Int64) -> [UInt8] {
        long(id) + (id % 3 == 0 ? [0] : long(2) + text("a") + text("b\(id)") + [0])
            + (id % 2 == 0 ? [0] : [2] + text("n\(id)"))
    }

    private static func row(_ id: Int64) -> String {
        "\(id) | \(id % 3 == 0 ? "[]" : "[a, b\(id)]") | \(id % 2 == 0 ? "null" : "n\(id)")"
    }

    /// A file of blocks of the records of these numbers.
    private static func file(
        _ blocks: [Range<Int64>], codec: String? = nil, schema: String = AvroFileTests.schema
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x4F, 0x62, 0x6A, 0x01]
        bytes += long(codec == nil ? 1 : 2) + text("avro.schema") + text(schema)
        if let codec { bytes += text("avro.codec") + text(codec) }
        bytes += [0] + mark
        for block in blocks {
            var body = block.flatMap(record)
            if codec == "deflate" {
                let deflater = Deflater()
                var packed: [UInt8] = []
                body.withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
                deflater.finish(into: &packed)
                // Without gzip's head and tail it is deflate alone.
                body = Array(packed[10..<(packed.count - 8)])
            }
            bytes += long(Int64(block.count)) + long(Int64(body.count)) + body + mark
        }
        return bytes
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = directory + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private static let fields = [
        RecordField("id", .int64), RecordField("tags", .list(.string)),
        RecordField("note", .string),
    ]

    /// The rows and offsets from `offset` on, read in small steps.
    private func read(
        _ path: String, from offset: Int64 = 0, maxRecords: Int = 3
    ) throws -> (rows: [String], offsets: [Int64]) {
        let reader = try FileSource(path: path, layout: .avro).reader(partition: 0)
        if offset > 0 { try reader.seek(to: offset) }
        let decoder = AvroRecordDecoder(fields: AvroFileTests.fields, framing: .file)
        var rows: [String] = []
        var offsets: [Int64] = []
        while case .records(let batch) = try reader.read(
            maxRecords: maxRecords, maxBytes: 1 << 20)
        {
            for row in 0..<batch.count { offsets.append(batch.offsets.int64s[row]) }
            rows += decode(decoder, batch).rows
        }
        return (rows, offsets)
    }

    @Test(arguments: [nil, "null", "deflate"] as [String?])
    func `records are read block by block and from any place`(codec: String?) throws {
        let blocks: [Range<Int64>] = [0..<7, 7..<7, 7..<8, 8..<30]
        let path = try write("a.avro", AvroFileTests.file(blocks, codec: codec))
        let all = try read(path)
        #expect(all.rows == (0..<30).map(AvroFileTests.row))
        #expect(all.offsets == (0..<30).map { $0 })
        for offset in [1, 6, 7, 8, 29, 30] as [Int64] {
            #expect(try read(path, from: offset).rows == (offset..<30).map(AvroFileTests.row))
        }
        let beyond = #expect(throws: JobFailure.self) { try self.read(path, from: 31) }
        #expect(beyond?.problem.hasPrefix("the file ends at record 30") == true)
    }

    @Test func `each file is read by its own schema`() throws {
        let first = try write("1.avro", AvroFileTests.file([0..<2]))
        let decoder = AvroRecordDecoder(fields: AvroFileTests.fields, framing: .file)
        let other = #"{"type":"record","name":"R","fields":[{"name":"id","type":"int"}]}"#
        var bytes = AvroFileTests.file([], schema: other)
        bytes += AvroFileTests.long(1) + AvroFileTests.long(1) + [14] + AvroFileTests.mark
        _ = try write("2.avro", bytes)
        _ = first
        let source = FileSource(path: directory, layout: .avro)
        var rows: [String] = []
        for partition in try source.partitions() + [0] {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 9, maxBytes: 1 << 20) {
                rows += decode(decoder, batch).rows
            }
        }
        let two = (0..<2).map(AvroFileTests.row)
        #expect(rows == two + ["7 | null | null"] + two)
    }

    @Test func `a file that is damaged, packed otherwise or no Avro is named with the place`()
        throws
    {
        let whole = AvroFileTests.file([0..<5, 5..<9])
        var marked = whole
        marked[whole.count - 1] ^= 1
        let cases: [([UInt8], Int, String)] = [
            (Array(whole.dropLast(3)), 5, "the file ends in the middle of a block"),
            (marked, 5, "a block does not end with the file's mark"),
            (Array("id,tags\n".utf8), 0, "the file is no Avro object container file"),
            (AvroFileTests.file([0..<5], codec: "snappy"), 0, "the file is packed with snappy"),
            (AvroFileTests.file([0..<5], schema: "{"), 0, "its schema is none"),
        ]
        for (index, (bytes, rows, problem)) in cases.enumerated() {
            let path = try write("\(index).avro", bytes)
            let reader = try FileSource(path: path, layout: .avro).reader(partition: 0)
            var count = 0
            let failure = #expect(throws: JobFailure.self) {
                while case .records(let batch) = try reader.read(
                    maxRecords: 100, maxBytes: 1 << 20)
                {
                    count += batch.count
                }
            }
            #expect(failure?.problem.contains(problem) == true, "\(failure as Any)")
            #expect(failure?.place == path)
            #expect(count == rows)
        }
    }
}
