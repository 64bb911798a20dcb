/// A change of a coordinator's state, as it is written before anyone is told of it.
enum CoordinatorRecord: Equatable, Sendable {
    /// The next producer id that is free.
    case producers(next: Int64)
    /// A transaction as it is now.
    case transaction(TransactionRecord)
    /// A group's members as they are now.
    case group(GroupSnapshot)
    /// A group and its offsets are gone.
    case groupDeleted(String)
    /// Offsets of a group, pending if a transaction's `producer` wrote them.
    case offsets(group: String, [TopicPartition: CommittedOffset], producer: Int64?)
    /// A producer's pending offsets have become visible, or are dropped.
    case offsetsEnded(group: String, producer: Int64, isCommit: Bool)
    /// Some of a group's offsets are gone.
    case offsetsDeleted(group: String, [TopicPartition])
}

extension CoordinatorRecord {
    /// The record's bytes; `init(reading:)` understands them.
    var bytes: [UInt8] {
        var writer = ResponseWriter(isFlexible: true)
        switch self {
        case .producers(let next):
            writer.int8(1)
            writer.int64(next)
        case .transaction(let record):
            writer.int8(2)
            writer.transaction(record)
        case .group(let snapshot):
            writer.int8(3)
            writer.group(snapshot)
        case .groupDeleted(let id):
            writer.int8(4)
            writer.string(id)
        case .offsets(let group, let offsets, let producer):
            writer.int8(5)
            writer.string(group)
            writer.bool(producer != nil)
            writer.int64(producer ?? 0)
            writer.array(offsets.sorted { $0.key < $1.key }) { writer, entry in
                writer.place(entry.key)
                writer.int64(entry.value.offset)
                writer.int32(entry.value.leaderEpoch)
                writer.string(entry.value.metadata)
                writer.int64(entry.value.time)
                writer.int64(entry.value.record)
            }
        case .offsetsEnded(let group, let producer, let isCommit):
            writer.int8(6)
            writer.string(group)
            writer.int64(producer)
            writer.bool(isCommit)
        case .offsetsDeleted(let group, let places):
            writer.int8(7)
            writer.string(group)
            writer.array(places) { $0.place($1) }
        }
        return writer.collected
    }

    /// The record that `bytes` were made of.
    init(reading bytes: UnsafeRawBufferPointer) throws(WireFailure) {
        var reader = RequestReader(bytes, isFlexible: true)
        switch try reader.int8() {
        case 1: self = .producers(next: try reader.int64())
        case 2: self = .transaction(try reader.transaction())
        case 3: self = .group(try reader.group())
        case 4: self = .groupDeleted(try reader.string())
        case 5:
            let group = try reader.string()
            let isPending = try reader.bool()
            let producer = try reader.int64()
            var offsets: [TopicPartition: CommittedOffset] = [:]
            _ = try reader.array { (reader) throws(WireFailure) in
                let place = try reader.place()
                offsets[place] = CommittedOffset(
                    offset: try reader.int64(), leaderEpoch: try reader.int32(),
                    metadata: try reader.string(), time: try reader.int64(),
                    record: try reader.int64())
            }
            self = .offsets(group: group, offsets, producer: isPending ? producer : nil)
        case 6:
            self = .offsetsEnded(
                group: try reader.string(), producer: try reader.int64(),
                isCommit: try reader.bool())
        case 7:
            self = .offsetsDeleted(
                group: try reader.string(),
                try reader.array { (reader) throws(WireFailure) in try reader.place() })
        case let kind: throw WireFailure("a coordinator's record of unknown kind \(kind)")
        }
    }
}

extension ResponseWriter {
    fileprivate var collected: [UInt8] {
        pieces.flatMap { piece in
            if case .bytes(let bytes) = piece { bytes } else { [UInt8]() }
        }
    }

    fileprivate mutating func place(_ place: TopicPartition) {
        string(place.topic)
        int32(place.partition)
    }

    fileprivate mutating func transaction(_ record: TransactionRecord) {
        string(record.id)
        int64(record.producer)
        int16(record.epoch)
        int16(record.lastEpoch)
        int64(record.timeout)
        int8(Int8(record.phase.rawValue))
        int64(record.began)
        array(record.partitions) { $0.place($1) }
        array(record.groups) { $0.string($1) }
    }

    fileprivate mutating func group(_ snapshot: GroupSnapshot) {
        string(snapshot.id)
        int32(snapshot.generation)
        nullableString(snapshot.protocolType)
        nullableString(snapshot.protocolName)
        nullableString(snapshot.leader)
        array(snapshot.members) { writer, member in
            writer.string(member.id)
            writer.nullableString(member.instance)
            writer.string(member.client)
            writer.int64(member.sessionTimeout)
            writer.int64(member.rebalanceTimeout)
            writer.array(member.protocols) { writer, known in
                writer.string(known.name)
                writer.bytes(known.metadata)
            }
            writer.bytes(member.assignment)
        }
    }
}

extension RequestReader {
    fileprivate mutating func place() throws(WireFailure) -> TopicPartition {
        TopicPartition(topic: try string(), partition: try int32())
    }

    fileprivate mutating func transaction() throws(WireFailure) -> TransactionRecord {
        var record = TransactionRecord(
            id: try string(), producer: try int64(), epoch: try int16(), lastEpoch: try int16(),
            timeout: try int64())
        guard let phase = TransactionRecord.Phase(rawValue: UInt8(bitPattern: try int8())) else {
            throw WireFailure("a transaction in no known phase")
        }
        record.phase = phase
        record.began = try int64()
        record.partitions = try array { (reader) throws(WireFailure) in try reader.place() }
        record.groups = try strings()
        return record
    }

    fileprivate mutating func group() throws(WireFailure) -> GroupSnapshot {
        GroupSnapshot(
            id: try string(), generation: try int32(), protocolType: try nullableString(),
            protocolName: try nullableString(), leader: try nullableString(),
            members: try array { (reader) throws(WireFailure) in
                GroupMember(
                    id: try reader.string(), instance: try reader.nullableString(),
                    client: try reader.string(), sessionTimeout: try reader.int64(),
                    rebalanceTimeout: try reader.int64(),
                    protocols: try reader.array { (reader) throws(WireFailure) in
                        GroupProtocol(name: try reader.string(), metadata: try reader.bytes())
                    }, assignment: try reader.bytes(), expiry: 0)
            })
    }
}
