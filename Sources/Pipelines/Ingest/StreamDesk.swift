import Codecs
import FeatureServe
import StreamRuntime

/// The desk at which requests bring records for the streams of a plan.
///
/// What came in while a group of requests was being logged is the next group: one commit of each topic
/// answers all of them.
final class StreamDesk: IngestDesk {
    private let streams: [String: IngestStream]
    private let clock: any Clock

    /// Opens the topics of the streams that take requests; nil when none does.
    ///
    /// - Parameter logs: topics that are open already, by their streams.
    init?(
        _ plan: JobPlan, clock: any Clock, logs: [String: any ArrivalLog] = [:]
    ) throws(JobFailure) {
        var streams: [String: IngestStream] = [:]
        for source in plan.sources where source.ingest != nil {
            streams[source.name] = try IngestStream(
                source, plan: plan, clock: clock, log: logs[source.name])
        }
        guard !streams.isEmpty else { return nil }
        self.streams = streams
        self.clock = clock
    }

    /// The rules of `stream`; nil for one that takes no requests.
    func rules(of stream: String) -> IngestRules? { streams[stream]?.rules }

    /// Counts a request that came when too much was waiting.
    func noteBusy(_ stream: String) { streams[stream]?.add(.busy) }

    /// Takes requests, which the log has when this returns.
    func take(_ requests: [IngestRequest]) -> [IngestReply] {
        let now = clock.nowMicros
        var outcomes: [IngestStream.Outcome] = []
        var touched: [String] = []
        for request in requests {
            guard let stream = streams[request.stream] else {
                outcomes.append(.answered(IngestStream.refusal(404, "Not Found")))
                continue
            }
            outcomes.append(stream.take(request, nowMicros: now))
            if !touched.contains(request.stream) { touched.append(request.stream) }
        }
        // What could be appended in part only is taken back with the rest of its group.
        var failed: Set<String> = []
        for (request, outcome) in zip(requests, outcomes) {
            if case .answered(let reply) = outcome, reply.status == 503 {
                failed.insert(request.stream)
            }
        }
        for name in touched {
            if failed.contains(name) {
                streams[name]!.giveUp()
            } else if !streams[name]!.commit() {
                failed.insert(name)
            }
        }
        return zip(requests, outcomes).map { request, outcome in
            switch outcome {
            case .answered(let reply): reply
            case .pending where failed.contains(request.stream): IngestStream.unlogged
            case .pending(let pending): streams[request.stream]!.reply(pending)
            }
        }
    }

    /// Registers the figures of all streams.
    func register(in registry: MetricsRegistry) {
        for stream in streams.values { stream.register(in: registry) }
    }

    /// Lets other writers have the topics.
    func close() { for stream in streams.values { stream.close() } }
}

/// Where a key's records go.
enum ArrivalKey {
    /// The partition of `key`, as Kafka's Java client chooses it.
    static func partition(_ key: [UInt8], of partitions: Int) -> Int {
        Murmur2.partition(key: key, key.count, of: partitions)
    }
}
