import StreamRuntime

/// The status of every row of an answer in every view of its plan, and how many values have which.
struct AnswerStatuses {
    private static let kinds = FeatureStatus.allCases.count

    private var statuses: [UInt8] = []
    /// By view, then by status.
    private var counts: [Int] = []

    /// The raw status at row × views + view.
    @inline(__always) subscript(index: Int) -> UInt8 { statuses[index] }

    /// Decides the statuses of `rows` rows, and counts all values of a view with its status.
    ///
    /// - Shape: `reads` holds for each row one entry for each of the plan's views.
    mutating func judge(
        _ plan: ServingPlan, rows: Int, reads: UnsafePointer<ViewRead>, now: Int64
    ) {
        let views = plan.views.count
        statuses.removeAll(keepingCapacity: true)
        counts.removeAll(keepingCapacity: true)
        for _ in 0..<(views * AnswerStatuses.kinds) { counts.append(0) }
        var row = 0
        while row < rows {
            var view = 0
            while view < views {
                let read = reads[row &* views &+ view]
                let status: FeatureStatus =
                    if !read.isPresent {
                        read.isCold ? .invalid : .notFound
                    } else if FeatureStatus.isExpired(
                        eventMicros: read.eventTime,
                        ttlMicros: plan.views[view].declaration.ttlMicros, nowMicros: now)
                    {
                        .outsideMaxAge
                    } else {
                        .present
                    }
                statuses.append(status.rawValue)
                counts[place(view, status.rawValue)] &+= plan.views[view].columns
                view &+= 1
            }
            row &+= 1
        }
    }

    /// Counts one value of a view under another status than its row's.
    @inline(__always) mutating func recount(view: Int, from: UInt8, to: UInt8) {
        counts[place(view, from)] &-= 1
        counts[place(view, to)] &+= 1
    }

    /// Adds what was counted to the plan's figures.
    func report(_ plan: ServingPlan) {
        for (index, view) in plan.views.enumerated() {
            for (kind, status) in FeatureStatus.allCases.enumerated() {
                let count = counts[place(index, status.rawValue)]
                if count != 0 { view.statuses[kind].add(count) }
            }
        }
    }

    @inline(__always) private func place(_ view: Int, _ status: UInt8) -> Int {
        view &* AnswerStatuses.kinds &+ Int(status)
    }
}
