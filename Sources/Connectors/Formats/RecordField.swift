import StreamRuntime

/// One field a stream declares: where its value is in a record, and what it must be.
///
/// Missing and null values become null unless the field is `required`.
public struct RecordField: Sendable {
    /// The name of the column.
    public let name: String
    /// What the values are.
    public let type: ColumnType
    /// What part of the record the value comes from.
    public let from: Origin
    /// The members to follow from the top of the document, or the one column of a CSV row.
    public let path: [String]
    /// Whether a record without a value for the field is rejected.
    public let isRequired: Bool
    /// What a number stands for where a timestamp or a date is expected.
    public let unit: TimeUnit
    /// Where clocks show the times that are written without a zone; nil for UTC.
    public let zone: LocalZone?
    /// Whether a string field also takes numbers, booleans, objects and arrays, as their JSON text.
    public let takesAnyText: Bool

    /// The part of a record that a field is read from.
    public enum Origin: Equatable, Sendable {
        case value, key, timestamp, offset, partition
        case header(String)
    }

    /// Declares a field.
    ///
    /// - Shape: `path` in dots ("data.object.id"); without one the field's name is its path.
    public init(
        _ name: String, _ type: ColumnType, path: String? = nil, from: Origin = .value,
        isRequired: Bool = false, unit: TimeUnit = .automatic, zone: LocalZone? = nil,
        takesAnyText: Bool = false
    ) {
        self.init(
            name, type, members: path.map { $0.split(separator: ".").map(String.init) } ?? [name],
            from: from, isRequired: isRequired, unit: unit, zone: zone, takesAnyText: takesAnyText)
    }

    /// Declares a field whose path is these members; a format with paths of its own has one member.
    public init(
        _ name: String, _ type: ColumnType, members: [String], from: Origin = .value,
        isRequired: Bool = false, unit: TimeUnit = .automatic, zone: LocalZone? = nil,
        takesAnyText: Bool = false
    ) {
        self.name = name
        self.type = type
        self.from = from
        path = members
        self.isRequired = isRequired
        self.unit = unit
        self.zone = zone
        self.takesAnyText = takesAnyText
    }

    /// The field of a struct, read as this field is.
    func member(_ inner: Field) -> RecordField {
        RecordField(
            inner.name, inner.type, members: path + [inner.name], from: from, unit: unit,
            zone: zone, takesAnyText: takesAnyText)
    }

    /// The column this field makes.
    public var column: Field { Field(name, type) }
}

/// What a number means where a moment is expected.
public enum TimeUnit: String, Sendable, CaseIterable {
    /// ISO-8601 text; numbers are milliseconds, or days for a date.
    case automatic = "auto"
    /// ISO-8601 text only.
    case iso
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
    case nanoseconds = "ns"
    case days
    /// Digits of a calendar and a clock: yyyymmdd, yyyymmddhhmm, yyyymmddhhmmss; zeros are no date.
    case basic

    /// The microseconds of one unit as a power of ten; nil when numbers are refused, and negative
    /// for a unit finer than a microsecond.
    var microsExponent: Int? {
        switch self {
        case .automatic, .milliseconds: 3
        case .seconds: 6
        case .microseconds: 0
        case .nanoseconds: -3
        case .iso, .days, .basic: nil
        }
    }
}

extension Schema {
    /// The columns that these fields make.
    public init(_ fields: [RecordField]) { self.init(fields.map(\.column)) }
}
