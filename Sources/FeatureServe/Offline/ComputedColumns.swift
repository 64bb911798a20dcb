import StreamRuntime

/// Computes on-demand features for labels, as a lookup at each label's moment would have.
public struct ComputedColumns {
    /// The view that is computed.
    public let view: OnDemandView
    private let sources: [(declaration: FeatureView, reader: PayloadColumns)]
    private let asksTheTime: Bool

    /// What computes `view` of `catalog`.
    public init(_ view: OnDemandView, catalog: FeatureCatalog) {
        self.view = view
        sources = view.sources.map { source in
            let declaration = catalog.view(source.view)!
            return (declaration, PayloadColumns(declaration, features: source.features))
        }
        // Some rows may then have other values at other moments, and a transform knows one moment.
        asksTheTime = view.expressions.contains { $0.lowercased().contains("now") }
    }

    /// The features of `rows` labels, with their statuses.
    ///
    /// - Parameters:
    ///   - request: the request's columns, in the order of the view's `request`.
    ///   - moments: the labels' moments.
    ///   - record: the version found for a source (by its position) and a row.
    public func compute(
        request: [Column], rows: Int, moments: UnsafePointer<Int64>,
        record: (Int, Int) -> UnsafeBufferPointer<UInt8>?
    ) -> (values: [Column], statuses: [Column]) {
        guard asksTheTime else {
            return compute(request: request, from: 0, rows: rows, moments: moments, record: record)
        }
        let values = view.features.map { Column($0.type, capacity: rows) }
        let statuses = view.features.map { _ in Column(.string, capacity: rows) }
        for row in 0..<rows {
            let one = request.map { column in
                let single = Column(column.type, capacity: 1)
                single.append(from: column, row: row)
                return single
            }
            let made = compute(
                request: one, from: row, rows: 1, moments: moments, record: record)
            for (feature, column) in values.enumerated() {
                column.append(from: made.values[feature], row: 0)
                statuses[feature].append(from: made.statuses[feature], row: 0)
            }
        }
        return (values, statuses)
    }

    private func compute(
        request: [Column], from first: Int, rows: Int, moments: UnsafePointer<Int64>,
        record: (Int, Int) -> UnsafeBufferPointer<UInt8>?
    ) -> (values: [Column], statuses: [Column]) {
        var stored: [[Column]] = []
        var old: [(source: Int, row: Int)] = []
        for (number, source) in sources.enumerated() {
            let columns = source.reader.makeColumns(rows: rows)
            for row in 0..<rows {
                guard let found = record(number, first + row), let version = FeatureVersion(found),
                    !version.flags.contains(.deleted)
                else {
                    source.reader.appendStandIns(to: columns)
                    continue
                }
                source.reader.append(found.baseAddress! + version.payloadStart, to: columns)
                if FeatureStatus.isExpired(
                    eventMicros: version.eventTime, ttlMicros: source.declaration.ttlMicros,
                    nowMicros: moments[first + row])
                {
                    old.append((number, row))
                }
            }
            stored.append(columns)
        }
        let result = view.transform.evaluate(
            OnDemandInputs(
                request: request, stored: stored, rows: rows, nowMicros: moments[first]))
        var features = ComputedFeatures(result, rows: rows)
        for (source, row) in old {
            for feature in view.dependencies.indices
            where view.dependencies[feature].contains(source) {
                features.markOld(row, feature)
            }
        }
        let statuses = view.features.indices.map { feature in
            let column = Column(.string, capacity: rows)
            for row in 0..<rows {
                VersionColumns.append(
                    FeatureStatus(rawValue: features.status(row, feature)) ?? .invalid, to: column)
            }
            return column
        }
        return (result.columns, statuses)
    }
}
