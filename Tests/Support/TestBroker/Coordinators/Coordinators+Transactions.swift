extension Coordinators {
    func initProducerId(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let id = try request.nullableString()
        let timeout = Int64(try request.int32())
        var known: (producer: Int64, epoch: Int16)?
        if call.version >= 3 {
            let producer = try request.int64()
            let epoch = try request.int16()
            if producer >= 0 { known = (producer, epoch) }
        }
        var identity = TransactionCoordinator.Identity(error: .none)
        if let id { identity.error = refusal(.transaction, id, call) }
        if identity.error == .none {
            identity = initialize(id, timeout: timeout, known: known)
            if identity.error == .concurrentTransactions, let id, markerDelayMillis == 0 {
                // What the older producer left open has just been aborted: no need to ask again.
                complete(id)
                // A producer that names itself has been fenced by the abort; a new one goes on.
                identity = initialize(id, timeout: timeout, known: known == nil ? nil : current(id))
            } else if identity.error == .concurrentTransactions, let id {
                completeSoon(id)
            }
        }
        let isFenced = identity.error == .producerFenced && call.version < 4
        call.answer { writer in
            writer.error(isFenced ? .invalidProducerEpoch : identity.error)
            writer.int64(identity.producer)
            writer.int16(identity.epoch)
        }
    }

    private func current(_ id: String) -> (producer: Int64, epoch: Int16)? {
        transactions.records[id].map { ($0.producer, $0.epoch) }
    }

    private func initialize(
        _ id: String?, timeout: Int64, known: (producer: Int64, epoch: Int16)?
    ) -> TransactionCoordinator.Identity {
        var actions: [TransactionAction] = []
        let identity = transactions.initialize(
            id, timeout: timeout, known: known, now: now, into: &actions)
        perform(actions)
        return identity
    }

    func addPartitionsToTxn(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let id = try request.string()
        let producer = try request.int64()
        let epoch = try request.int16()
        let topics = try request.array { (request) throws(WireFailure) in
            let topic = try request.string()
            let partitions = try request.int32s()
            try request.tags()
            return (topic: topic, partitions: partitions)
        }
        let places = topics.flatMap { entry in
            entry.partitions.map { TopicPartition(topic: entry.topic, partition: $0) }
        }
        let missing = places.filter { place in
            let count = services.partitions.partitionCount(of: place.topic) ?? 0
            return !(0..<count).contains(Int(place.partition))
        }
        var code = refusal(.transaction, id, call)
        if code == .none, !missing.isEmpty { code = .operationNotAttempted }
        if code == .none {
            var actions: [TransactionAction] = []
            code = transactions.add(
                places, to: id, producer: producer, epoch: epoch, now: now, into: &actions)
            perform(actions)
        }
        code = older(code, call)
        call.answer { writer in
            writer.array(topics) { writer, entry in
                writer.string(entry.topic)
                writer.array(entry.partitions) { writer, partition in
                    let place = TopicPartition(topic: entry.topic, partition: partition)
                    writer.int32(partition)
                    writer.error(missing.contains(place) ? .unknownTopicOrPartition : code)
                    writer.tags()
                }
                writer.tags()
            }
        }
    }

    func addOffsetsToTxn(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let id = try request.string()
        let producer = try request.int64()
        let epoch = try request.int16()
        let group = try request.string()
        var code = refusal(.transaction, id, call)
        if code == .none, group.isEmpty { code = .invalidGroupId }
        if code == .none {
            var actions: [TransactionAction] = []
            code = transactions.add(
                [], groups: [group], to: id, producer: producer, epoch: epoch, now: now,
                into: &actions)
            perform(actions)
        }
        let final = older(code, call)
        call.answer { $0.error(final) }
    }

    func endTxn(_ request: inout RequestReader, _ call: CoordinatorCall) throws(WireFailure) {
        let id = try request.string()
        let producer = try request.int64()
        let epoch = try request.int16()
        let isCommit = try request.bool()
        var code = refusal(.transaction, id, call)
        if code == .none {
            var actions: [TransactionAction] = []
            code = transactions.end(
                id, producer: producer, epoch: epoch, isCommit: isCommit, into: &actions)
            perform(actions)
            if code == .none { completeSoon(id) }
        }
        let final = older(code, call)
        call.answer { $0.error(final) }
    }

    /// Clients before version 2 know of no fenced producer, only of an epoch that is not valid.
    private func older(_ code: ErrorCode, _ call: CoordinatorCall) -> ErrorCode {
        code == .producerFenced && call.version < 2 ? .invalidProducerEpoch : code
    }
}
