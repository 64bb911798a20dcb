/// Takes record batches from producers.
final class ProduceHandler: RequestHandler {
    let apis: [API] = [.produce]
    private let registry: TopicRegistry

    init(_ registry: TopicRegistry) { self.registry = registry }

    private struct Taken {
        var partition: Int32
        var code: ErrorCode
        var offset: Int64 = -1
        var start: Int64 = -1
    }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        guard header.version >= 3 else {
            throw WireFailure("Produce version \(header.version): 3 is the oldest")
        }
        _ = try request.nullableString()
        let acknowledgements = try request.int16()
        _ = try request.int32()
        let isAsked = acknowledgements == 0 || acknowledgements == 1 || acknowledgements == -1
        let topics = try request.array { (item) throws(WireFailure) in
            let name = try item.string()
            let partitions = try item.array { (item) throws(WireFailure) in
                let partition = try item.int32()
                let batch = try item.nullableBytes()
                return isAsked
                    ? self.take(batch, name, partition, origin.node)
                    : Taken(partition: partition, code: .invalidRequiredAcks)
            }
            return (name: name, partitions: partitions)
        }
        if acknowledgements == 0 { return reply(nil) }
        var answer = ResponseWriter(answering: header)
        answer.array(topics) { answer, topic in
            answer.string(topic.name)
            answer.array(topic.partitions) { answer, taken in
                answer.int32(taken.partition)
                answer.error(taken.code)
                answer.int64(taken.offset)
                answer.int64(-1)
                if header.version >= 5 { answer.int64(taken.start) }
                if header.version >= 8 {
                    answer.arrayCount(0)
                    answer.nullableString(nil)
                }
            }
        }
        answer.int32(0)
        reply(answer)
    }

    private func take(
        _ batch: UnsafeRawBufferPointer?, _ topic: String, _ number: Int32, _ node: Int32
    ) -> Taken {
        var taken = Taken(partition: number, code: .none)
        guard let partition = registry.partition(topic, number) else {
            taken.code = .unknownTopicOrPartition
            return taken
        }
        guard partition.leader == node else {
            taken.code = .notLeaderOrFollower
            return taken
        }
        guard let batch else {
            taken.code = .invalidRecord
            return taken
        }
        do throws(BrokerFailure) {
            // The request's buffer is the broker's own: the offset is written into it.
            let appended = try registry.append(
                UnsafeMutableRawBufferPointer(mutating: batch), to: partition)
            switch appended {
            case .at(let offset):
                taken.offset = offset
                taken.start = partition.log.start
            case .refused(let code): taken.code = code
            }
        } catch {
            taken.code = .storageError
        }
        return taken
    }
}
