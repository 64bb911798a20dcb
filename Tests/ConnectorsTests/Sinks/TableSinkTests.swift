import Codecs
import StreamRuntime
import Testing

@testable import Connectors

@Suite struct TableSinkTests {
    private func table(_ scratch: SinkScratch, keys: [Int]) -> TableSink {
        TableSink(
            path: scratch.path + "/out/table.jsonl", log: scratch.path + "/state/table.log",
            keys: keys, encoder: JSONRecordEncoder(schema: TableRow.schema))
    }

    /// The hash of a row, by the bytes that FORMATS.md says.
    private func hash(_ key: String, _ value: Int64) -> UInt64 {
        var bytes: [UInt8] = [1]
        withUnsafeBytes(of: UInt32(key.utf8.count).littleEndian) { bytes += $0 }
        bytes += Array(key.utf8) + [1]
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
        return Hash.xxh64(bytes, bytes.count)
    }

    private func text(_ table: [String: Int64]) -> String {
        table.sorted { $0.key < $1.key }.map { "{\"key\":\"\($0)\",\"value\":\($1)}\n" }.joined()
    }

    /// Runs `life` with a checkpoint every seven batches, and dies after `deaths` of them each.
    private func run<Output: Sink>(
        _ rows: [TableRow], batch: Int, deaths: [Int], make: () -> Output
    ) throws -> Output {
        let batches = TableRow.batches(rows, of: batch)
        var token: [UInt8]?
        var begun = 0
        var deaths = deaths[...]
        while true {
            let sink = make()
            try sink.recover(token: token)
            var at = begun
            let death = deaths.popFirst() ?? .max
            while at < batches.count, at < death {
                try sink.write(batches[at])
                at += 1
                if at % 7 == 0 {
                    token = try sink.prepare(checkpoint: Int64(at))
                    begun = at
                    // A death may come between preparing and committing.
                    if at < death { try sink.commit(checkpoint: Int64(at), token: token!) }
                }
            }
            if at < batches.count {
                sink.close()
                continue
            }
            try sink.end()
            let last = try sink.prepare(checkpoint: 1_000_000)
            try sink.commit(checkpoint: 1_000_000, token: last)
            try sink.commit(checkpoint: 1_000_000, token: last)
            return sink
        }
    }

    @Test(arguments: [1, 3, 50], [[], [5, 14, 30], [7, 8, 20]] as [[Int]])
    func `the file has the rows that are left, whatever the batches and wherever it is killed`(
        batch: Int, deaths: [Int]
    ) throws {
        let seed: UInt64 = 11
        let life = TableRow.life(seed: seed, count: 200)
        for keys in [[], [0]] as [[Int]] {
            let scratch = SinkScratch()
            _ = try run(life.rows, batch: batch, deaths: deaths) { table(scratch, keys: keys) }
            #expect(
                scratch.files("out") == ["table.jsonl": text(life.table)],
                "seed \(seed), keys \(keys)")
        }
    }

    @Test func `without the rows before updates the newest of a key is kept`() throws {
        let life = TableRow.life(seed: 12, count: 200)
        let scratch = SinkScratch()
        let upserts = life.rows.filter { $0.change != .updateBefore }
        _ = try run(upserts, batch: 9, deaths: [8]) { table(scratch, keys: [0]) }
        #expect(scratch.files("out") == ["table.jsonl": text(life.table)])
    }

    @Test func `rows that are there twice are written twice, and nothing before the end`() throws {
        let scratch = SinkScratch()
        let sink = table(scratch, keys: [])
        try sink.recover(token: nil)
        try sink.write(
            TableRow.batch([
                TableRow(.insert, "b", 1), TableRow(.insert, "a", 1), TableRow(.insert, "a", 1),
            ]))
        try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
        #expect(scratch.files("out") == [:])
        try sink.end()
        let token = try sink.prepare(checkpoint: 2)
        #expect(scratch.files("out") == [:])
        // It dies before the commit: the next life makes the file visible.
        sink.close()
        try table(scratch, keys: []).recover(token: token)
        let (a, b) = ("{\"key\":\"a\",\"value\":1}\n", "{\"key\":\"b\",\"value\":1}\n")
        #expect(scratch.files("out") == ["table.jsonl": a + a + b])
    }

    @Test(arguments: [1, 3, 50], [[], [5, 14, 30], [7, 8, 20]] as [[Int]])
    func `equal tables have equal checksums, however they came about`(batch: Int, deaths: [Int])
        throws
    {
        let seed: UInt64 = 13
        let life = TableRow.life(seed: seed, count: 200)
        var sum: UInt64 = 0
        for (key, value) in life.table {
            sum &+= hash(key, value)
        }
        let upserts = life.rows.filter { $0.change != .updateBefore }
        for (rows, keys) in [(life.rows, []), (life.rows, [0]), (upserts, [0])]
            as [([TableRow], [Int])]
        {
            let scratch = SinkScratch()
            let counters = StepCounters()
            _ = try run(rows, batch: batch, deaths: deaths) {
                let sink = BlackholeSink(
                    place: "blackhole:test", encoder: ChecksumEncoder(schema: TableRow.schema),
                    keys: keys, log: scratch.path + "/hashes.log")
                sink.report(to: counters)
                return sink
            }
            #expect(counters.read(.tableRows) == Int64(life.table.count))
            #expect(UInt64(bitPattern: counters.read(.checksum)) == sum, "seed \(seed) \(keys)")
        }
    }

    @Test func `without a checksum rows are only counted`() throws {
        let sink = BlackholeSink(place: "blackhole:test", encoder: nil, keys: [])
        let counters = StepCounters()
        sink.report(to: counters)
        try sink.recover(token: nil)
        try sink.write(TableRow.batch([TableRow(.insert, "a", 1), TableRow(.insert, "b", 1)]))
        let token = try sink.prepare(checkpoint: 1)
        let next = BlackholeSink(place: "blackhole:test", encoder: nil, keys: [])
        next.report(to: counters)
        try next.recover(token: token)
        try next.write(TableRow.batch([TableRow(.delete, "a", 1)]))
        #expect(counters.read(.tableRows) == 1)
        #expect(counters.read(.checksum) == 0)
        #expect(throws: JobFailure.self) { try next.recover(token: [1]) }
    }
}
