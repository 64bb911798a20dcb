import StreamRuntime

/// What a run that has ended took, as one JSON line for programs.
struct RunFigures {
    private let plan: JobPlan
    private let summary: JobRunner.Summary

    init(plan: JobPlan, summary: JobRunner.Summary) {
        self.plan = plan
        self.summary = summary
    }

    /// Records, seconds, late rows, checkpoints, and each step's rows and time.
    var json: String {
        let checkpoints = summary.checkpoints
        let late = summary.figures.values.reduce(0) { $0 + ($1[.late] ?? 0) }
        let steps = plan.steps.map { step in
            let known = summary.figures[step.id] ?? [:]
            return "{\"step\":\"\(step.id)\",\"verb\":\"\(step.verb)\""
                + ",\"rows_in\":\(known[.rowsIn] ?? 0),\"rows_out\":\(known[.rowsOut] ?? 0)"
                + ",\"busy_ms\":\((known[.busyNanos] ?? 0) / 1_000_000)}"
        }
        return "{\"records\":\(summary.rows),\"seconds\":\(thousandths(summary.nanos))"
            + ",\"late\":\(late),\"checkpoints\":\(checkpoints.count)"
            + ",\"checkpoint_ms\":\(checkpoints.lastNanos / 1_000_000)"
            + ",\"checkpoint_bytes\":\(checkpoints.lastBytes)"
            + ",\"longest_pause_ms\":\(checkpoints.longestPauseNanos / 1_000_000)"
            + ",\"steps\":[" + steps.joined(separator: ",") + "]}"
    }

    private func thousandths(_ nanos: Int64) -> String {
        let millis = nanos / 1_000_000
        let rest = String(millis % 1000)
        return "\(millis / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
