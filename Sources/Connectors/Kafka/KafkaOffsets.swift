import CRdKafka
import Glibc
import StreamRuntime

/// Offsets of partitions with what they say, for one request.
///
/// - Note: the owner of librdkafka's list; metadata is copied into it.
struct KafkaOffsets: ~Copyable {
    let list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init() { list = rd_kafka_topic_partition_list_new(8) }

    deinit { rd_kafka_topic_partition_list_destroy(list) }

    var isEmpty: Bool { list.pointee.cnt == 0 }

    func append(topic: String, partition: Int32, offset: Int64, metadata: String) {
        let entry = rd_kafka_topic_partition_list_add(list, topic, partition)!
        entry.pointee.offset = offset
        // The list frees it.
        entry.pointee.metadata = UnsafeMutableRawPointer(strdup(metadata))
        entry.pointee.metadata_size = metadata.utf8.count
    }
}

/// The offsets that a job commits for its consumer group: which partitions, and what is written to them.
public struct KafkaGroup: Equatable, Sendable {
    /// The group's name.
    public var name: String
    /// The job's share, when it is cut into shares.
    public var share: Int?
    /// The topics of the job's streams on this cluster, by the stream's name.
    public var topics: [String: String]
    /// The topic whose first partition carries the record when no stream is read from this cluster.
    public var marker: String?
    /// The partition of that topic.
    public var markerPartition: Int32 = 0

    /// The group `name` of a job that reads `topics`.
    public init(
        name: String, share: Int? = nil, topics: [String: String], marker: String? = nil
    ) {
        self.name = name
        self.share = share
        self.topics = topics
        self.marker = marker
    }

    /// What is committed with `committed`, whose manifest has these positions.
    func offsets(
        of committed: CommittedCheckpoint, at positions: [String: [UInt8]]
    ) -> KafkaOffsets {
        let offsets = KafkaOffsets()
        let text = CommittedText.text(committed, share: share)
        for (name, bytes) in positions.sorted(by: { $0.key < $1.key }) {
            guard let slash = name.lastIndex(of: "/"), let topic = topics[String(name[..<slash])],
                let partition = Int32(name[name.index(after: slash)...]),
                let position = SourcePosition(bytes)
            else { continue }
            offsets.append(
                topic: topic, partition: partition, offset: position.offset, metadata: text)
        }
        if offsets.isEmpty, let marker {
            offsets.append(
                topic: marker, partition: markerPartition, offset: committed.checkpoint,
                metadata: text)
        }
        return offsets
    }
}

/// A member of a consumer group at one moment, as transactions present it to the broker (KIP-447).
///
/// - Note: librdkafka does not change it once it is made, which is why sharing is safe.
public final class KafkaGroupMember: @unchecked Sendable {
    let handle: OpaquePointer

    init(owning handle: OpaquePointer) { self.handle = handle }

    /// Nobody's membership in `group`: for a job that is one process and assigns partitions itself.
    init(group: String) { handle = rd_kafka_consumer_group_metadata_new(group) }

    deinit { rd_kafka_consumer_group_metadata_destroy(handle) }
}

/// A process's place in a consumer group: a seam.
public protocol KafkaMembership: AnyObject, Sendable {
    /// The member as it is now, asked for right before a transaction is committed.
    ///
    /// It may wait until a rebalance is over, since the broker refuses members of an older generation.
    /// - Throws: when the process has lost what it would commit for.
    func member() throws(JobFailure) -> KafkaGroupMember
}

extension KafkaGroup {
    /// What a request for the group's committed offsets found.
    enum CommittedAnswer {
        case checkpoint(CommittedCheckpoint?)
        /// The broker is still settling a transaction, or did not answer in time.
        case again(String)
        case failed(rd_kafka_resp_err_t, String)
    }

    /// The newest checkpoint that the group's committed offsets tell of, transactions settled.
    ///
    /// - Note: asked by a consumer that joins nothing. The administrators' request for a group's offsets
    ///   ends the process in librdkafka 2.0 when the broker answers with an error.
    func lastCommitted(at connection: KafkaConnection) -> CommittedAnswer {
        do throws(JobFailure) {
            let client = try KafkaClient(
                RD_KAFKA_CONSUMER, connection, defaults: [:],
                fixed: [
                    // Only a reader of committed records waits for offsets in open transactions.
                    "group.id": name, "isolation.level": "read_committed",
                    "enable.auto.commit": "false", "allow.auto.create.topics": "false",
                ])
            let offsets = KafkaOffsets()
            let wanted = Set(topics.values).union([marker].compactMap { $0 })
            var metadata: UnsafePointer<rd_kafka_metadata>?
            let found = rd_kafka_metadata(
                client.handle, 1, nil, &metadata, Int32(connection.requestMillis))
            guard found == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
                let reason = String(cString: rd_kafka_err2str(found))
                return KafkaFailure.isPassing(found) ? .again(reason) : .failed(found, reason)
            }
            defer { rd_kafka_metadata_destroy(metadata) }
            // A topic that is not there has no offsets; who reads it says what that means.
            for index in 0..<Int(metadata.pointee.topic_cnt) {
                let topic = metadata.pointee.topics[index]
                guard wanted.contains(String(cString: topic.topic)) else { continue }
                for partition in 0..<topic.partition_cnt {
                    rd_kafka_topic_partition_list_add(offsets.list, topic.topic, partition)
                }
            }
            guard !offsets.isEmpty else { return .checkpoint(nil) }
            let code = rd_kafka_committed(
                client.handle, offsets.list, Int32(connection.requestMillis))
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                let reason = String(cString: rd_kafka_err2str(code))
                return KafkaFailure.isPassing(code) ? .again(reason) : .failed(code, reason)
            }
            return read(offsets)
        } catch {
            if case .retry = error.recovery { return .again(error.problem) }
            return .failed(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, error.problem)
        }
    }

    private func read(_ offsets: borrowing KafkaOffsets) -> CommittedAnswer {
        var newest: CommittedCheckpoint?
        for index in 0..<Int(offsets.list.pointee.cnt) {
            let entry = offsets.list.pointee.elems[index]
            guard entry.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                let reason = String(cString: rd_kafka_err2str(entry.err))
                return KafkaFailure.isPassing(entry.err)
                    ? .again(reason) : .failed(entry.err, reason)
            }
            guard entry.offset >= 0, let bytes = entry.metadata else { continue }
            let text = String(
                decoding: UnsafeRawBufferPointer(start: bytes, count: entry.metadata_size),
                as: UTF8.self)
            if let told = CommittedText.read(text, share: share),
                told.checkpoint > newest?.checkpoint ?? 0
            {
                newest = told
            }
        }
        return .checkpoint(newest)
    }
}
