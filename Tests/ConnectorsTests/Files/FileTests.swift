import Codecs
import Foundation
import Glibc
import StreamRuntime
import Testing

@testable import Connectors

/// A directory that goes away with the test.
private final class Scratch {
    let path: String

    init() {
        var template = Array("/tmp/millrace-files-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template)!)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func put(_ name: String, _ bytes: [UInt8]) -> String {
        let file = fopen(path + "/" + name, "w")!
        bytes.withUnsafeBufferPointer { _ = fwrite($0.baseAddress, 1, $0.count, file) }
        fclose(file)
        return path + "/" + name
    }

    func put(_ name: String, _ text: String) -> String { put(name, Array(text.utf8)) }

    func text(_ name: String) -> String? {
        guard let file = fopen(path + "/" + name, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[0..<count], as: UTF8.self)
    }

    var names: [String] { (try? Directory.names(path)) ?? [] }
}

/// Every record of every file, with its place, and how reading ended.
private func readAll(
    _ source: FileSource, batch: Int = 3
) throws -> (records: [String], failure: JobFailure?) {
    var read: [String] = []
    for partition in try source.partitions() {
        let reader = try source.reader(partition: partition)
        do throws(JobFailure) {
            loop: while true {
                switch try reader.read(maxRecords: batch, maxBytes: 1 << 20) {
                case .records(let records):
                    for row in 0..<records.count {
                        read.append(
                            "\(partition)/\(records.offsets.int64s[row]) \(records.values.string(row))"
                        )
                    }
                default: break loop
                }
            }
        } catch {
            return (read, error)
        }
    }
    return (read, nil)
}

private func gzip(_ text: String) -> [UInt8] {
    let deflater = Deflater()
    var packed: [UInt8] = []
    Array(text.utf8).withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
    deflater.finish(into: &packed)
    return packed
}

private func rows(_ numbers: Range<Int64>) -> ColumnBatch {
    let batch = ColumnBatch(schema: Schema([Field("n", .int64)]), capacity: 8)
    for number in numbers {
        batch.columns[0].append(number)
        batch.order.append(eventTime: 0, watermark: 0, origin: 0, offset: number)
    }
    batch.count = numbers.count
    return batch
}

@Suite struct FileSourceTests {
    @Test(arguments: [1, 2, 4096])
    func `lines are records at their line numbers, blank ones are none`(batch: Int) throws {
        let scratch = Scratch()
        let path = scratch.put("a.jsonl", "\u{FEFF}{\"v\":1}\n\n{\"v\":2}\r\n  \r\n{\"v\":3}")
        let read = try readAll(FileSource(path: path, layout: .lines), batch: batch)
        #expect(read.records == ["0/0 {\"v\":1}", "0/2 {\"v\":2}", "0/4 {\"v\":3}"])
        #expect(read.failure == nil)
    }

    @Test func `a directory's files are partitions in the order of their names`() throws {
        let scratch = Scratch()
        _ = scratch.put("b.jsonl", "b1\n")
        _ = scratch.put("a.jsonl", "a1\na2\n")
        _ = scratch.put(".hidden", "x\n")
        _ = scratch.put("c.txt", "c1\n")
        _ = scratch.put("d.jsonl", "")
        let all = try readAll(FileSource(path: scratch.path, layout: .lines))
        #expect(all.records == ["0/0 a1", "0/1 a2", "1/0 b1", "2/0 c1"])
        let some = try readAll(FileSource(path: scratch.path + "/*.jsonl", layout: .lines))
        #expect(some.records == ["0/0 a1", "0/1 a2", "1/0 b1"])
    }

    @Test func `what is not there is told with its path`() throws {
        let scratch = Scratch()
        for path in ["/nothing.jsonl", "", "/*.csv"] {
            let source = FileSource(path: scratch.path + path, layout: .lines)
            #expect(throws: JobFailure.self) { try source.partitions() }
        }
        let reader = FileReader(path: scratch.path + "/gone", partition: 0, layout: .lines)
        #expect(throws: JobFailure.self) { try reader.read(maxRecords: 1, maxBytes: 1) }
    }

    @Test func `reading goes on at any line, and a file that shrank is an error`() throws {
        let scratch = Scratch()
        let path = scratch.put("a.csv", "n,t\n1,\"x\ny\"\n\n2,z\n3,w")
        let layout = FileLayout.csv(CSVDialect())
        let whole = try readAll(FileSource(path: path, layout: layout), batch: 1).records
        #expect(whole == ["0/1 1,\"x\ny\"", "0/4 2,z", "0/5 3,w"])
        let reader = FileReader(path: path, partition: 0, layout: layout)
        var positions: [Int64] = []
        while case .records = try reader.read(maxRecords: 1, maxBytes: 1) {
            positions.append(reader.position)
        }
        #expect(positions == [3, 5, 6])
        for (index, position) in positions.enumerated() {
            let next = FileReader(path: path, partition: 0, layout: layout)
            try next.seek(to: position)
            if case .records(let records) = try next.read(maxRecords: 9, maxBytes: 1 << 20) {
                #expect(records.count >= 1)
                #expect(
                    records.values.string(0)
                        == whole[index + 1].split(separator: " ", maxSplits: 1)[1])
                #expect(records.headers != nil)
            } else {
                #expect(index == 2)
            }
        }
        try reader.seek(to: 3)
        #expect(reader.position == 3)
        #expect(throws: JobFailure.self) { try reader.seek(to: 7) }
    }

    @Test func `CSV files are matched by their own headers`() throws {
        let scratch = Scratch()
        _ = scratch.put("1.csv", "\u{FEFF}store,quantity\r\ns1,1\r\n\"s\r\n2\",2\r\n")
        _ = scratch.put("2.csv", "quantity,extra,store\n3,x,s3\n")
        _ = scratch.put("3.csv", "qty,store\n4,s4\n")
        let fields = [RecordField("store", .string), RecordField("quantity", .int64)]
        let decoder = CSVRecordDecoder(fields: fields)
        let source = FileSource(path: scratch.path, layout: .csv(CSVDialect()))
        var all = Decoded()
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let records) = try reader.read(maxRecords: 1, maxBytes: 1) {
                let decoded = decode(decoder, records)
                all.rows += decoded.rows
                all.rejects += decoded.rejects
            }
        }
        #expect(all.rows == ["s1 | 1", "s\r\n2 | 2", "s3 | 3"])
        #expect(
            all.rejects == [
                "0 quantity: the header has no column \"quantity\" (it names qty, store)"
            ])
    }

    @Test func `gzip is known by its first bytes, several members in one file too`() throws {
        let scratch = Scratch()
        let lines = (0..<5000).map { "line number \($0)" }
        let path = scratch.put(
            "a.log",
            gzip(lines[..<2500].map { $0 + "\n" }.joined())
                + gzip(lines[2500...].joined(separator: "\n")))
        let read = try readAll(FileSource(path: path, layout: .lines), batch: 1000)
        #expect(read.failure == nil)
        #expect(read.records == lines.enumerated().map { "0/\($0) \($1)" })
    }

    @Test
    func `a gzip file that was cut gives its whole lines, then the error with file and place`()
        throws
    {
        let scratch = Scratch()
        var random = Seeded(state: 1952)
        let lines = (0..<500).map { _ in String(random.next(), radix: 36) }
        let packed = gzip(lines.map { $0 + "\n" }.joined())
        for length in [3, packed.count / 2, packed.count - 9, packed.count - 1] {
            let path = scratch.put("cut.gz", Array(packed.prefix(length)))
            let read = try readAll(FileSource(path: path, layout: .lines))
            #expect(read.failure?.problem == "the gzip file ends early")
            #expect(read.failure?.place == "\(path), compressed byte \(length)")
            #expect(
                read.records
                    == lines.prefix(read.records.count).enumerated().map { "0/\($0) \($1)" })
            #expect(read.records.count < 500 || length > packed.count - 10)
        }
        var broken = packed
        broken[packed.count / 2] ^= 0xFF
        let read = try readAll(FileSource(path: scratch.put("bad.gz", broken), layout: .lines))
        #expect(read.failure?.problem == "the gzip file is corrupt")
    }

    @Test func `rows across the steps in which a file is read stay whole`() throws {
        let scratch = Scratch()
        let rows = (0..<9000).map { "\($0),\"" + String(repeating: "x\n", count: $0 % 120) + "\"" }
        let path = scratch.put("big.csv", "n,text\n" + rows.joined(separator: "\n"))
        let source = FileSource(path: path, layout: .csv(CSVDialect()))
        let reader = try source.reader(partition: 0)
        var read: [String] = []
        var lines: [Int64] = []
        while case .records(let records) = try reader.read(maxRecords: 700, maxBytes: 100_000) {
            for row in 0..<records.count {
                read.append(records.values.string(row))
                lines.append(records.offsets.int64s[row])
            }
        }
        var expected: [Int64] = [1]
        for row in 0..<8999 { expected.append(expected[row] + Int64(row % 120) + 1) }
        #expect(read == rows)
        #expect(lines == expected)
    }

    @Test func `a line of 64 MB is one record`() throws {
        let scratch = Scratch()
        let long = [UInt8](repeating: 0x61, count: 64 << 20)
        let path = scratch.put(
            "long.txt", Array("{\"v\":\"".utf8) + long + Array("\"}\n{\"v\":\"b\"}\n".utf8))
        let reader = FileReader(path: path, partition: 0, layout: .lines)
        let decoder = JSONRecordDecoder(fields: [RecordField("v", .string)])
        var lengths: [Int] = []
        while case .records(let records) = try reader.read(maxRecords: 100, maxBytes: 1) {
            let rows = DecodedRows(schema: decoder.schema, capacity: 1)
            var rejects = RejectedRows()
            decoder.decode(records, into: rows, rejects: &rejects)
            for row in 0..<rows.count { lengths.append(rows.columns[0].bytes(row).count) }
        }
        #expect(lengths == [64 << 20, 1])
    }
}

@Suite struct FileSinkTests {
    private let schema = Schema([Field("n", .int64)])

    @Test func `rows become visible with their checkpoint, a file each`() throws {
        let scratch = Scratch()
        let sink = FileSink(jsonLines: scratch.path, schema: schema)
        try sink.recover(token: nil)
        try sink.write(rows(1..<3))
        let first = try sink.prepare(checkpoint: 1)
        try sink.write(rows(3..<4))
        #expect(scratch.names.allSatisfy { $0.hasPrefix(".") })
        try sink.commit(checkpoint: 1, token: first)
        try sink.commit(checkpoint: 1, token: first)
        #expect(scratch.text("part-0000000001.jsonl") == "{\"n\":1}\n{\"n\":2}\n")
        let second = try sink.prepare(checkpoint: 2)
        try sink.commit(checkpoint: 2, token: second)
        let empty = try sink.prepare(checkpoint: 3)
        try sink.commit(checkpoint: 3, token: empty)
        #expect(scratch.names == ["part-0000000001.jsonl", "part-0000000002.jsonl"])
    }

    @Test func `wherever it is killed, each row is there once after recovery`() throws {
        // The run: rows 1 and 2 in checkpoint 1, rows 3 and 4 in checkpoint 2; it dies after `step`.
        for step in 0..<6 {
            let scratch = Scratch()
            var token: [UInt8]?
            do {
                let sink = FileSink(jsonLines: scratch.path, schema: schema)
                try sink.recover(token: nil)
                try sink.write(rows(1..<3))
                if step > 0 { token = try sink.prepare(checkpoint: 1) }
                if step > 1 { try sink.commit(checkpoint: 1, token: token!) }
                if step > 2 { try sink.write(rows(3..<5)) }
                if step > 3 { token = try sink.prepare(checkpoint: 2) }
                if step > 4 { try sink.commit(checkpoint: 2, token: token!) }
                sink.close()
            }
            let sink = FileSink(jsonLines: scratch.path, schema: schema)
            try sink.recover(token: token)
            try sink.recover(token: token)
            let done: Int64 = step == 0 ? 1 : step < 4 ? 3 : 5
            try sink.write(rows(done..<7))
            try sink.commit(checkpoint: 9, token: try sink.prepare(checkpoint: 9))
            let text = scratch.names.compactMap { scratch.text($0) }.joined()
            #expect(text == (1..<7).map { "{\"n\":\($0)}\n" }.joined(), "killed after step \(step)")
            #expect(!scratch.names.contains { $0.hasPrefix(".") })
        }
    }

    @Test func `an older checkpoint takes later parts back, a fresh start keeps what is there`()
        throws
    {
        let scratch = Scratch()
        let sink = FileSink(csv: scratch.path, schema: schema)
        try sink.recover(token: nil)
        var tokens: [[UInt8]] = []
        for part in 1..<4 as Range<Int64> {
            try sink.write(rows(part..<(part + 1)))
            tokens.append(try sink.prepare(checkpoint: part))
            try sink.commit(checkpoint: part, token: tokens.last!)
        }
        let older = FileSink(csv: scratch.path, schema: schema)
        try older.recover(token: tokens[0])
        #expect(scratch.names == ["part-0000000001.csv"])
        #expect(scratch.text("part-0000000001.csv") == "n\n1\n")
        let fresh = FileSink(csv: scratch.path, schema: schema)
        try fresh.recover(token: nil)
        try fresh.write(rows(8..<9))
        try fresh.commit(checkpoint: 1, token: try fresh.prepare(checkpoint: 1))
        #expect(scratch.names == ["part-0000000001.csv", "part-0000000002.csv"])
        unlink(scratch.path + "/part-0000000001.csv")
        #expect(throws: JobFailure.self) { try older.recover(token: tokens[0]) }
    }

    @Test func `deletions and the old side of updates are not written`() throws {
        let scratch = Scratch()
        let sink = FileSink(jsonLines: scratch.path, schema: schema)
        try sink.recover(token: nil)
        let batch = rows(0..<4)
        let changes = RowChange.inserts(4)
        for row in 0..<4 { changes.bools[row] = UInt8(row) }
        batch.changes = changes
        try sink.write(batch)
        try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
        #expect(scratch.text("part-0000000001.jsonl") == "{\"n\":0}\n{\"n\":1}\n")
    }

    @Test func `a place that cannot be written is told with its path`() throws {
        let scratch = Scratch()
        let path = scratch.put("file", "x")
        let sink = FileSink(jsonLines: path + "/inside", schema: schema)
        #expect(throws: JobFailure.self) { try sink.recover(token: nil) }
    }
}
