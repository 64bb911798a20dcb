/// The type of a column: what a value means and how it lies in memory.
///
/// - Shape: bool is one byte a row; int64, float64, timestamp and date are eight; decimal and
///   interval are sixteen; string, bytes and list are an eight-byte view; a struct has no values of
///   its own, only fields.
/// - Units: timestamps are microseconds since 1970-01-01T00:00:00Z, dates are days since 1970-01-01.
public indirect enum ColumnType: Hashable, Sendable {
    case bool
    case int64
    case float64
    /// An exact number of at most 38 digits, `scale` of them after the point.
    case decimal(precision: Int, scale: Int)
    case timestamp
    case date
    /// Months, days and microseconds, as SQL's intervals keep them; only inside expressions.
    case interval
    case string
    case bytes
    case list(ColumnType)
    case structure([Field])

    /// Bytes one row takes in `Column.values`; 0 for a struct.
    public var stride: Int {
        switch self {
        case .bool: 1
        case .int64, .float64, .timestamp, .date, .string, .bytes, .list: 8
        case .decimal, .interval: 16
        case .structure: 0
        }
    }

    /// Whether rows are views (start in the low half, length in the high half) into an arena.
    public var isBytes: Bool { self == .string || self == .bytes }
}

/// A named, typed column of a schema or a struct.
public struct Field: Hashable, Sendable {
    /// What it is called.
    public let name: String
    /// What its values are.
    public let type: ColumnType

    /// A field of this name and type.
    public init(_ name: String, _ type: ColumnType) {
        self.name = name
        self.type = type
    }
}

extension ColumnType: CustomStringConvertible {
    /// The type as a user writes it in a pipelines file.
    public var description: String {
        switch self {
        case .bool: "bool"
        case .int64: "int64"
        case .float64: "double"
        case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
        case .timestamp: "timestamp"
        case .date: "date"
        case .interval: "interval"
        case .string: "string"
        case .bytes: "bytes"
        case .list(let element): "list<\(element)>"
        case .structure(let fields):
            "struct<" + fields.map { "\($0.name): \($0.type)" }.joined(separator: ", ") + ">"
        }
    }
}
