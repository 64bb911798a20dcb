import FeatureServe
import Glibc
import StreamRuntime
import Synchronization

/// Writes the sample of what lookups gave to its topic, on a thread of its own.
///
/// - Note: `@unchecked Sendable` because the appender is used by the thread only, and by `stop` once that has
///   ended.
final class ServedLogWriter: @unchecked Sendable {
    /// The topic of the sample when the file names none.
    static let usualTopic = "_served"
    private static let pauseMicros: UInt32 = 200_000

    /// Where lookups note what they give.
    let log: ServedLog
    private let appender: any TopicAppender
    private let isStopping = Atomic<Bool>(false)
    private var thread: pthread_t?

    /// Begins to write; nil when the plan wants no sample.
    init?(_ plan: JobPlan, metrics: MetricsRegistry) throws(JobFailure) {
        guard let sample = plan.settings.servedSample else { return nil }
        appender = try FeatureLogs.place(plan).appender(sample.topic)
        log = ServedLog(share: sample.share, metrics: metrics)
        let passed = Unmanaged.passRetained(self).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<ServedLogWriter>.fromOpaque(passed!).takeRetainedValue().run()
                return nil
            }, passed)
        guard code == 0 else {
            Unmanaged<ServedLogWriter>.fromOpaque(passed).release()
            throw JobFailure(
                .environment, "no thread for the log of served features", at: "job",
                remedy: "raise the limit on threads (ulimit -u)")
        }
        thread = made
    }

    private func run() {
        while !isStopping.load(ordering: .relaxed) {
            usleep(ServedLogWriter.pauseMicros)
            write()
        }
    }

    /// Writes what waits. A topic that does not take it costs the sample, never a lookup.
    private func write() {
        let records = log.take()
        guard !records.isEmpty else { return }
        do throws(JobFailure) {
            for record in records {
                try appender.append(
                    key: record.key, value: record.value, timestamp: record.asOfMicros,
                    partition: nil, fallback: 0)
            }
            try appender.commit()
        } catch {
            Terminal.error("warning: the log of served features was not written: \(error)\n")
        }
    }

    /// Writes the rest and ends.
    func stop() {
        guard let thread else { return }
        isStopping.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
        self.thread = nil
        write()
    }
}
