/// Answers where partitions begin and end, where a time or a leader's epoch is, and cuts beginnings off.
final class OffsetsHandler: RequestHandler {
    let apis: [API] = [.listOffsets, .offsetForLeaderEpoch, .deleteRecords]
    private let registry: TopicRegistry

    init(_ registry: TopicRegistry) { self.registry = registry }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        switch header.api {
        case .listOffsets: reply(try listOffsets(&request, header, origin.node))
        case .offsetForLeaderEpoch: reply(try endsOfEpochs(&request, header, origin.node))
        default: reply(try deleteRecords(&request, header, origin.node))
        }
    }

    // MARK: ListOffsets

    private struct Found {
        var partition: Int32
        var code: ErrorCode
        var timestamp: Int64 = -1
        var offset: Int64 = -1
        var leaderEpoch: Int32 = -1
    }

    private func listOffsets(
        _ request: inout RequestReader, _ header: RequestHeader, _ node: Int32
    ) throws(WireFailure) -> ResponseWriter {
        let version = header.version
        _ = try request.int32()
        let isCommittedOnly = version >= 2 ? try request.int8() == 1 : false
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                let epoch = version >= 4 ? try item.int32() : -1
                let timestamp = try item.int64()
                try item.tags()
                return self.find(name, partition, epoch, timestamp, isCommittedOnly, node)
            }
            try item.tags()
            return (name: name, partitions: partitions)
        }
        var answer = ResponseWriter(answering: header)
        if version >= 2 { answer.int32(0) }
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, found in
                answer.int32(found.partition)
                answer.error(found.code)
                answer.int64(found.timestamp)
                answer.int64(found.offset)
                if version >= 4 { answer.int32(found.leaderEpoch) }
                answer.tags()
            }
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func find(
        _ topic: String, _ number: Int32, _ epoch: Int32, _ timestamp: Int64,
        _ isCommittedOnly: Bool, _ node: Int32
    ) -> Found {
        guard let partition = registry.partition(topic, number) else {
            return Found(partition: number, code: .unknownTopicOrPartition)
        }
        var found = Found(
            partition: number, code: partition.refusal(node: node, epoch: epoch))
        guard found.code == .none else { return found }
        let log = partition.log
        let limit = isCommittedOnly ? log.stable : log.end
        found.leaderEpoch = log.leaderEpoch
        switch timestamp {
        case -1: found.offset = limit
        case -2: found.offset = log.start
        case -3:
            if let latest = log.latestTime() { (found.offset, found.timestamp) = latest }
        default:
            if let at = log.find(time: timestamp, below: limit) {
                (found.offset, found.timestamp) = at
            }
        }
        return found
    }

    // MARK: OffsetForLeaderEpoch

    private func endsOfEpochs(
        _ request: inout RequestReader, _ header: RequestHeader, _ node: Int32
    ) throws(WireFailure) -> ResponseWriter {
        if header.version >= 3 { _ = try request.int32() }
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let wanted = (try item.int32(), try item.int32(), try item.int32())
                try item.tags()
                return wanted
            }
            try item.tags()
            return (name: name, partitions: partitions)
        }
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, wanted in
                let (number, current, epoch) = wanted
                let partition = registry.partition(topic.name, number)
                let code =
                    partition?.refusal(node: node, epoch: current) ?? .unknownTopicOrPartition
                let ended = code == .none ? partition?.log.endOfEpoch(epoch) : nil
                answer.error(code)
                answer.int32(number)
                answer.int32(ended?.epoch ?? -1)
                answer.int64(ended?.end ?? -1)
                answer.tags()
            }
            answer.tags()
        }
        answer.tags()
        return answer
    }

    // MARK: DeleteRecords

    private func deleteRecords(
        _ request: inout RequestReader, _ header: RequestHeader, _ node: Int32
    ) throws(WireFailure) -> ResponseWriter {
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let number = try item.int32()
                let offset = try item.int64()
                try item.tags()
                let (start, code) = self.delete(name, number, below: offset, node)
                return (number: number, start: start, code: code)
            }
            try item.tags()
            return (name: name, partitions: partitions)
        }
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, deleted in
                answer.int32(deleted.number)
                answer.int64(deleted.start)
                answer.error(deleted.code)
                answer.tags()
            }
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func delete(
        _ topic: String, _ number: Int32, below offset: Int64, _ node: Int32
    ) -> (start: Int64, code: ErrorCode) {
        guard let partition = registry.partition(topic, number) else {
            return (-1, .unknownTopicOrPartition)
        }
        guard partition.leader == node else { return (-1, .notLeaderOrFollower) }
        let log = partition.log
        let wanted = offset == -1 ? log.end : offset
        guard wanted >= 0, wanted <= log.end else { return (-1, .offsetOutOfRange) }
        do throws(BrokerFailure) {
            try log.advanceStart(to: wanted)
            return (log.start, .none)
        } catch {
            return (-1, .storageError)
        }
    }
}
