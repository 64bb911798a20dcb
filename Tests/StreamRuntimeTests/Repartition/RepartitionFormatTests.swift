import Testing

@testable import StreamRuntime

@Suite struct RepartitionFormatTests {
    private let schema = Schema([
        Field("name", .string), Field("tags", .list(.string)),
        Field("price", .decimal(precision: 10, scale: 2)),
        Field("at", .structure([Field("x", .float64), Field("day", .date)])),
    ])

    private func rows() -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: 2)
        batch.columns[0].append("ann")
        batch.columns[0].appendNull()
        let tags = batch.columns[1]
        tags.children[0].append("a")
        tags.children[0].append("bc")
        tags.appendList(from: 0)
        tags.appendList(from: 2)
        batch.columns[2].append(Int128(1999))
        batch.columns[2].append(Int128(-5))
        for row in 0..<2 {
            batch.columns[3].children[0].append(Double(row) + 0.5)
            batch.columns[3].children[1].append(Int64(20_000 + row))
            batch.columns[3].appendStructure()
        }
        batch.order.append(eventTime: 7, watermark: 3, origin: 1 << 32 | 2, offset: 40)
        batch.order.append(eventTime: 1, watermark: 5, origin: 1 << 32 | 2, offset: 41)
        let elements = Column(.int64, capacity: 2)
        elements.append(Int64(0))
        elements.append(Int64(3))
        batch.order.elements = elements
        batch.count = 2
        batch.changes = RowChange.inserts(1)
        batch.changes!.append(true)
        let raw = Column(.bytes, capacity: 2)
        raw.append("{}")
        raw.appendNull()
        batch.raw = raw
        return batch
    }

    private func bytes(_ record: RepartitionRecord, share: Int = 3) -> [UInt8] {
        let arena = ByteArena(capacity: 16)
        RepartitionFormat.encode(record, share: share, into: arena)
        return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    private func decode(_ bytes: [UInt8]) throws -> (share: Int, record: RepartitionRecord) {
        try bytes.withUnsafeBufferPointer {
            try RepartitionFormat.decode($0, schema: schema, at: "topic/1 offset 9")
        }
    }

    @Test func `rows come back with values, places, changes and raw records`() throws {
        let (share, record) = try decode(bytes(.rows(rows()), share: 513))
        #expect(share == 513)
        guard case .rows(let read) = record else {
            Issue.record("not rows")
            return
        }
        let written = rows()
        for row in 0..<2 {
            for (column, wanted) in zip(read.columns, written.columns) {
                #expect(column.valueText(row) == wanted.valueText(row))
            }
            #expect(read.order.time(row) == written.order.time(row))
        }
        #expect(read.order.offsets.int64s[1] == 41)
        #expect(read.order.origins.int64s[1] == 1 << 32 | 2)
        #expect(read.order.elements?.int64s[1] == 3)
        #expect(read.changes?.bools[1] == RowChange.updateAfter.rawValue)
        #expect(read.raw?.string(0) == "{}")
        #expect(read.raw?.isValid(1) == false)
    }

    @Test func `a share's event time, idleness and end come back`() throws {
        let time = EventTime(micros: -77)
        guard case .watermark(time) = try decode(bytes(.watermark(time))).record,
            case .idle = try decode(bytes(.idle)).record,
            case .end = try decode(bytes(.end)).record
        else {
            Issue.record("another record came back")
            return
        }
    }

    @Test func `bytes that are cut short or of another version are refused with their place`() {
        let whole = bytes(.rows(rows()))
        for length in 0..<whole.count {
            let found = failure { _ = try decode(Array(whole[..<length])) }
            #expect(found?.place == "topic/1 offset 9", "cut at \(length)")
        }
        var later = whole
        later[0] = 9
        let found = failure { _ = try decode(later) }
        #expect(found?.problem.contains("format 9, this program reads 1") == true)
    }

    @Test func `a tracker that was saved promises what it did before`() throws {
        var tracker = WatermarkTracker(inputs: 3)
        _ = tracker.advance(0, to: EventTime(micros: 40))
        _ = tracker.advance(1, to: EventTime(micros: 60))
        _ = tracker.idle(2)
        let read = try #require(WatermarkTracker(bytes: tracker.bytes))
        #expect(read == tracker)
        #expect(read.combined == EventTime(micros: 40))
        #expect(WatermarkTracker(bytes: Array(tracker.bytes.dropLast())) == nil)
    }
}
