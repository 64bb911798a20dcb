import StreamRuntime

/// Turns versions into columns of values and statuses, as a lookup would have answered.
public struct VersionColumns {
    private let features: [Field]
    private let wanted: [Bool]
    private let ttlMicros: Int64

    /// Columns of the features of `view` at the positions `wanted`.
    public init(of view: FeatureView, wanted: [Int]) {
        features = view.features
        self.wanted = view.features.indices.map { wanted.contains($0) }
        ttlMicros = view.ttlMicros
    }

    /// Appends a row: what `record`, a version's bytes, says at `moment`; nil for nothing found.
    ///
    /// - Shape: `values` and `statuses` have a column for each wanted feature, in the view's order.
    /// - Returns: the event time; nil when nothing was found.
    public func append(
        _ record: UnsafeBufferPointer<UInt8>?, at moment: Int64, to values: [Column],
        statuses: [Column]
    ) -> Int64? {
        guard let record, let base = record.baseAddress, let version = FeatureVersion(record),
            !version.flags.contains(.deleted)
        else {
            for column in values { column.appendNull() }
            for column in statuses { VersionColumns.append(.notFound, to: column) }
            return nil
        }
        let usual: FeatureStatus =
            FeatureStatus.isExpired(
                eventMicros: version.eventTime, ttlMicros: ttlMicros, nowMicros: moment)
            ? .outsideMaxAge : .present
        var reader = PayloadReader(base + version.payloadStart, features: features.count)
        var column = 0
        for (index, feature) in features.enumerated() {
            let isPresent = reader.isPresent(index)
            guard wanted[index] else {
                if isPresent { reader.skip(feature.type) }
                continue
            }
            if isPresent, VersionColumns.append(&reader, feature.type, to: values[column]) {
                VersionColumns.append(usual, to: statuses[column])
            } else {
                if !isPresent { values[column].appendNull() }
                VersionColumns.append(.nullValue, to: statuses[column])
            }
            column += 1
        }
        return version.eventTime
    }

    /// Appends a status by its name on the wire.
    public static func append(_ status: FeatureStatus, to column: Column) {
        let name: StaticString =
            switch status {
            case .invalid: "INVALID"
            case .present: "PRESENT"
            case .nullValue: "NULL_VALUE"
            case .notFound: "NOT_FOUND"
            case .outsideMaxAge: "OUTSIDE_MAX_AGE"
            }
        column.append(name.withUTF8Buffer { $0 })
    }

    /// Appends the next value; a double that is no number as null, as answers have it.
    ///
    /// - Returns: whether it is a value.
    private static func append(
        _ reader: inout PayloadReader, _ type: ColumnType, to column: Column
    ) -> Bool {
        guard case .float64 = type else {
            reader.append(type, to: column)
            return true
        }
        let value = reader.number().value
        guard !value.isNaN else {
            column.appendNull()
            return false
        }
        column.append(value)
        return true
    }
}
