import Testing

@testable import StreamRuntime

/// Appends records under given offsets, with gaps, and reads them back from everywhere.
@Suite struct KeptOffsetTests {
    private func batch(_ offsets: some Sequence<Int64>) -> RecordBatch {
        let offsets = Array(offsets)
        let batch = RecordBatch(partition: 0, capacity: offsets.count)
        for offset in offsets {
            let text = Array("record \(offset)".utf8)
            text.withUnsafeBufferPointer { batch.values.append($0) }
            batch.keys.appendNull()
            batch.timestamps.append(offset * 10)
            batch.offsets.append(offset)
        }
        return batch
    }

    private func read(_ log: EmbeddedLog, from offset: Int64? = nil) throws -> [Int64] {
        let reader = try log.source("t", bounded: true).reader(partition: 0)
        if let offset { try reader.seek(to: offset) }
        var found: [Int64] = []
        while case .records(let batch) = try reader.read(maxRecords: 3, maxBytes: 1 << 20) {
            for row in 0..<batch.count {
                found.append(batch.offsets.int64s[row])
                #expect(batch.values.string(row) == "record \(batch.offsets.int64s[row])")
            }
        }
        return found
    }

    @Test func `offsets stay as they are, over gaps, segments and restarts`() throws {
        let place = ScratchLog()
        try place.log.createTopic("t", TopicSettings(partitions: 1, segmentBytes: 250))
        // Gaps at the beginning, inside and between what is appended at once.
        let parts: [[Int64]] = [
            [1000, 1001, 1002], [1003, 1007, 1008], [1020], [1021, 1022, 1040, 1041, 1055], [1056],
            [2000, 2001],
        ]
        for part in parts {
            let writer = try place.log.writer("t", syncing: false)
            try writer.appendKeepingOffsets(batch(part))
            try writer.commit()
            writer.close()
        }
        let all = parts.flatMap { $0 }
        #expect(try place.log.extents("t")[0].segments > 2)
        #expect(try place.log.extents("t")[0].oldest == 1000)
        #expect(try place.log.extents("t")[0].end == 2002)
        #expect(try read(place.log) == all)
        for offset in Int64(1000)...2002 {
            #expect(try read(place.log, from: offset) == all.filter { $0 >= offset })
        }
        let source = try place.log.source("t", bounded: true)
        for micros in [0, 10_000, 10_035, 10_100, 20_001, 20_010, 20_011] as [Int64] {
            #expect(
                try source.offset(partition: 0, atOrAfter: micros)
                    == all.first { $0 * 10 >= micros })
        }
    }

    @Test func `what was appended and not committed is gone, and its offsets can be given again`()
        throws
    {
        let place = ScratchLog()
        var writer = try place.topic("t")
        try writer.appendKeepingOffsets(batch([5, 9]))
        _ = try writer.prepare(checkpoint: 0)
        writer.close()
        #expect(try read(place.log) == [])
        writer = try place.log.writer("t", syncing: false)
        try writer.appendKeepingOffsets(batch([7, 8]))
        try writer.commit()
        #expect(try read(place.log) == [7, 8])
        #expect(throws: JobFailure.self) { try writer.appendKeepingOffsets(self.batch([8])) }
    }

    @Test func `an archive is read before its topic, and a hole between them is a gap`() throws {
        let archive = ScratchLog()
        let live = ScratchLog()
        let kept = try archive.topic("t")
        try kept.appendKeepingOffsets(batch(10..<20))
        try kept.commit()
        let writer = try live.topic("t")
        try writer.appendKeepingOffsets(batch(25..<30))
        try writer.commit()
        let seamed = SeamedSource(
            archive: try archive.log.source("t", bounded: true),
            live: try live.log.source("t", bounded: false))
        #expect(try seamed.extent(partition: 0) == LogExtent(oldest: 10, end: 30))
        #expect(try seamed.seam(partition: 0) == 20)
        #expect(try seamed.offset(partition: 0, atOrAfter: 150) == 15)
        #expect(try seamed.offset(partition: 0, atOrAfter: 230) == 25)
        for (start, expected) in [
            (10, Array(10..<20) + Array(25..<30)), (18, [18, 19] + Array(25..<30)),
            (22, Array(25..<30)), (27, [27, 28, 29]),
        ] as [(Int64, [Int64])] {
            let account = RangeAccount()
            let ranged = RangedSource(
                seamed, name: "t", ranges: [0: OffsetRange(from: start, to: 30)],
                rules: .init(finish: .end), account: account)
            let reader = try ranged.reader(partition: 0)
            var found: [Int64] = []
            while case .records(let batch) = try reader.read(maxRecords: 4, maxBytes: 1 << 20) {
                for row in 0..<batch.count { found.append(batch.offsets.int64s[row]) }
            }
            #expect(found == expected, "from \(start)")
            let missing = account.entries["t/0"]!.gaps.reduce(0) { $0 + $1.to - $1.from }
            #expect(missing == (start <= 20 ? 5 : start < 25 ? 25 - start : 0), "from \(start)")
            #expect(account.entries["t/0"]!.gaps.allSatisfy { $0.reason == .retention })
        }
    }
}
