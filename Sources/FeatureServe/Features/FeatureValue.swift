import StreamRuntime

/// One value of a feature outside of columns: a default.
///
/// - Shape: `integer` is an int64, a timestamp in microseconds or a date in days; `decimal` is unscaled; `text`
///   is the bytes of a string or bytes value. The type it belongs to is kept beside it.
public indirect enum FeatureValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case decimal(Int128)
    case text([UInt8])
    case list([FeatureValue])

    /// Row `row` of `column`, which is not a struct or an interval.
    public init(_ column: Column, row: Int) {
        guard column.isValid(row) else {
            self = .null
            return
        }
        switch column.type {
        case .bool: self = .bool(column.bools[row] != 0)
        case .int64, .timestamp, .date: self = .integer(column.int64s[row])
        case .float64: self = .number(column.float64s[row])
        case .decimal: self = .decimal(column.decimals[row])
        case .string, .bytes: self = .text(Array(column.bytes(row)))
        case .list:
            let start = ByteView.start(column.views[row])
            let end = start + ByteView.length(column.views[row])
            self = .list((start..<end).map { FeatureValue(column.children[0], row: $0) })
        case .interval, .structure: self = .null
        }
    }

    /// Appends the value to a column of its type.
    public func append(to column: Column) {
        switch self {
        case .null: column.appendNull()
        case .bool(let value): column.append(value)
        case .integer(let value): column.append(value)
        case .number(let value): column.append(value)
        case .decimal(let value): column.append(value)
        case .text(let bytes): bytes.withUnsafeBufferPointer { column.append($0) }
        case .list(let elements):
            let start = column.children[0].count
            for element in elements { element.append(to: column.children[0]) }
            column.appendList(from: start)
        }
    }

    /// A column of `type` with the value as its one row.
    public func column(of type: ColumnType) -> Column {
        let column = Column(type, capacity: 1)
        append(to: column)
        return column
    }

    /// The value as answers show it.
    public func json(_ type: ColumnType) -> String {
        let arena = ByteArena(capacity: 32)
        _ = FeatureText.append(column(of: type), 0, to: arena)
        return String(
            decoding: UnsafeBufferPointer(start: arena.base, count: arena.count), as: UTF8.self)
    }
}
