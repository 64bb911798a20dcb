/// Where each row stands in the one order that every run of the same log agrees on.
///
/// A row's place is (`time(row)`, origin, offset): `time` is its event time, or the watermark of its
/// partition before it when that had already passed (a late row is processed when it could first be
/// known). All three are functions of the log, so results that depend on order are too.
///
/// - Shape: four columns of `count` int64.
/// - Units: `eventTimes` and `watermarks` in microseconds. `origins` is the source's ordinal in the
///   plan shifted left by 32, plus the partition; `offsets` the record's offset there. Rows that an
///   operator makes carry `RowOrder.derived` plus the step's ordinal, and a key hash.
public struct RowOrder {
    /// The rows' event times.
    public let eventTimes: Column
    /// W(p, o): the largest event time of the row's partition before the row, less the disorder bound.
    public let watermarks: Column
    /// Where each row comes from: a partition of a source, or a step.
    public let origins: Column
    /// Each record's offset in its partition, or a made row's key hash.
    public let offsets: Column
    /// Which element of its record each row is, after an unnest; nil where a record is one row. Breaks
    /// the tie of rows that share an origin and an offset.
    public var elements: Column?

    /// Added to an origin that is a step of the plan rather than a partition.
    public static let derived: Int64 = 1 << 62

    /// No rows yet, with room for `capacity`.
    public init(capacity: Int) {
        eventTimes = Column(.timestamp, capacity: capacity)
        watermarks = Column(.timestamp, capacity: capacity)
        origins = Column(.int64, capacity: capacity)
        offsets = Column(.int64, capacity: capacity)
    }

    private init(eventTimes: Column, watermarks: Column, origins: Column, offsets: Column) {
        self.eventTimes = eventTimes
        self.watermarks = watermarks
        self.origins = origins
        self.offsets = offsets
    }

    /// The number of rows.
    public var count: Int { eventTimes.count }

    /// The moment of event time at which the row is processed.
    @inline(__always) public func time(_ row: Int) -> Int64 {
        max(eventTimes.int64s[row], watermarks.int64s[row])
    }

    /// Appends the place of one row that is a whole record (call it before `elements` is set).
    public func append(eventTime: Int64, watermark: Int64, origin: Int64, offset: Int64) {
        eventTimes.append(eventTime)
        watermarks.append(watermark)
        origins.append(origin)
        offsets.append(offset)
    }

    /// Forgets every row and keeps the memory.
    public mutating func removeAll() {
        for column in [eventTimes, watermarks, origins, offsets] { column.removeAll() }
        elements = nil
    }

    /// Appends the place of row `row` of `other`.
    public mutating func append(from other: RowOrder, row: Int) {
        if let element = other.elements?.int64s[row] {
            if elements == nil {
                let zeros = Column(.int64, capacity: max(count + 1, 16))
                for _ in 0..<count { zeros.append(Int64(0)) }
                elements = zeros
            }
            elements!.append(element)
        } else {
            elements?.append(Int64(0))
        }
        append(
            eventTime: other.eventTimes.int64s[row], watermark: other.watermarks.int64s[row],
            origin: other.origins.int64s[row], offset: other.offsets.int64s[row])
    }

    /// The places of the rows at `rows`, in that order.
    public func gathered(_ rows: UnsafePointer<Int32>, count: Int) -> RowOrder {
        var picked = RowOrder(
            eventTimes: eventTimes.gathered(rows, count: count),
            watermarks: watermarks.gathered(rows, count: count),
            origins: origins.gathered(rows, count: count),
            offsets: offsets.gathered(rows, count: count))
        picked.elements = elements?.gathered(rows, count: count)
        return picked
    }

    /// Whether any row's time is before `watermark`.
    public func hasRow(before watermark: EventTime) -> Bool {
        let events = eventTimes.int64s
        let marks = watermarks.int64s
        let limit = watermark.micros
        var row = 0
        while row < count {
            if max(events[row], marks[row]) < limit { return true }
            row &+= 1
        }
        return false
    }
}
