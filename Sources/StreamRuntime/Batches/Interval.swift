/// A SQL interval: three parts that are never folded into each other.
///
/// - Source: DuckDB and PostgreSQL keep intervals this way, because months and days vary in length.
public struct Interval: Hashable, Sendable {
    /// Whole months.
    public var months: Int32
    /// Whole days.
    public var days: Int32
    /// What is left, in microseconds.
    public var micros: Int64

    /// An interval of these parts.
    public init(months: Int32 = 0, days: Int32 = 0, micros: Int64 = 0) {
        self.months = months
        self.days = days
        self.micros = micros
    }
}
