import Foundation
import StreamRuntime
import Testing

@testable import Connectors

@Suite struct PartitionedFileSinkTests {
    /// 240 rows of three keys, a row each minute from midnight on.
    private let rows = (0..<240).map { number in
        TableRow(.insert, ["a", "b/c", ""][number * 7 % 3], Int64(number), Int64(number) * 60)
    }

    private func sink(
        _ scratch: SinkScratch, _ pieces: [FilePartitioning.Piece], _ rolling: FileRolling?
    ) -> PartitionedFileSink {
        PartitionedFileSink(
            root: scratch.path, partitioning: FilePartitioning(pieces), rolling: rolling,
            suffix: ".jsonl",
            encoder: SelectedColumnsEncoder(
                JSONRecordEncoder(schema: Schema([Field("value", .int64)])), columns: [1],
                of: TableRow.schema))
    }

    /// Writes all rows with a checkpoint every `interval` batches; dies after each of `deaths` batches.
    private func run(
        _ scratch: SinkScratch, _ pieces: [FilePartitioning.Piece], _ rolling: FileRolling?,
        batch: Int, interval: Int, deaths: [Int] = [], ends: Bool = true
    ) throws {
        let batches = TableRow.batches(rows, of: batch)
        var token: [UInt8]?
        var begun = 0
        var deaths = deaths[...]
        while true {
            let sink = sink(scratch, pieces, rolling)
            try sink.recover(token: token)
            var at = begun
            let death = deaths.popFirst() ?? .max
            while at < batches.count, at < death {
                try sink.write(batches[at])
                at += 1
                guard at % interval == 0 else { continue }
                token = try sink.prepare(checkpoint: Int64(at))
                begun = at
                // A death may come between preparing and committing.
                if at < death { try sink.commit(checkpoint: Int64(at), token: token!) }
            }
            sink.close()
            guard at == batches.count else { continue }
            if !ends { return }
            let last = self.sink(scratch, pieces, rolling)
            try last.recover(token: token)
            for batch in batches[begun...] { try last.write(batch) }
            try last.end()
            let end = try last.prepare(checkpoint: 1_000_000)
            try last.commit(checkpoint: 1_000_000, token: end)
            try last.commit(checkpoint: 1_000_000, token: end)
            return
        }
    }

    /// What each directory is to have.
    private func expected(_ directory: (TableRow) -> String) -> [String: String] {
        var texts: [String: String] = [:]
        for row in rows { texts[directory(row), default: ""] += "{\"value\":\(row.value)}\n" }
        return texts
    }

    private func name(_ key: String) -> String {
        key.isEmpty ? "__HIVE_DEFAULT_PARTITION__" : key == "b/c" ? "b%2Fc" : key
    }

    @Test(arguments: [1, 7, 100], [[], [3, 9], [14, 15, 16], [2, 2, 2]] as [[Int]])
    func `rows are in the directories of their values, once, wherever it is killed`(
        batch: Int, deaths: [Int]
    ) throws {
        let scratch = SinkScratch()
        try run(
            scratch,
            [.text("key="), .column(0), .text("/"), .time(.day), .text("/"), .time(.hour)],
            nil, batch: batch, interval: 2, deaths: deaths)
        let wanted = expected { "key=\(name($0.key))/1970-01-01/0\($0.second / 3600)" }
        #expect(scratch.texts() == wanted)
        #expect(
            try Directory.names(scratch.path + "/.staged").filter { !$0.hasPrefix("list-") } == [])
    }

    @Test func `files that roll are the same ones whatever the batches, checkpoints and kills`()
        throws
    {
        let pieces: [FilePartitioning.Piece] = [.column(0)]
        for rolling in [
            FileRolling(bytes: 200, everyMicros: nil),
            FileRolling(bytes: nil, everyMicros: 3_600_000_000),
            FileRolling(bytes: 300, everyMicros: 7_200_000_000),
        ] {
            let plain = SinkScratch()
            try run(plain, pieces, rolling, batch: 4096, interval: 1)
            let wanted = plain.files()
            #expect(wanted.count > 5)
            #expect(plain.texts() == expected { name($0.key) })
            for (batch, interval, deaths) in [
                (1, 1, []), (1, 3, [5, 50, 51, 52, 200]), (7, 2, [1, 2, 3, 4, 5, 6, 30]),
                (50, 1, [1, 2, 3, 4]),
            ] as [(Int, Int, [Int])] {
                let scratch = SinkScratch()
                try run(
                    scratch, pieces, rolling, batch: batch, interval: interval, deaths: deaths)
                #expect(scratch.files() == wanted, "\(rolling) batches of \(batch)")
            }
        }
    }

    @Test func `a file in the making is not seen, and an older checkpoint takes later ones back`()
        throws
    {
        let scratch = SinkScratch()
        let rolling = FileRolling(bytes: 40, everyMicros: nil)
        let sink = sink(scratch, [], rolling)
        try sink.recover(token: nil)
        var tokens: [[UInt8]] = []
        var seen: [[String: String]] = []
        for part in 0..<4 {
            try sink.write(TableRow.batch(rows[(part * 4)..<(part * 4 + 4)]))
            tokens.append(try sink.prepare(checkpoint: Int64(part)))
            try sink.commit(checkpoint: Int64(part), token: tokens.last!)
            seen.append(scratch.files())
        }
        #expect(
            seen[0] == [
                "part-0000000001.jsonl":
                    "{\"value\":0}\n{\"value\":1}\n{\"value\":2}\n{\"value\":3}\n"
            ])
        for part in (0..<4).reversed() {
            let older = self.sink(scratch, [], rolling)
            try older.recover(token: tokens[part])
            #expect(scratch.files() == seen[part])
            if part == 1 {
                try older.write(TableRow.batch(rows[8..<16]))
                try older.end()
                try older.commit(checkpoint: 9, token: try older.prepare(checkpoint: 9))
                #expect(
                    scratch.texts()[""] == (0..<16).map { "{\"value\":\($0)}\n" }.joined())
                break
            }
        }
    }

    @Test func `many directories have a list of their own beside the checkpoint`() throws {
        let scratch = SinkScratch()
        let many = (0..<120).map { TableRow(.insert, "key number \($0)", Int64($0)) }
        let rolling = FileRolling(bytes: 1 << 20, everyMicros: nil)
        let sink = sink(scratch, [.column(0)], rolling)
        try sink.recover(token: nil)
        try sink.write(TableRow.batch(many))
        let token = try sink.prepare(checkpoint: 5)
        #expect(token.count < 100)
        sink.close()
        let next = self.sink(scratch, [.column(0)], rolling)
        try next.recover(token: token)
        try next.write(TableRow.batch(many))
        try next.end()
        try next.commit(checkpoint: 6, token: try next.prepare(checkpoint: 6))
        #expect(scratch.files().count == 120)
        #expect(scratch.texts()["key number 7"] == "{\"value\":7}\n{\"value\":7}\n")
    }
}
