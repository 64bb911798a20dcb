import Connectors
import FeatureServe
import StreamRuntime
import Synchronization

/// Takes the files of a watched directory into a stream's topic, each as a whole and once.
///
/// - Note: used by one thread at a time, but for its figures.
final class DirectoryCollector: Collector, @unchecked Sendable {
    let name: String
    private let watched: PlannedWatch
    private let rules: FileWatch.Rules
    private let log: LedgeredLog
    private var watch: FileWatch
    private let shown = Mutex(FileWatch.Figures())
    private var before = FileWatch.Figures()
    private let records = Atomic<Int64>(0)
    private let failures = Atomic<Int64>(0)

    /// A collector for `source`, which goes on where its ledger stands.
    init(_ source: PlannedSource, plan: JobPlan) throws(JobFailure) {
        guard let watched = source.watch else { preconditionFailure("the stream is watched") }
        name = source.name
        self.watched = watched
        var rules = FileWatch.Rules(
            path: watched.path, layout: DecoderFactory.layout(source.format))
        rules.quietMicros = watched.quiet.micros
        rules.marker = watched.marker
        rules.isByTime = watched.isByTime
        self.rules = rules
        log = try LedgeredLog(source, plan: plan, partitions: 1)
        watch = FileWatch(rules, ledger: log.ledger.text)
    }

    var everyMicros: Int64 { watched.every.micros }

    /// Looks once; true when some file is not whole yet.
    func round(nowMicros: Int64, isStopping: () -> Bool) throws(JobFailure) -> Bool {
        do throws(JobFailure) {
            let isWaiting = try watch.look(nowMicros: nowMicros) {
                (batch, delivery) throws(JobFailure) in
                try append(batch)
            } end: { (delivery) throws(JobFailure) in
                try log.commit(watch.ledger)
            }
            show()
            return isWaiting
        } catch {
            failures.wrappingAdd(1, ordering: .relaxed)
            // What is known goes back with the topic; what was counted stays.
            show()
            try log.discard()
            before = shown.withLock { $0 }
            watch = FileWatch(rules, ledger: log.ledger.text)
            throw error
        }
    }

    private func append(_ batch: RecordBatch) throws(JobFailure) {
        for row in 0..<batch.count {
            let headers = batch.headers.flatMap { RecordHeaders.decode($0.bytes(row)) }
            try log.append(
                ArrivalRecord(
                    key: nil, value: Array(batch.values.bytes(row)),
                    timestamp: batch.timestamps.int64s[row], headers: headers ?? []))
        }
        records.wrappingAdd(Int64(batch.count), ordering: .relaxed)
    }

    private func show() {
        let figures = watch.figures
        let before = before
        shown.withLock { shown in
            shown.files = before.files + figures.files
            shown.grown = before.grown + figures.grown
            shown.repeats = before.repeats + figures.repeats
            shown.replaced = before.replaced + figures.replaced
            shown.failed = before.failed + figures.failed
            shown.waiting = figures.waiting
        }
    }

    /// What was counted.
    var figures: FileWatch.Figures { shown.withLock { $0 } }

    func close() { log.close() }

    func register(in registry: MetricsRegistry) {
        let labels = [MetricsRegistry.Label("stream", name)]
        let totals: [(String, String, @Sendable (FileWatch.Figures) -> Int64)] = [
            ("files_total", "Files that were read.", { $0.files }),
            ("grown_files_total", "Files that had grown and were read on.", { $0.grown }),
            ("repeated_files_total", "Files whose content had been read already.", { $0.repeats }),
            ("replaced_files_total", "Files with new content under a known name.", { $0.replaced }),
            ("failed_files_total", "Looks at files that could not be read.", { $0.failed }),
        ]
        for (figure, help, read) in totals {
            registry.reading(
                "millrace_watch_\(figure)", help: help, labels: labels, grows: true
            ) { [weak self] in self.map { Double(read($0.figures)) } }
        }
        registry.reading(
            "millrace_watch_waiting_files", help: "Files that are not whole yet.", labels: labels
        ) { [weak self] in self.map { Double($0.figures.waiting) } }
        registry.reading(
            "millrace_watch_records_total", help: "Records of files.", labels: labels, grows: true
        ) { [weak self] in self.map { Double($0.records.load(ordering: .relaxed)) } }
        registry.reading(
            "millrace_watch_failures_total", help: "Looks that failed.", labels: labels,
            grows: true
        ) { [weak self] in self.map { Double($0.failures.load(ordering: .relaxed)) } }
    }
}
