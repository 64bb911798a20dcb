extension Coordinators {
    /// Offsets of one topic in a request.
    struct TopicOffsets {
        var topic: String
        var partitions: [(partition: Int32, offset: CommittedOffset)]
    }

    func offsetCommit(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let version = call.version
        let group = try request.string()
        var membership = Membership.none
        if version >= 1 {
            membership.generation = try request.int32()
            membership.member = try request.string()
        }
        if version >= 7 { membership.instance = try request.nullableString() }
        if (2...4).contains(version) { _ = try request.int64() }
        let now = now
        let topics = try request.array { (request) throws(WireFailure) in
            let topic = try request.string()
            let partitions = try request.array { (request) throws(WireFailure) in
                let partition = try request.int32()
                var offset = CommittedOffset(offset: try request.int64(), time: now)
                if version >= 6 { offset.leaderEpoch = try request.int32() }
                if version == 1 { _ = try request.int64() }
                offset.metadata = try request.nullableString() ?? ""
                try request.tags()
                return (partition, offset)
            }
            try request.tags()
            return TopicOffsets(topic: topic, partitions: partitions)
        }
        var code = refusal(.group, group, call)
        if code == .none {
            var actions: [GroupAction] = []
            code = groups.commit(
                admitted(topics), group: group, by: membership, now: now, into: &actions)
            perform(actions)
        }
        answer(call, topics, code, throttled: 3)
    }

    func txnOffsetCommit(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let version = call.version
        _ = try request.string()
        let group = try request.string()
        let producer = try request.int64()
        let epoch = try request.int16()
        var membership = Membership.none
        if version >= 3 {
            membership.generation = try request.int32()
            membership.member = try request.string()
            membership.instance = try request.nullableString()
        }
        let now = now
        let topics = try request.array { (request) throws(WireFailure) in
            let topic = try request.string()
            let partitions = try request.array { (request) throws(WireFailure) in
                let partition = try request.int32()
                var offset = CommittedOffset(offset: try request.int64(), time: now)
                if version >= 2 { offset.leaderEpoch = try request.int32() }
                offset.metadata = try request.nullableString() ?? ""
                try request.tags()
                return (partition, offset)
            }
            try request.tags()
            return TopicOffsets(topic: topic, partitions: partitions)
        }
        var code = refusal(.group, group, call)
        if code == .none { code = transactions.admits(producer, epoch: epoch, toGroup: group) }
        if code == .none {
            var actions: [GroupAction] = []
            code = groups.commit(
                admitted(topics), group: group, by: membership, producer: producer, now: now,
                into: &actions)
            perform(actions)
        }
        answer(call, topics, code, throttled: 0)
    }

    /// What of a request can be committed: metadata has a limit.
    private func admitted(_ topics: [TopicOffsets]) -> [TopicPartition: CommittedOffset] {
        var offsets: [TopicPartition: CommittedOffset] = [:]
        for topic in topics {
            for (partition, offset) in topic.partitions where !isTooLarge(offset) {
                offsets[TopicPartition(topic: topic.topic, partition: partition)] = offset
            }
        }
        return offsets
    }

    private func isTooLarge(_ offset: CommittedOffset) -> Bool {
        offset.metadata.utf8.count > groups.settings.metadataBytesMax
    }

    private func answer(
        _ call: CoordinatorCall, _ topics: [TopicOffsets], _ code: ErrorCode, throttled: Int16
    ) {
        call.answer(throttled: throttled) { writer in
            writer.array(topics) { writer, topic in
                writer.string(topic.topic)
                writer.array(topic.partitions) { writer, entry in
                    writer.int32(entry.partition)
                    let isRefused = code == .none && isTooLarge(entry.offset)
                    writer.error(isRefused ? .offsetMetadataTooLarge : code)
                    writer.tags()
                }
                writer.tags()
            }
        }
    }

    func offsetFetch(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        typealias Wanted = (group: String, topics: [(topic: String, partitions: [Int32])]?)
        func topics(
            _ request: inout RequestReader
        ) throws(WireFailure) -> [(topic: String, partitions: [Int32])]? {
            try request.nullableArray { (request) throws(WireFailure) in
                let topic = try request.string()
                let partitions = try request.int32s()
                try request.tags()
                return (topic, partitions)
            }
        }
        var wanted: [Wanted]
        if call.version >= 8 {
            wanted = try request.array { (request) throws(WireFailure) in
                let group = try request.string()
                let listed = try topics(&request)
                try request.tags()
                return (group, listed)
            }
        } else {
            let group = try request.string()
            wanted = [(group, try topics(&request))]
        }
        let isStable = call.version >= 7 ? try request.bool() : false
        call.answer(throttled: 3) { writer in
            guard call.version >= 8 else {
                let (group, listed) = wanted[0]
                let code = refusal(.group, group, call)
                offsets(
                    of: group, listed, isStable, call.version, code: code, into: &writer)
                if call.version >= 2 { writer.error(code) }
                return
            }
            writer.array(wanted) { writer, entry in
                let code = refusal(.group, entry.group, call)
                writer.string(entry.group)
                offsets(
                    of: entry.group, entry.topics, isStable, call.version, code: code,
                    into: &writer)
                writer.error(code)
                writer.tags()
            }
        }
    }

    private func offsets(
        of group: String, _ listed: [(topic: String, partitions: [Int32])]?, _ isStable: Bool,
        _ version: Int16, code: ErrorCode, into writer: inout ResponseWriter
    ) {
        let known = groups.offsets[group] ?? GroupOffsets()
        var topics = listed ?? []
        if listed == nil {
            let places = Dictionary(grouping: known.committed.keys, by: \.topic)
            topics = places.sorted { $0.key < $1.key }
                .map { ($0.key, $0.value.map(\.partition).sorted()) }
        }
        writer.array(topics) { writer, topic in
            writer.string(topic.topic)
            writer.array(topic.partitions) { writer, partition in
                let place = TopicPartition(topic: topic.topic, partition: partition)
                let isOpen = isStable && known.isUnstable(place)
                let offset = isOpen || code != .none ? nil : known.committed[place]
                writer.int32(partition)
                writer.int64(offset?.offset ?? -1)
                if version >= 5 { writer.int32(offset?.leaderEpoch ?? -1) }
                writer.nullableString(offset?.metadata ?? "")
                writer.error(isOpen ? .unstableOffsetCommit : code)
                writer.tags()
            }
            writer.tags()
        }
    }

    func offsetDelete(
        _ request: inout RequestReader, _ call: CoordinatorCall
    ) throws(WireFailure) {
        let group = try request.string()
        let topics = try request.array { (request) throws(WireFailure) in
            (topic: try request.string(), partitions: try request.int32s())
        }
        var code = refusal(.group, group, call)
        if code == .none {
            var actions: [GroupAction] = []
            let places = topics.flatMap { entry in
                entry.partitions.map { TopicPartition(topic: entry.topic, partition: $0) }
            }
            code = groups.delete(places, group: group, into: &actions)
            perform(actions)
        }
        // The error stands before the throttle time here, and here alone.
        call.answer(throttled: .max) { writer in
            writer.error(code)
            writer.int32(0)
            writer.array(code == .none ? topics : []) { writer, entry in
                writer.string(entry.topic)
                writer.array(entry.partitions) { writer, partition in
                    writer.int32(partition)
                    writer.error(.none)
                }
            }
        }
    }
}
