import StreamRuntime

/// Writes a ranking.
struct RankAnswer {
    private let plan: RankPlan
    private let keys: [Column]
    private let reads: UnsafePointer<ViewRead>
    private let blocks: ByteArena
    private let computed: [ComputedFeatures]
    private let rows: Int
    private let now: Int64
    private let near: NearRows?

    init(
        plan: RankPlan, keys: [Column], reads: UnsafePointer<ViewRead>, blocks: ByteArena,
        computed: [ComputedFeatures], rows: Int, now: Int64, near: NearRows? = nil
    ) {
        self.near = near
        self.plan = plan
        self.keys = keys
        self.reads = reads
        self.blocks = blocks
        self.computed = computed
        self.rows = rows
        self.now = now
    }

    /// Appends the answer: the best `top` of the rows in `order`.
    func write(_ order: [Int], top: Int?, parts: Bool, to out: ByteArena) {
        JSONText.append("{\"service\":", to: out)
        JSONText.append(string: plan.service, to: out)
        JSONText.append(",\"ranked_by\":", to: out)
        JSONText.append(string: "\(plan.view):\(plan.ranking.score)", to: out)
        JSONText.append(",\"candidates\":", to: out)
        JSONText.append(integer: Int64(rows), to: out)
        JSONText.append(",\"excluded\":", to: out)
        JSONText.append(integer: Int64(rows - order.count), to: out)
        JSONText.append(",\"results\":[", to: out)
        let shown = order.prefix(top ?? order.count)
        let stored = parts ? storedParts() : []
        for (rank, row) in shown.enumerated() {
            if rank > 0 { JSONText.append(",", to: out) }
            JSONText.append("{\"rank\":", to: out)
            JSONText.append(integer: Int64(rank + 1), to: out)
            JSONText.append(",\"candidate\":", to: out)
            JSONText.append(integer: Int64(row), to: out)
            writeKeys(row, to: out)
            if let near {
                JSONText.append(",\"distance_miles\":", to: out)
                JSONText.append(number: near.rows[row].miles, to: out)
            }
            JSONText.append(",\"score\":", to: out)
            let score = computed[plan.score.view]
            _ = FeatureText.append(score.columns[plan.score.feature], row, to: out)
            JSONText.append(",\"status\":", to: out)
            append(status: score.status(row, plan.score.feature), to: out)
            if parts { writeParts(row, stored, to: out) }
            JSONText.append("}", to: out)
        }
        JSONText.append("]}", to: out)
    }

    private func writeKeys(_ row: Int, to out: ByteArena) {
        JSONText.append(",\"keys\":{", to: out)
        for (index, key) in plan.serving.joinKeys.enumerated() {
            if index > 0 { JSONText.append(",", to: out) }
            JSONText.append(string: key.field.name, to: out)
            JSONText.append(":", to: out)
            JoinKeyReader.render(keys[index], row, to: out)
        }
        JSONText.append("}", to: out)
    }

    /// The values of the parts that are stored; nil for those that are computed.
    private func storedParts() -> [Column?] {
        let views = plan.serving.views
        return plan.parts.map { part in
            guard !part.column.isComputed else { return nil }
            let view = views[part.column.view].declaration
            let reader = PayloadColumns(view, features: [view.features[part.column.feature].name])
            let columns = reader.makeColumns(rows: rows)
            for row in 0..<rows {
                let read = reads[row * views.count + part.column.view]
                if read.isPresent {
                    reader.append(blocks.base + read.payload, to: columns)
                } else {
                    columns[0].appendNull()
                }
            }
            return columns[0]
        }
    }

    /// Every feature of the service; statuses of those that are not simply there.
    private func writeParts(_ row: Int, _ stored: [Column?], to out: ByteArena) {
        JSONText.append(",\"parts\":{", to: out)
        var statuses: [(name: String, status: UInt8)] = []
        for (index, part) in plan.parts.enumerated() {
            if index > 0 { JSONText.append(",", to: out) }
            JSONText.append(string: part.name, to: out)
            JSONText.append(":", to: out)
            let status: UInt8
            if let column = stored[index] {
                let hasValue = FeatureText.append(column, row, to: out)
                status = self.status(part.column.view, row, hasValue: hasValue).rawValue
            } else {
                let features = computed[part.column.view]
                _ = FeatureText.append(features.columns[part.column.feature], row, to: out)
                status = features.status(row, part.column.feature)
            }
            if status != FeatureStatus.present.rawValue { statuses.append((part.name, status)) }
        }
        JSONText.append("},\"statuses\":{", to: out)
        for (index, entry) in statuses.enumerated() {
            if index > 0 { JSONText.append(",", to: out) }
            JSONText.append(string: entry.name, to: out)
            JSONText.append(":", to: out)
            append(status: entry.status, to: out)
        }
        JSONText.append("}", to: out)
    }

    private func status(_ view: Int, _ row: Int, hasValue: Bool) -> FeatureStatus {
        let views = plan.serving.views
        let read = reads[row * views.count + view]
        if !read.isPresent { return read.isCold ? .invalid : .notFound }
        if !hasValue { return .nullValue }
        let isOld = FeatureStatus.isExpired(
            eventMicros: read.eventTime, ttlMicros: views[view].declaration.ttlMicros,
            nowMicros: now)
        return isOld ? .outsideMaxAge : .present
    }

    private func append(status: UInt8, to out: ByteArena) {
        JSONText.append(
            string: (FeatureStatus(rawValue: status) ?? .invalid).wireName, to: out)
    }
}
