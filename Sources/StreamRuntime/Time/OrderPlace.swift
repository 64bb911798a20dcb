/// A place in the total order of rows: a time, and among the rows of that time an origin and an offset.
///
/// A watermark is a place before all rows of its time. A step that makes many rows of one time, as the
/// end of a window does, promises places while it goes on, so that what is behind it need not hold them
/// all back until the time has passed.
public struct OrderPlace: Hashable, Comparable, Sendable {
    /// The rows' time, in microseconds (`RowOrder.time`).
    public let time: Int64
    /// Their origin.
    public let origin: Int64
    /// Their offset, which orders as unsigned.
    public let offset: UInt64

    /// The place of rows with this time, origin and offset.
    public init(time: Int64, origin: Int64, offset: Int64) {
        self.time = time
        self.origin = origin
        self.offset = UInt64(bitPattern: offset)
    }

    /// The place before every row of `time`.
    public init(_ time: EventTime) { self.init(time: time.micros, origin: .min, offset: 0) }

    /// Earlier places come first.
    public static func < (left: OrderPlace, right: OrderPlace) -> Bool {
        if left.time != right.time { return left.time < right.time }
        if left.origin != right.origin { return left.origin < right.origin }
        return left.offset < right.offset
    }
}
