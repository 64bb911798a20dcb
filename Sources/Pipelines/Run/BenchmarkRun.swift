import StreamRuntime

/// Runs a pipelines file to the end of its input and tells what that took: for benchmarks and tools.
public enum BenchmarkRun {
    /// What a run took.
    public struct Report: Sendable {
        /// Records read.
        public let rows: Int64
        /// Rows the sinks took.
        public let rowsOut: Int64
        /// What outputs say that only count.
        public let counts: [OutputCount]
        /// How long the run took, from the start of the workers to their end.
        public let seconds: Double
        /// Checkpoints that became whole.
        public let checkpoints: Int
        /// The longest any task stood still for a checkpoint.
        public let longestPauseMillis: Double
        /// The longest time from a barrier to its manifest.
        public let checkpointMillis: Double
        /// How far behind the clock rows came to the first sink.
        public let lag: EventLag?
    }

    /// Runs the file at `path`; without `serving` its features are not served.
    ///
    /// - Parameters:
    ///   - isStopping: ends a run that would go on with its input; nil: it ends with it.
    ///   - serving: told, once, the free port that features are served on.
    /// - Throws: `JobFailure`; an invalid file is one too, with its errors as the problem.
    public static func run(
        path: String, workers: Int, batchRows: Int? = nil, isStopping: (() -> Bool)? = nil,
        serving: ((Int) -> Void)? = nil
    ) throws(JobFailure) -> Report {
        let plan: JobPlan
        switch PlanReader.read(path: path, only: []) {
        case .success(let read): plan = read
        case .failure(let outcome):
            throw JobFailure(.environment, outcome.text, at: path, remedy: "correct the file")
        }
        var options = RunOptions(
            untilEnd: isStopping == nil, workers: workers, port: 0, serves: serving != nil)
        options.batchRows = batchRows
        options.isQuiet = true
        let runner = JobRunner(plan: plan, options: options)
        defer { runner.stopServing() }
        var isTold = false
        let summary = try runner.run {
            if !isTold, let port = runner.servedPort {
                isTold = true
                serving?(port)
            }
            return isStopping?() ?? false
        }
        if case .failed(let failure) = summary.outcome { throw failure }
        return Report(
            rows: summary.rows,
            rowsOut: plan.sinks.reduce(0) { $0 + (summary.figures[$1.id]?[.rowsIn] ?? 0) },
            counts: OutputCount.all(of: plan, summary.figures),
            seconds: Double(summary.nanos) / 1e9, checkpoints: summary.checkpoints.count,
            longestPauseMillis: Double(summary.checkpoints.longestPauseNanos) / 1e6,
            checkpointMillis: Double(summary.checkpoints.lastNanos) / 1e6,
            lag: plan.sinks.first.flatMap { summary.lags[$0.id] })
    }
}
