/// A moment of event time: microseconds since 1970-01-01T00:00:00Z.
public struct EventTime: Hashable, Comparable, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z.
    public let micros: Int64

    /// The moment this many microseconds after 1970 began.
    public init(micros: Int64) { self.micros = micros }

    /// Before every event: the watermark of a partition that has shown nothing yet.
    public static let earliest = EventTime(micros: .min)
    /// After every event: the watermark at the end of the input.
    public static let endOfTime = EventTime(micros: .max)

    /// Earlier moments come first.
    public static func < (left: EventTime, right: EventTime) -> Bool { left.micros < right.micros }
}
