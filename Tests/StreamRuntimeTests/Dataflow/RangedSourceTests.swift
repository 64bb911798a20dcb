import Testing

@testable import StreamRuntime

/// Reads ranges of partitions whose offsets have gaps, and looks at the account.
@Suite struct RangedSourceTests {
    /// A partition with records at `offsets` and an end.
    private final class Partition: PartitionReader {
        let partition: Int32 = 0
        let name = "orders/0"
        let offsets: [Int64]
        let end: Int64
        private(set) var position: Int64

        init(_ offsets: [Int64], oldest: Int64, end: Int64) {
            self.offsets = offsets
            self.end = end
            position = oldest
        }

        func seek(to offset: Int64) { position = offset }

        func read(maxRecords: Int, maxBytes: Int) -> ReadOutcome {
            let found = offsets.filter { $0 >= position }.prefix(maxRecords)
            guard let last = found.last else {
                position = max(position, end)
                return .caughtUp
            }
            let batch = RecordBatch(partition: 0, capacity: found.count)
            for offset in found {
                batch.keys.appendNull()
                batch.values.appendNull()
                batch.timestamps.append(offset)
                batch.offsets.append(offset)
            }
            position = last + 1
            return .records(batch)
        }
    }

    private typealias Gap = RangeAccount.Gap

    /// Reads to the end, `maxRecords` at a time; the offsets that came and the account's entry.
    private func read(
        _ offsets: [Int64], oldest: Int64 = 0, end: Int64, _ range: OffsetRange, by maxRecords: Int,
        finish: RangedSource.Finish = .end, from restored: Int64? = nil,
        account: RangeAccount = RangeAccount(), isStrict: Bool = false
    ) throws -> (offsets: [Int64], entry: RangeAccount.Entry?) {
        let reader = RangedReader(
            Partition(offsets, oldest: oldest, end: end), address: "orders/0", range: range,
            rules: .init(finish: finish, isStrict: isStrict), account: account)
        if let restored { try reader.seek(to: restored) }
        var found: [Int64] = []
        reading: while true {
            switch try reader.read(maxRecords: maxRecords, maxBytes: 1 << 20) {
            case .records(let batch):
                for row in 0..<batch.count { found.append(batch.offsets.int64s[row]) }
            case .ended:
                #expect(finish == .end)
                break reading
            case .caughtUp:
                #expect(finish == .hold)
                break reading
            case .waiting:
                Issue.record("the range is in the log")
                break reading
            }
        }
        #expect(reader.position == range.to)
        return (found, account.entries["orders/0"])
    }

    @Test(arguments: [1, 3, 100])
    func `what is read is the range, whatever is missing in it and however it is read`(
        by maxRecords: Int
    ) throws {
        let log: [Int64] = [0, 1, 2, 5, 6, 9, 10, 12]
        for (range, expected, gaps) in [
            (OffsetRange(from: 0, to: 3), [0, 1, 2], []),
            (OffsetRange(from: 1, to: 6), [1, 2, 5], [Gap(from: 3, to: 5, reason: .absent)]),
            (
                OffsetRange(from: 3, to: 12), [5, 6, 9, 10],
                [
                    Gap(from: 3, to: 5, reason: .absent), Gap(from: 7, to: 9, reason: .absent),
                    Gap(from: 11, to: 12, reason: .absent),
                ]
            ),
            (OffsetRange(from: 7, to: 9), [], [Gap(from: 7, to: 9, reason: .absent)]),
            (OffsetRange(from: 13, to: 16), [], [Gap(from: 13, to: 16, reason: .absent)]),
            (OffsetRange(from: 4, to: 4), [], []),
        ] as [(OffsetRange, [Int64], [Gap])] {
            for finish in [RangedSource.Finish.end, .hold] {
                let read = try read(log, end: 16, range, by: maxRecords, finish: finish)
                #expect(read.offsets == expected)
                #expect(read.entry?.gaps ?? [] == gaps)
                #expect(read.entry?.isDone ?? range.isEmpty)
            }
        }
    }

    @Test func `what retention took is a gap with that name, or an error when asked`() throws {
        let range = OffsetRange(from: 2, to: 8)
        let read = try read([5, 6, 7], oldest: 5, end: 8, range, by: 10)
        #expect(read.offsets == [5, 6, 7])
        #expect(read.entry?.gaps == [Gap(from: 2, to: 5, reason: .retention)])
        let gone = try self.read([9], oldest: 9, end: 10, range, by: 10)
        #expect(gone.entry?.gaps == [Gap(from: 2, to: 8, reason: .retention)])
        #expect(throws: JobFailure.self) {
            try self.read([5, 6, 7], oldest: 5, end: 8, range, by: 10, isStrict: true)
        }
    }

    @Test func `gaps met again after a restart are counted once`() throws {
        let log: [Int64] = [0, 1, 4, 5, 8]
        let range = OffsetRange(from: 0, to: 9)
        let first = try read(log, end: 9, range, by: 2)
        for restored in Int64(0)...9 {
            let account = RangeAccount(["orders/0": first.entry!])
            let again = try read(log, end: 9, range, by: 2, from: restored, account: account)
            #expect(again.offsets == log.filter { $0 >= restored })
            #expect(again.entry == first.entry, "restored at \(restored)")
        }
    }

    @Test func `the first offset of a time is found in sealed and open segments`() throws {
        let place = ScratchLog()
        try place.log.createTopic("t", TopicSettings(partitions: 1, segmentBytes: 300))
        let writer = try place.log.writer("t")
        let times: [Int64] = [10, 30, 20, 40, 40, 50, 45, 90]
        for time in times {
            try writer.append(key: nil, value: Array("value \(time)".utf8), timestamp: time)
            if time != 30 { try writer.commit() }
        }
        writer.close()
        let source = try place.log.source("t", bounded: false)
        for micros in Int64(0)...100 {
            let expected = times.firstIndex { $0 >= micros }.map { Int64($0) }
            #expect(try source.offset(partition: 0, atOrAfter: micros) == expected)
        }
        #expect(try source.extent(partition: 0) == LogExtent(oldest: 0, end: 8))
    }

    @Test func `a throttle grants what time has earned, and no more`() {
        let clock = SetClock()
        let throttle = RowThrottle(rowsPerSecond: 1000, clock: clock)
        #expect(throttle.grant(10) == 0)
        clock.set(5_000_000)
        #expect(throttle.grant(10) == 5)
        #expect(throttle.grant(10) == 0)
        throttle.giveBack(2)
        #expect(throttle.grant(10) == 2)
        clock.set(10_000_000_000)
        #expect(throttle.grant(4096) == 100)
    }
}

/// A clock that stands where it was set.
private final class SetClock: Clock, @unchecked Sendable {
    private(set) var nanos: Int64 = 0
    var nowMicros: Int64 { nanos / 1000 }
    func set(_ nanos: Int64) { self.nanos = nanos }
}
