import Glibc
import Testing

@testable import TestBroker

struct PartitionLogTests {
    private let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    // MARK: what is taken

    @Test func `a batch gets the next offsets and the leader's epoch, and its sum still holds`()
        throws
    {
        let log = try PartitionLog(scratch: scratch)
        #expect(try log.append(BatchBytes.plain(3)) == .at(0))
        log.leaderEpoch = 4
        #expect(try log.append(BatchBytes.plain(2)) == .at(3))
        #expect(log.end == 5)
        #expect(try log.contents.map(\.offset) == [0, 1, 2, 3, 4])
        #expect(log.endOfEpoch(0) == (0, 3))
        #expect(log.endOfEpoch(4) == (4, 5))
    }

    @Test func `what is no whole batch of records is refused and leaves nothing`() throws {
        let log = try PartitionLog(scratch: scratch)
        let good = BatchBytes.plain(3)
        var changed = good
        changed[70] ^= 1
        var old = good
        old[16] = 1
        let cases: [([UInt8], PartitionLog.Appended)] = [
            (changed, .refused(.corruptMessage)),
            (Array(good.dropLast()), .refused(.corruptMessage)),
            (Array(good.prefix(20)), .refused(.corruptMessage)),
            ([], .refused(.corruptMessage)),
            (old, .refused(.unsupportedForMessageFormat)),
            (good + good, .refused(.invalidRecord)),
            (BatchBytes.make([("k", "v")], attributes: 0x20), .refused(.invalidRecord)),
        ]
        for (bytes, expected) in cases { #expect(try log.append(bytes) == expected) }
        #expect(try log.append(good, bytesMax: good.count - 1) == .refused(.messageTooLarge))
        #expect(
            try log.append(BatchBytes.make([(nil, "v")]), isKeyRequired: true)
                == .refused(.invalidRecord))
        #expect(log.end == 0 && log.byteCount == 0)
    }

    @Test func `a producer's batches are taken once each and in order`() throws {
        let log = try PartitionLog(scratch: scratch)
        func send(_ sequence: Int32, epoch: Int16 = 0, count: Int = 2) throws
            -> PartitionLog.Appended
        {
            try log.append(
                BatchBytes.plain(count, producer: 7, epoch: epoch, sequence: sequence))
        }
        let steps: [(Int32, Int16, PartitionLog.Appended)] = [
            (0, 0, .at(0)), (2, 0, .at(2)), (2, 0, .at(2)), (0, 0, .at(0)),
            (6, 0, .refused(.outOfOrderSequenceNumber)), (4, 0, .at(4)),
            (6, 1, .refused(.outOfOrderSequenceNumber)), (0, 1, .at(6)),
            (6, 0, .refused(.invalidProducerEpoch)), (2, 1, .at(8)),
        ]
        for (sequence, epoch, expected) in steps {
            #expect(try send(sequence, epoch: epoch) == expected, "\(sequence) of \(epoch)")
        }
        // Only the last five are known again.
        for sequence in stride(from: Int32(4), to: 14, by: 2) { _ = try send(sequence, epoch: 1) }
        #expect(try send(2, epoch: 1) == .refused(.outOfOrderSequenceNumber))
        #expect(try send(4, epoch: 1) == .at(10))
    }

    @Test func `sequence numbers begin again at zero after the largest`() throws {
        let log = try PartitionLog(scratch: scratch)
        let first = BatchBytes.plain(2, producer: 7, epoch: 0, sequence: .max - 1)
        #expect(try log.append(first) == .at(0))
        #expect(
            try log.append(BatchBytes.plain(1, producer: 7, epoch: 0, sequence: 0)) == .at(2))
        let over = BatchBytes.plain(4, producer: 8, epoch: 0, sequence: .max - 1)
        #expect(try log.append(over) == .at(3))
        #expect(
            try log.append(BatchBytes.plain(1, producer: 8, epoch: 0, sequence: 2)) == .at(7))
    }

    // MARK: transactions

    @Test func `the stable offset waits for the oldest open transaction`() throws {
        let log = try PartitionLog(scratch: scratch)
        func send(_ producer: Int64, _ sequence: Int32) throws {
            try log.append(
                BatchBytes.plain(
                    1, producer: producer, epoch: 0, sequence: sequence, isTransactional: true))
        }
        func end(_ producer: Int64, isCommit: Bool) throws {
            #expect(
                try log.appendMarker(
                    producer: producer, epoch: 0, isCommit: isCommit, nowMillis: 5) == .none)
        }
        try log.append(BatchBytes.plain(1))
        try send(1, 0)
        try send(2, 0)
        try send(1, 1)
        #expect(log.stable == 1)
        try end(1, isCommit: false)
        #expect(log.stable == 2)
        #expect(log.producers.aborted == [.init(producer: 1, first: 1, last: 4)])
        try end(2, isCommit: true)
        #expect(log.stable == 6)
        #expect(log.producers.aborted(from: 5, below: 6).isEmpty)
        #expect(log.producers.aborted(from: 4, below: 6).count == 1)
        #expect(log.producers.aborted(from: 0, below: 1).isEmpty)
        // A marker of an older epoch comes from a coordinator that has been replaced.
        #expect(
            try log.appendMarker(producer: 1, epoch: 3, isCommit: false, nowMillis: 5) == .none)
        #expect(
            try log.appendMarker(producer: 1, epoch: 2, isCommit: true, nowMillis: 5)
                == .invalidProducerEpoch)
        #expect(
            try log.append(
                BatchBytes.plain(1, producer: 1, epoch: 0, sequence: 2, isTransactional: true))
                == .refused(.invalidProducerEpoch))
    }

    @Test func `a log that is opened again knows producers, transactions and epochs`() throws {
        var log = try PartitionLog(scratch: scratch, segmentBytes: 300)
        for sequence in Int32(0)..<6 {
            try log.append(
                BatchBytes.plain(
                    2, producer: 1, epoch: 0, sequence: sequence * 2, isTransactional: true))
        }
        _ = try log.appendMarker(producer: 1, epoch: 0, isCommit: false, nowMillis: 5)
        log.leaderEpoch = 3
        try log.append(
            BatchBytes.plain(1, producer: 2, epoch: 0, sequence: 0, isTransactional: true))
        #expect(log.segments.count > 2)
        log = try PartitionLog(scratch: scratch, segmentBytes: 300)
        #expect(log.end == 14 && log.stable == 13 && log.leaderEpoch == 3)
        #expect(log.endOfEpoch(0) == (0, 13))
        #expect(log.producers.aborted == [.init(producer: 1, first: 0, last: 12)])
        #expect(
            try log.append(
                BatchBytes.plain(2, producer: 1, epoch: 0, sequence: 10, isTransactional: true))
                == .at(10))
        #expect(
            try log.append(
                BatchBytes.plain(1, producer: 2, epoch: 0, sequence: 0, isTransactional: true))
                == .at(13))
    }

    @Test func `a torn or damaged end is cut off when the log is opened`() throws {
        let batch = BatchBytes.plain(3)
        for lost in [1, batch.count - 1, batch.count - 61, 40] {
            let scratch = try ScratchDirectory()
            var log = try PartitionLog(scratch: scratch)
            try log.append(batch)
            try log.append(batch)
            let file = log.segments[0].file
            try file.cut(to: batch.count * 2 - lost)
            log = try PartitionLog(scratch: scratch)
            #expect(log.end == 3 && log.byteCount == batch.count, "\(lost) bytes lost")
            #expect(try log.append(batch) == .at(3))
        }
        let log = try PartitionLog(scratch: scratch)
        try log.append(batch)
        try log.append(batch)
        let position = batch.count + 65
        try [0xFF as UInt8].withUnsafeBytes {
            try log.segments[0].file.write($0, at: position)
        }
        #expect(try PartitionLog(scratch: scratch).end == 3)
    }

    // MARK: reading

    @Test
    func `a read begins with the offset's batch and ends below the limit, cut between batches`()
        throws
    {
        let log = try PartitionLog(scratch: scratch, segmentBytes: 100_000)
        let batch = BatchBytes.plain(10, valueBytes: 100)
        for _ in 0..<200 { try log.append(batch) }
        #expect(log.segments.count > 1)
        func read(_ offset: Int64, _ limit: Int64, _ bytes: Int, isFirstWhole: Bool = true) throws
            -> ClosedRange<Int64>?
        {
            let slice = log.read(
                from: offset, below: limit, bytesMax: bytes, isFirstWhole: isFirstWhole)
            guard let slice else { return nil }
            #expect(slice.count % batch.count == 0)
            let memory = slice.file.memory + slice.position
            let first = try #require(BatchHeader(memory, available: slice.count))
            let last = try #require(
                BatchHeader(memory + slice.count - batch.count, available: batch.count))
            return first.baseOffset...last.lastOffset
        }
        #expect(try read(0, 2000, 1) == 0...9)
        #expect(try read(0, 2000, 1, isFirstWhole: false) == nil)
        #expect(try read(15, 2000, batch.count * 2) == 10...29)
        #expect(try read(15, 30, 1 << 20) == 10...29)
        #expect(try read(15, 10, 1 << 20) == nil)
        #expect(try read(2000, 2000, 1 << 20) == nil)
        // From any offset, at any size, reading goes on to the end without a gap.
        for bytes in [1, batch.count * 3, 20_000, 1 << 20] {
            var next: Int64 = 7
            while let range = try read(next, 1985, bytes) {
                #expect(range.contains(next) && range.upperBound < 1990)
                #expect(range.count == 10 || range.count <= bytes / batch.count * 10)
                next = range.upperBound + 1
            }
            #expect(next == 1980)
        }
    }

    @Test func `the first record at or after a time is found, in any file`() throws {
        let log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        for block in Int64(0)..<40 { try log.append(BatchBytes.plain(3, millis: block * 100)) }
        #expect(log.segments.count > 5)
        let cases: [(Int64, Int64?)] = [
            (0, 0), (1, 1), (2, 2), (3, 3), (100, 3), (101, 4), (2001, 61), (3902, 119),
            (3903, nil),
        ]
        for (time, offset) in cases {
            #expect(log.find(time: time, below: log.end)?.offset == offset, "time \(time)")
        }
        #expect(log.find(time: 3901, below: 118)?.offset == nil)
        let latest = try #require(log.latestTime())
        #expect(latest == (119, 3902))
    }

    // MARK: deletion

    @Test func `retention goes by the records' own time, and by size`() throws {
        let log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        for block in Int64(0)..<40 { try log.append(BatchBytes.plain(3, millis: block * 100)) }
        let size = log.byteCount
        try log.retain(millis: -1, bytes: -1, nowMillis: 1_000_000)
        #expect(log.start == 0 && log.byteCount == size)
        try log.retain(millis: 1000, bytes: -1, nowMillis: 3000)
        #expect(log.start > 40 && log.start <= 60)
        #expect(log.find(time: 0, below: log.end)?.offset == log.start)
        try log.retain(millis: -1, bytes: 1000, nowMillis: 3000)
        #expect(log.byteCount >= 1000 && log.byteCount < 1500)
        #expect(log.end == 120)
        // Records of long ago go all at once, also those of the newest file.
        try log.retain(millis: 1000, bytes: -1, nowMillis: 1_000_000)
        #expect(log.start == 120 && log.byteCount == 0)
        #expect(try PartitionLog(scratch: scratch, segmentBytes: 500).end == 120)
        #expect(try log.append(BatchBytes.plain(1)) == .at(120))
    }

    @Test func `a start that was moved stays where it is when the log is opened again`() throws {
        var log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        for _ in 0..<20 { try log.append(BatchBytes.plain(3)) }
        try log.advanceStart(to: 31)
        try log.advanceStart(to: 12)
        #expect(log.start == 31)
        log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        #expect(log.start == 31 && log.end == 60)
    }

    @Test func `compaction keeps the last committed record of each key, at its offset`() throws {
        var log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        for round in 0..<10 {
            try log.append(
                BatchBytes.make((0..<5).map { ("key\($0)", round == 9 && $0 == 0 ? nil : "v") }))
        }
        func transaction(_ producer: Int64, isCommit: Bool?) throws {
            try log.append(
                BatchBytes.make(
                    [("key1", "t")], producer: producer, epoch: 0, sequence: 0,
                    isTransactional: true))
            if let isCommit {
                _ = try log.appendMarker(
                    producer: producer, epoch: 0, isCommit: isCommit, nowMillis: 5)
            }
        }
        try transaction(1, isCommit: true)
        try transaction(2, isCommit: false)
        try transaction(3, isCommit: nil)
        try log.compact()
        let expected: [(Int64, String)] = [
            (45, "key0"), (47, "key2"), (48, "key3"), (49, "key4"), (50, "key1"), (54, "key1"),
        ]
        #expect(try log.contents.map(\.offset) == expected.map(\.0))
        #expect(try log.contents.map(\.key) == expected.map(\.1))
        log = try PartitionLog(scratch: scratch, segmentBytes: 500)
        #expect(log.end == 55 && log.stable == 54)
        #expect(try log.contents.map(\.offset) == expected.map(\.0))
        #expect(log.read(from: 0, below: 54, bytesMax: 1 << 20, isFirstWhole: true) != nil)
    }
}
