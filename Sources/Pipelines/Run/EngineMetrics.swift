import FeatureServe
import StreamRuntime

/// The engine's figures under their Prometheus names.
enum EngineMetrics {
    /// Registers every figure of `job`, in place of those of a job before it; read when the endpoint is asked.
    ///
    /// - Parameters:
    ///   - share: the share of a job that is cut into shares; a label of every figure.
    ///   - isThere: when false, the figures are left out.
    static func register(
        _ job: Job, in registry: MetricsRegistry, clock: any Clock, share: Int? = nil,
        while isThere: @escaping @Sendable () -> Bool = { true }
    ) {
        let shared = share.map { [MetricsRegistry.Label("share", "\($0)")] } ?? []
        let totals: [(StepCounters.Figure, String, String)] = [
            (.rowsIn, "millrace_rows_in_total", "Rows a step took."),
            (.rowsOut, "millrace_rows_out_total", "Rows a step gave on its main output."),
            (.batchesIn, "millrace_batches_in_total", "Batches that a step's rows came in."),
            (.late, "millrace_rows_late_total", "Rows that came too late for their window."),
            (.rejected, "millrace_rows_rejected_total", "Records and rows that could not be used."),
            (.skipped, "millrace_records_skipped_total", "Records known to be about no row."),
            (.duplicates, "millrace_rows_duplicate_total", "Rows dropped as duplicates."),
            (.stale, "millrace_rows_stale_total", "Rows older than what was known."),
            (.forgotten, "millrace_rows_forgotten_total", "Rows of joins whose ttl was over."),
            (.passedOver, "millrace_rows_passed_over_total", "Rows that no entry of a step took."),
            (
                .offsetsSkipped, "millrace_offsets_skipped_total",
                "Offsets of a topic that hold no record: compacted, or marks of transactions."
            ),
        ]
        for (step, workers) in job.counters.sorted(by: { $0.key < $1.key }) {
            let labels = shared + [MetricsRegistry.Label("step", step)]
            for (figure, name, help) in totals {
                registry.reading(name, help: help, labels: labels, grows: true) {
                    isThere() ? Double(workers.reduce(0) { $0 + $1.read(figure) }) : nil
                }
            }
            registry.readings(
                "millrace_hot_key_share",
                help: "The part of a step's rows that one key has, of keys with 2 % or more.",
                labels: labels, by: "key"
            ) {
                isThere()
                    ? HotKeys.together(workers.map(\.hotKeys)).prefix(8).map { ($0.text, $0.share) }
                    : []
            }
            registry.reading(
                "millrace_state_keys", help: "Keys of a step's state, at the last checkpoint.",
                labels: labels
            ) {
                let keys = workers.reduce(0) { $0 + $1.read(.stateKeys) }
                return keys == 0 || !isThere() ? nil : Double(keys)
            }
            registry.reading(
                "millrace_step_busy_seconds_total", help: "Time a step's tasks worked.",
                labels: labels, grows: true
            ) {
                isThere() ? Double(workers.reduce(0) { $0 + $1.read(.busyNanos) }) / 1e9 : nil
            }
            registry.reading(
                "millrace_watermark_lag_seconds",
                help: "How far a step's event time is behind the clock.", labels: labels
            ) {
                let marks = workers.map { $0.read(.watermarkMicros) }.filter {
                    $0 != 0 && $0 != .max
                }
                guard isThere() else { return nil }
                return marks.min().map { Double(clock.nowMicros - $0) / 1e6 }
            }
        }
        for (sink, lag) in job.lags.sorted(by: { $0.key < $1.key }) {
            for (share, name) in [(0.5, "0.5"), (0.99, "0.99"), (0.9999, "0.9999")] {
                registry.reading(
                    "millrace_sink_event_lag_seconds",
                    help: "How far behind the clock the event times of a sink's rows were.",
                    labels: shared + [
                        MetricsRegistry.Label("sink", sink),
                        MetricsRegistry.Label("quantile", name),
                    ]
                ) { isThere() ? lag.quantile(share).map { Double($0) / 1e6 } : nil }
            }
        }
        for (worker, counters) in job.workerCounters.enumerated() {
            registry.reading(
                "millrace_state_bytes",
                help: "Memory that a worker's state, waiting rows and running windows take.",
                labels: shared + [MetricsRegistry.Label("worker", "\(worker)")]
            ) { isThere() ? Double(counters.read(.stateBytes)) : nil }
            registry.reading(
                "millrace_state_spared_bytes",
                help:
                    "Memory of single keys that every batch uses and that stay although it is short.",
                labels: shared + [MetricsRegistry.Label("worker", "\(worker)")]
            ) { isThere() ? Double(counters.read(.sparedBytes)) : nil }
        }
        registry.reading(
            "millrace_checkpoints_total", help: "Checkpoints that became whole.",
            labels: shared, grows: true
        ) { [weak job] in job.map { Double($0.checkpoints.count) } }
        registry.reading(
            "millrace_checkpoint_duration_seconds",
            help: "From the barrier to the manifest, the last.", labels: shared
        ) { [weak job] in job.map { Double($0.checkpoints.lastNanos) / 1e9 } }
        registry.reading(
            "millrace_checkpoint_pause_seconds",
            help: "The longest a task stood still for the last checkpoint.", labels: shared
        ) { [weak job] in job.map { Double($0.checkpoints.lastPauseNanos) / 1e9 } }
        registry.reading(
            "millrace_checkpoint_store_failures_total",
            help: "Tries to put a checkpoint into its store that failed.",
            labels: shared, grows: true
        ) { [weak job] in job.map { Double($0.checkpoints.failures) } }
        registry.reading(
            "millrace_checkpoint_store_failing_seconds",
            help: "Since when the store does not take the checkpoint under way; 0 when it does.",
            labels: shared
        ) { [weak job] in
            job.map { job in
                job.checkpoints.failingSinceNanos.map { Double(clock.nanos - $0) / 1e9 } ?? 0
            }
        }
        registry.reading(
            "millrace_checkpoint_bytes", help: "Bytes the last checkpoint added.", labels: shared
        ) { [weak job] in job.map { Double($0.checkpoints.lastBytes) } }
    }
}
