import StreamRuntime

/// An on-demand view of a serving plan: where its inputs are among what the plan reads.
struct ComputedView: Sendable {
    /// A stored view it reads.
    struct Source: Sendable {
        /// The position in the plan's views.
        let view: Int
        let declaration: FeatureView
        let reader: PayloadColumns
    }

    let declaration: OnDemandView
    /// Positions in the plan's inputs.
    let inputs: [Int]
    let sources: [Source]
    let statuses: [Counter]
    let failures: Counter

    init(
        _ view: OnDemandView, views: [ServingPlan.View], inputs: [RequestInput],
        metrics: MetricsRegistry
    ) {
        declaration = view
        self.inputs = view.request.map { field in
            inputs.firstIndex { $0.field.name == field.field.name }!
        }
        sources = view.sources.map { source in
            let at = views.firstIndex { $0.declaration.name == source.view }!
            return Source(
                view: at, declaration: views[at].declaration,
                reader: PayloadColumns(views[at].declaration, features: source.features))
        }
        statuses = ServingPlan.statusCounters(view.name, metrics)
        failures = metrics.counter(
            "millrace_on_demand_failures_total",
            help: "Rows an on-demand feature could not be computed for.",
            labels: [("feature_view", view.name)])
    }

    /// The features of `rows` rows.
    ///
    /// - Shape: `reads` has `viewCount` entries for each row, with payloads in `blocks`.
    func compute(
        _ columns: [Column], reads: UnsafePointer<ViewRead>, viewCount: Int, blocks: ByteArena,
        rows: Int, now: Int64
    ) -> ComputedFeatures {
        var stored: [[Column]] = []
        for source in sources {
            let columns = source.reader.makeColumns(rows: rows)
            var row = 0
            while row < rows {
                let read = reads[row &* viewCount &+ source.view]
                if read.isPresent {
                    source.reader.append(blocks.base + read.payload, to: columns)
                } else {
                    source.reader.appendStandIns(to: columns)
                }
                row &+= 1
            }
            stored.append(columns)
        }
        let result = declaration.transform.evaluate(
            OnDemandInputs(
                request: inputs.map { columns[$0] }, stored: stored, rows: rows, nowMicros: now))
        var features = ComputedFeatures(result, rows: rows)
        for (position, source) in sources.enumerated() {
            let dependents = declaration.dependencies.indices.filter {
                declaration.dependencies[$0].contains(position)
            }
            var row = 0
            while row < rows {
                let read = reads[row &* viewCount &+ source.view]
                if read.isPresent,
                    FeatureStatus.isExpired(
                        eventMicros: read.eventTime, ttlMicros: source.declaration.ttlMicros,
                        nowMicros: now)
                {
                    for feature in dependents { features.markOld(row, feature) }
                } else if read.isCold {
                    for feature in dependents { features.markUnknown(row, feature) }
                }
                row &+= 1
            }
        }
        features.report(statuses)
        if !result.failures.isEmpty { failures.add(result.failures.count) }
        return features
    }
}

/// Features that were computed for a request, with their statuses.
struct ComputedFeatures {
    let columns: [Column]
    let rows: Int
    /// A status for each row of each column, column by column.
    private var statuses: [UInt8]

    init(_ result: OnDemandResult, rows: Int) {
        columns = result.columns
        self.rows = rows
        statuses = [UInt8](
            repeating: FeatureStatus.present.rawValue, count: rows * result.columns.count)
        for (feature, column) in columns.enumerated() {
            for row in 0..<rows where !ComputedFeatures.hasValue(column, row) {
                statuses[feature * rows + row] = FeatureStatus.nullValue.rawValue
            }
        }
        for failure in result.failures {
            statuses[failure.feature * rows + failure.row] = FeatureStatus.invalid.rawValue
        }
    }

    private static func hasValue(_ column: Column, _ row: Int) -> Bool {
        column.isValid(row) && !(column.type == .float64 && column.float64s[row].isNaN)
    }

    /// The status of a value, as `FeatureStatus` numbers them.
    func status(_ row: Int, _ feature: Int) -> UInt8 { statuses[feature * rows + row] }

    /// Something the value was computed from has outlived its ttl.
    mutating func markOld(_ row: Int, _ feature: Int) {
        let at = feature * rows + row
        if statuses[at] == FeatureStatus.present.rawValue {
            statuses[at] = FeatureStatus.outsideMaxAge.rawValue
        }
    }

    /// Something the value was computed from was not there in time: a stand-in took its place.
    mutating func markUnknown(_ row: Int, _ feature: Int) {
        statuses[feature * rows + row] = FeatureStatus.invalid.rawValue
    }

    /// Counts the statuses of all values.
    func report(_ counters: [Counter]) {
        for (kind, status) in FeatureStatus.allCases.enumerated() {
            let count = statuses.count { $0 == status.rawValue }
            if count > 0 { counters[kind].add(count) }
        }
    }
}
