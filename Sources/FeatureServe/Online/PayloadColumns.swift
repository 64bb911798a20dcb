import StreamRuntime

/// Reads some features of a view's payloads into columns.
public struct PayloadColumns: Sendable {
    /// Every feature of the view with the column it goes to; nil for one that is not wanted.
    private let features: [(type: ColumnType, column: Int?)]
    private let wanted: [FeatureDefinition]
    /// Features up to the last wanted one.
    private let count: Int

    /// A reader of `names`, features of `view`, into columns in that order.
    public init(_ view: FeatureView, features names: [String]) {
        features = view.features.map { field in
            (field.type, names.firstIndex(of: field.name))
        }
        wanted = names.map { name in view.definitions.first { $0.name == name }! }
        count = (features.lastIndex { $0.column != nil } ?? -1) + 1
    }

    /// Empty columns for `rows` rows.
    public func makeColumns(rows: Int) -> [Column] {
        wanted.map { Column($0.type, capacity: rows) }
    }

    /// Appends the values of `payload`, one row.
    func append(_ payload: UnsafePointer<UInt8>, to columns: [Column]) {
        var reader = PayloadReader(payload, features: features.count)
        var index = 0
        while index < count {
            let (type, column) = features[index]
            if !reader.isPresent(index) {
                if let column { columns[column].appendNull() }
            } else if let column {
                reader.append(type, to: columns[column])
            } else {
                reader.skip(type)
            }
            index &+= 1
        }
    }

    /// Appends what stands in for values that were never written: the defaults where degrading allows them.
    public func appendStandIns(to columns: [Column]) {
        for (feature, column) in zip(wanted, columns) {
            (feature.standIn ?? .null).append(to: column)
        }
    }
}

extension PayloadReader {
    /// Appends the next value, which is there, to a column of its type.
    mutating func append(_ type: ColumnType, to column: Column) {
        switch type {
        case .bool: column.append(byte() != 0)
        case .int64, .timestamp, .date: column.append(integer())
        case .float64: column.append(number().value)
        case .decimal: column.append(decimal())
        case .string, .bytes: column.append(bytes())
        case .list(let element):
            let elements = column.children[0]
            let start = elements.count
            for _ in 0..<count() {
                if byte() == 0 {
                    elements.appendNull()
                } else {
                    append(element, to: elements)
                }
            }
            column.appendList(from: start)
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
    }

    /// Goes past the next value, which is there.
    mutating func skip(_ type: ColumnType) {
        switch type {
        case .bool: _ = byte()
        case .int64, .timestamp, .date: _ = integer()
        case .float64: _ = number()
        case .decimal: _ = decimal()
        case .string, .bytes: _ = bytes()
        case .list(let element): for _ in 0..<count() where byte() != 0 { skip(element) }
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
    }
}
