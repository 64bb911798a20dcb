/// Gives record batches to consumers; one who asks for more than there is waits for it.
final class FetchHandler: RequestHandler {
    let apis: [API] = [.fetch]
    private let registry: TopicRegistry
    private let scheduler: any BrokerScheduler
    private var waiting: [Int: (fetch: Fetch, reply: (ResponseWriter?) -> Void, timer: Int)] = [:]
    private var waitingCount = 0

    init(_ registry: TopicRegistry, _ scheduler: any BrokerScheduler) {
        self.registry = registry
        self.scheduler = scheduler
    }

    private struct Wanted {
        var partition: Int32
        var leaderEpoch: Int32
        var offset: Int64
        var bytesMax: Int
    }

    private struct Fetch {
        var header: RequestHeader
        var node: Int32
        var waitMillis: Int64
        var bytesMin: Int
        var bytesMax: Int
        var isCommittedOnly: Bool
        var hasSession: Bool
        var topics: [(name: String, partitions: [Wanted])]
    }

    private struct Found {
        var partition: Int32
        var code: ErrorCode = .none
        var end: Int64 = -1
        var stable: Int64 = -1
        var start: Int64 = -1
        var range = FetchedRange()
    }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        let fetch = try read(&request, header, origin.node)
        let (found, bytes, isFinal) = find(fetch)
        if isFinal || bytes >= fetch.bytesMin || fetch.waitMillis <= 0 {
            return reply(answer(fetch, found))
        }
        waitingCount += 1
        let id = waitingCount
        let timer = scheduler.after(fetch.waitMillis) { [unowned self] in finish(id) }
        waiting[id] = (fetch, reply, timer)
        for partition in partitions(of: fetch) {
            partition.waiters[id] = { [unowned self] in look(id) }
        }
    }

    private func read(
        _ request: inout RequestReader, _ header: RequestHeader, _ node: Int32
    ) throws(WireFailure) -> Fetch {
        let version = header.version
        _ = try request.int32()
        let waitMillis = Int64(try request.int32())
        let bytesMin = Int(try request.int32())
        let bytesMax = Int(try request.int32())
        let isolation = try request.int8()
        var session: Int32 = 0
        if version >= 7 {
            session = try request.int32()
            _ = try request.int32()
        }
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                let leaderEpoch = version >= 9 ? try item.int32() : -1
                let offset = try item.int64()
                if version >= 5 { _ = try item.int64() }
                return Wanted(
                    partition: partition, leaderEpoch: leaderEpoch, offset: offset,
                    bytesMax: Int(try item.int32()))
            }
            return (name: name, partitions: partitions)
        }
        return Fetch(
            header: header, node: node, waitMillis: waitMillis, bytesMin: bytesMin,
            bytesMax: bytesMax, isCommittedOnly: isolation == 1, hasSession: session != 0,
            topics: topics)
    }

    private func partitions(of fetch: Fetch) -> [Partition] {
        fetch.topics.flatMap { topic in
            topic.partitions.compactMap { registry.partition(topic.name, $0.partition) }
        }
    }

    /// What there is for a fetch: the bytes of all partitions, and whether waiting would be of no use.
    private func find(_ fetch: Fetch) -> ([[Found]], bytes: Int, isFinal: Bool) {
        // Sessions are declined: whoever claims to have one is told that there is none.
        if fetch.hasSession { return ([], 0, true) }
        var bytes = 0
        var isFinal = fetch.topics.isEmpty
        let found = fetch.topics.map { topic in
            topic.partitions.map { wanted in
                let found = find(
                    topic.name, wanted, fetch, bytesLeft: fetch.bytesMax - bytes,
                    isFirst: bytes == 0)
                bytes += found.range.slice?.count ?? 0
                if found.code != .none { isFinal = true }
                return found
            }
        }
        return (found, bytes, isFinal)
    }

    private func find(
        _ topic: String, _ wanted: Wanted, _ fetch: Fetch, bytesLeft: Int, isFirst: Bool
    ) -> Found {
        var found = Found(partition: wanted.partition)
        guard let partition = registry.partition(topic, wanted.partition) else {
            found.code = .unknownTopicOrPartition
            return found
        }
        let log = partition.log
        found.code = partition.refusal(node: fetch.node, epoch: wanted.leaderEpoch)
        guard found.code == .none else { return found }
        found.end = log.end
        found.stable = log.stable
        found.start = log.start
        guard wanted.offset >= log.start, wanted.offset <= log.end else {
            found.code = .offsetOutOfRange
            return found
        }
        let limit = fetch.isCommittedOnly ? log.stable : log.end
        guard bytesLeft > 0 || isFirst else { return found }
        found.range.slice = log.read(
            from: wanted.offset, below: limit, bytesMax: min(wanted.bytesMax, bytesLeft),
            isFirstWhole: isFirst)
        if fetch.isCommittedOnly, found.range.slice != nil {
            found.range.aborted = log.producers.aborted(from: wanted.offset, below: limit)
        }
        return found
    }

    /// Looks again at a fetch that waits, as a partition has got something.
    private func look(_ id: Int) {
        guard let (fetch, _, _) = waiting[id] else { return }
        let (found, bytes, isFinal) = find(fetch)
        if isFinal || bytes >= fetch.bytesMin { finish(id, found) }
    }

    private func finish(_ id: Int, _ found: [[Found]]? = nil) {
        guard let (fetch, reply, timer) = waiting.removeValue(forKey: id) else { return }
        scheduler.cancel(timer)
        for partition in partitions(of: fetch) { partition.waiters[id] = nil }
        reply(answer(fetch, found ?? find(fetch).0))
    }

    private func answer(_ fetch: Fetch, _ found: [[Found]]) -> ResponseWriter {
        let version = fetch.header.version
        var answer = ResponseWriter(answering: fetch.header)
        answer.int32(0)
        if version >= 7 {
            answer.error(fetch.hasSession ? .fetchSessionIdNotFound : .none)
            answer.int32(0)
        }
        answer.array(Array(zip(fetch.topics, found))) { answer, pair in
            answer.string(pair.0.name)
            answer.array(pair.1) { answer, found in
                answer.int32(found.partition)
                answer.error(found.code)
                answer.int64(found.end)
                answer.int64(found.stable)
                if version >= 5 { answer.int64(found.start) }
                answer.array(found.range.aborted) { answer, aborted in
                    answer.int64(aborted.producer)
                    answer.int64(aborted.first)
                }
                if version >= 11 { answer.int32(-1) }
                answer.files(found.range.slice.map { [$0] } ?? [])
            }
        }
        return answer
    }
}

extension Partition {
    /// Why a client with this knowledge of the leader is not answered; `.none` when it is.
    func refusal(node: Int32, epoch: Int32) -> ErrorCode {
        if leader != node { return .notLeaderOrFollower }
        if epoch >= 0, epoch < log.leaderEpoch { return .fencedLeaderEpoch }
        if epoch > log.leaderEpoch { return .unknownLeaderEpoch }
        return .none
    }
}
