import StreamRuntime

/// What an answer says beyond Feast's contract.
struct LookupExtras {
    var details: LookupOptions.Details = []
    /// The checkpoint whose snapshot it is.
    var epoch: UInt32?
    /// The moment it is given for.
    var asOf: Int64?
    /// Whether the record that was waited for has been applied.
    var applied: Bool?
    /// Whether the deadline came before all values were there; nil when there was none.
    var isOverdue: Bool?
    /// Whose features they are, when a place was asked about.
    var near: NearRows?
}

extension LookupAnswer {
    /// Appends the members of a column that were asked for, each with one element a row.
    func writeDetails(
        _ details: LookupOptions.Details, of column: ServingPlan.OutputColumn,
        _ plan: ServingPlan, store: OnlineStore, rows: Int, reads: UnsafePointer<ViewRead>,
        now: Int64, to out: ByteArena
    ) {
        let view = plan.views[column.view].declaration
        let feature = view.features[column.feature].name
        func list(
            _ name: StaticString, _ value: (ViewRead) -> Bool
        ) {
            JSONText.append(name, to: out)
            for row in 0..<rows {
                if row > 0 { JSONText.append(",", to: out) }
                let read = reads[row &* plan.views.count &+ column.view]
                if !read.isPresent || !value(read) { JSONText.append("null", to: out) }
            }
            JSONText.append("]", to: out)
        }
        if details.contains(.visibleTime) {
            list(",\"visible_timestamps\":[") { read in
                JSONText.append(timestamp: read.visibleTime, to: out)
                return true
            }
        }
        if details.contains(.age) {
            list(",\"ages\":[") { read in
                JSONText.append(number: Double(now - read.eventTime) / 1e6, to: out)
                return true
            }
        }
        if details.contains(.interval) {
            list(",\"intervals\":[") { read in
                guard
                    let window = store.provenance.interval(
                        view: view.name, feature: feature, eventMicros: read.eventTime)
                else { return false }
                JSONText.append("{\"from\":", to: out)
                JSONText.append(timestamp: window.from, to: out)
                JSONText.append(",\"to\":", to: out)
                JSONText.append(timestamp: window.to, to: out)
                JSONText.append("}", to: out)
                return true
            }
        }
        if details.contains(.definition) {
            JSONText.append(",\"definition_hash\":", to: out)
            JSONText.append(string: view.definition.text, to: out)
        }
        if details.contains(.degraded) {
            JSONText.append(",\"degraded\":[", to: out)
            for row in 0..<rows {
                if row > 0 { JSONText.append(",", to: out) }
                let status = statuses[row &* plan.views.count &+ column.view]
                JSONText.append(LookupAnswer.degraded(status, column), to: out)
            }
            JSONText.append("]", to: out)
        }
        if details.contains(.offsets) {
            list(",\"offsets\":[") { read in
                guard let place = store.place(of: read.origin) else {
                    // No one record made it: clients wrote it, or a step did of many.
                    if read.origin == ViewVersion.noOrigin {
                        JSONText.append("{\"topic\":null,\"made_by\":\"push\"}", to: out)
                    } else if read.origin >= RowOrder.derived {
                        JSONText.append("{\"topic\":null,\"made_by\":\"step\"}", to: out)
                    } else {
                        return false
                    }
                    return true
                }
                JSONText.append("{\"topic\":", to: out)
                JSONText.append(string: place.topic, to: out)
                JSONText.append(",\"partition\":", to: out)
                JSONText.append(integer: Int64(place.partition), to: out)
                JSONText.append(",\"offset\":", to: out)
                JSONText.append(integer: read.offset, to: out)
                JSONText.append("}", to: out)
                return true
            }
        }
    }

    /// Appends the column of distances; they are about no event.
    func writeDistances(_ near: NearRows, to out: ByteArena) {
        func list(_ name: StaticString, _ value: (NearRows.Row) -> Void) {
            JSONText.append(name, to: out)
            for (row, entry) in near.rows.enumerated() {
                if row > 0 { JSONText.append(",", to: out) }
                value(entry)
            }
            JSONText.append("]", to: out)
        }
        list(",{\"values\":[") { JSONText.append(number: $0.miles, to: out) }
        list(",\"statuses\":[") { _ in JSONText.append("\"PRESENT\"", to: out) }
        list(",\"event_timestamps\":[") { _ in JSONText.append(LookupAnswer.epoch, to: out) }
        JSONText.append("}", to: out)
    }

    /// What was given in the place of a current value.
    private static func degraded(
        _ status: UInt8, _ column: ServingPlan.OutputColumn
    ) -> StaticString {
        switch FeatureStatus(rawValue: status) {
        case .outsideMaxAge:
            switch column.aged {
            case .lastKnown: "\"last_known\""
            case .standIn: "\"default\""
            case .null: "\"null\""
            }
        case .notFound, .invalid: column.standIn == nil ? "\"null\"" : "\"default\""
        default: "null"
        }
    }

    /// Appends the members of `metadata` that say how the answer came about.
    func write(_ extras: LookupExtras, to out: ByteArena) {
        if let epoch = extras.epoch {
            JSONText.append(",\"snapshot_epoch\":", to: out)
            JSONText.append(integer: Int64(epoch), to: out)
        }
        if let moment = extras.asOf {
            JSONText.append(",\"as_of\":", to: out)
            JSONText.append(timestamp: moment, to: out)
        }
        if let applied = extras.applied {
            JSONText.append(",\"wait_for\":{\"applied\":", to: out)
            JSONText.append(applied ? "true}" : "false}", to: out)
        }
        if let near = extras.near {
            JSONText.append(",\"near\":{\"found\":", to: out)
            JSONText.append(integer: Int64(near.rows.count), to: out)
            JSONText.append(",\"complete\":", to: out)
            JSONText.append(near.isComplete ? "true}" : "false}", to: out)
        }
        if let isOverdue = extras.isOverdue {
            JSONText.append(",\"deadline_exceeded\":", to: out)
            JSONText.append(isOverdue ? "true" : "false", to: out)
        }
    }
}
