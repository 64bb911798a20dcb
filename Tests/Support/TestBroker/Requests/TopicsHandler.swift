/// Makes, deletes and extends topics.
final class TopicsHandler: RequestHandler {
    let apis: [API] = [.createTopics, .deleteTopics, .createPartitions]
    private let registry: TopicRegistry

    init(_ registry: TopicRegistry) { self.registry = registry }

    private typealias Outcome = (name: String, code: ErrorCode, message: String?)

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        switch header.api {
        case .createTopics: reply(try create(&request, header))
        case .deleteTopics: reply(try delete(&request, header))
        default: reply(try extend(&request, header))
        }
    }

    // MARK: CreateTopics

    private struct Wanted {
        var name: String
        var partitions: Int32
        var replicas: Int16
        var configuration: [String: String]
    }

    private func create(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            var partitions = try item.int32()
            let replicas = try item.int16()
            let assigned = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                _ = try item.int32s()
                try item.tags()
                return partition
            }
            if !assigned.isEmpty { partitions = Int32(assigned.count) }
            var configuration: [String: String] = [:]
            _ = try item.array { (item) throws(WireFailure) in
                let setting = try item.string()
                configuration[setting] = try item.nullableString()
                try item.tags()
            }
            try item.tags()
            return Wanted(
                name: name, partitions: partitions == -1 ? 1 : partitions, replicas: replicas,
                configuration: configuration)
        }
        _ = try request.int32()
        let isTrial = try request.bool()
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(topics) { answer, wanted in
            let outcome = self.create(wanted, isTrial: isTrial)
            answer.string(wanted.name)
            answer.error(outcome.code)
            answer.nullableString(outcome.message)
            if header.version >= 5 {
                answer.int32(outcome.code == .none ? wanted.partitions : -1)
                answer.int16(outcome.code == .none ? 1 : -1)
                answer.array(wanted.configuration.sorted { $0.key < $1.key }) { answer, pair in
                    answer.string(pair.key)
                    answer.nullableString(pair.value)
                    answer.bool(false)
                    answer.int8(1)
                    answer.bool(false)
                    answer.tags()
                }
            }
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func create(_ wanted: Wanted, isTrial: Bool) -> Outcome {
        if let (code, message) = registry.problem(
            creating: wanted.name, partitions: wanted.partitions, wanted.configuration)
        {
            return (wanted.name, code, message)
        }
        if wanted.replicas > 1 {
            return (
                wanted.name, .invalidReplicationFactor,
                "this broker keeps one replica: ask for a replication factor of 1"
            )
        }
        if isTrial { return (wanted.name, .none, nil) }
        do throws(BrokerFailure) {
            try registry.create(
                wanted.name, partitions: wanted.partitions, wanted.configuration)
            return (wanted.name, .none, nil)
        } catch {
            return (wanted.name, .storageError, error.description)
        }
    }

    // MARK: DeleteTopics

    private func delete(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let names = try request.strings()
        _ = try request.int32()
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(names) { answer, name in
            answer.string(name)
            answer.error(self.delete(name))
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func delete(_ name: String) -> ErrorCode {
        guard registry.topics[name] != nil else { return .unknownTopicOrPartition }
        do throws(BrokerFailure) {
            try registry.delete(name)
            return .none
        } catch {
            return .storageError
        }
    }

    // MARK: CreatePartitions

    private func extend(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let count = try item.int32()
            _ = try item.nullableArray { (item) throws(WireFailure) in
                _ = try item.int32s()
                try item.tags()
            }
            try item.tags()
            return (name: name, count: count)
        }
        _ = try request.int32()
        let isTrial = try request.bool()
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(topics) { answer, wanted in
            let outcome = self.extend(wanted.name, wanted.count, isTrial: isTrial)
            answer.string(outcome.name)
            answer.error(outcome.code)
            answer.nullableString(outcome.message)
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func extend(_ name: String, _ count: Int32, isTrial: Bool) -> Outcome {
        guard let topic = registry.topics[name] else {
            return (name, .unknownTopicOrPartition, nil)
        }
        guard count > topic.partitions.count, count <= 10_000 else {
            return (
                name, .invalidPartitions,
                "The topic \(name) currently has \(topic.partitions.count) partition(s); "
                    + "\(count) would not be an increase."
            )
        }
        if isTrial { return (name, .none, nil) }
        do throws(BrokerFailure) {
            try registry.extend(topic, to: count)
            return (name, .none, nil)
        } catch {
            return (name, .storageError, error.description)
        }
    }
}
