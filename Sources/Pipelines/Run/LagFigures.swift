import Connectors
import FeatureServe
import Foundation
import StreamRuntime
import Synchronization

/// How far a job is behind what its Kafka topics hold: asked now and then on a thread of its own, so that
/// whoever reads the figures waits for nobody.
final class LagFigures: Sendable {
    private struct Key: Hashable {
        let stream: String
        let share: Int
    }

    private struct State {
        var records: [Key: Int64] = [:]
        var isStarted = false
        var isStopped = false
    }

    /// Time between two rounds.
    private static let everyMillis = 5000
    private static let pauseMillis = 100

    private let streams: [(stream: String, topic: String, lag: KafkaLag)]
    private let shares: Int
    private let state = Mutex(State())

    /// The figures of `plan`, which names its group; nothing is asked yet.
    init(_ plan: JobPlan) throws(JobFailure) {
        shares = plan.settings.shares ?? 1
        var lags: [String: KafkaLag] = [:]
        var streams: [(stream: String, topic: String, lag: KafkaLag)] = []
        for source in plan.sources {
            guard case .topic(let name, let topic) = source.location,
                let connection = plan.connection(name),
                case .kafka(let bootstrap, let properties) = connection.kind
            else { continue }
            let lag: KafkaLag
            if let known = lags[name] {
                lag = known
            } else {
                lag = try KafkaLag(
                    KafkaConnection(bootstrap: bootstrap, planned: properties), group: plan.group)
                lags[name] = lag
            }
            streams.append((source.name, topic, lag))
        }
        self.streams = streams
    }

    /// Asks once; partitions that cannot be asked for keep no figure.
    func look() {
        var records: [Key: Int64] = [:]
        for (stream, topic, lag) in streams {
            guard let partitions = try? lag.partitions(of: topic) else { continue }
            for partition in partitions {
                let key = Key(stream: stream, share: Int(partition.partition) % shares)
                records[key, default: 0] += partition.records
            }
        }
        let found = records
        state.withLock { $0.records = found }
    }

    /// Registers the figure of each stream.
    ///
    /// - Parameter isOwned: whether this process has the share; others tell of theirs themselves.
    func register(in registry: MetricsRegistry, isOwned: @escaping @Sendable (Int) -> Bool) {
        for (stream, _, _) in streams {
            for share in 0..<shares {
                let key = Key(stream: stream, share: share)
                let labels = shares > 1 ? [MetricsRegistry.Label("share", "\(share)")] : []
                registry.reading(
                    "millrace_source_lag_records",
                    help: "Offsets of a stream's topic behind the job's last committed checkpoint.",
                    labels: labels + [MetricsRegistry.Label("stream", stream)]
                ) { [weak self] in
                    guard isOwned(share) else { return nil }
                    return self?.state.withLock { $0.records[key] }.map { Double($0) }
                }
            }
        }
    }

    /// Begins to ask, unless it does already.
    func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst, !streams.isEmpty else { return }
        Thread { [self] in
            while true {
                look()
                for _ in 0..<(LagFigures.everyMillis / LagFigures.pauseMillis) {
                    if state.withLock({ $0.isStopped }) { return }
                    usleep(UInt32(LagFigures.pauseMillis) * 1000)
                }
            }
        }.start()
    }

    /// Asks no more.
    func stop() { state.withLock { $0.isStopped = true } }
}
