import CRdKafka
import Glibc
import StreamRuntime

/// Reads one partition of a Kafka topic through a queue of its own.
///
/// - Note: the whole queue is taken by one call with a callback a record, which copies it into the
///   batch's arena: per-record calls of librdkafka take the queue's lock each and reach a third of the
///   rate.
final class KafkaReader: PartitionReader {
    let partition: Int32
    let name: String
    private(set) var position: Int64

    let client: KafkaClient
    private let topic: KafkaTopic
    private let watch: KafkaTopicWatch
    private let limit: Int64?
    private var queue: OpaquePointer?
    private var atEnd = false
    private var held: rd_kafka_resp_err_t?
    private var lastBytes = 4096
    private var ahead: KafkaReadAhead

    init(
        _ client: KafkaClient, _ topic: KafkaTopic, _ watch: KafkaTopicWatch, partition: Int32,
        start: Int64, limit: Int64?
    ) {
        self.client = client
        self.topic = topic
        self.watch = watch
        self.partition = partition
        self.limit = limit
        name = "\(topic.name)/\(partition)"
        position = start
        ahead = KafkaReadAhead(client)
    }

    deinit { stop() }

    func seek(to offset: Int64) throws(JobFailure) {
        stop()
        let extent = try client.extent(topic.name, partition)
        guard offset >= extent.oldest else {
            throw JobFailure(
                .source,
                "offset \(offset) of \(name) is no longer there: the oldest is \(extent.oldest)",
                at: client.place(topic.name, partition),
                remedy: "start the job afresh from offset \(extent.oldest), and raise the topic's "
                    + "retention above the longest pause of the job")
        }
        guard offset <= extent.end else {
            throw JobFailure(
                .source,
                "offset \(offset) of \(name) is not there: the topic ends at \(extent.end)",
                at: client.place(topic.name, partition),
                remedy:
                    "the topic was created anew or lost records since the checkpoint: start the "
                    + "job afresh")
        }
        position = offset
    }

    private func stop() {
        guard let queue else { return }
        rd_kafka_consume_stop(topic.handle, partition)
        rd_kafka_queue_destroy(queue)
        self.queue = nil
        atEnd = false
        held = nil
    }

    private func startedQueue() throws(JobFailure) -> OpaquePointer {
        if let queue { return queue }
        let made = rd_kafka_queue_new(client.handle)
        guard rd_kafka_consume_start_queue(topic.handle, partition, position, made) == 0 else {
            let code = rd_kafka_last_error()
            rd_kafka_queue_destroy(made)
            throw client.failure(code, topic: topic.name, partition: partition, doing: "read")
        }
        queue = made
        return made!
    }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        precondition(maxRecords > 0, "a read asks for records")
        if let limit, position >= limit { return .ended }
        try client.serve(topic: topic.name)
        if let held { throw expired(held) }
        try watch.look()
        let queue = try startedQueue()
        let queued = rd_kafka_queue_length(queue)
        guard queued > 0 else {
            if atEnd { return .caughtUp }
            ahead.noteEmpty(of: client)
            return .waiting
        }
        let rows = min(maxRecords, 8192)
        let arena = ByteArena(capacity: lastBytes)
        let batch = RecordBatch(partition: partition, capacity: rows, arena: arena)
        var fill = KafkaFill(
            batch, arena: arena, client: client.handle, position: position, rowsMax: rows,
            bytesMax: maxBytes, limit: limit ?? .max)
        withUnsafeMutablePointer(to: &fill) {
            _ = rd_kafka_consume_callback_queue(queue, 0, { KafkaFill.take($0, $1) }, $0)
        }
        fill.close(batch)
        batch.skipped = fill.skipped
        if batch.count > 0 || fill.atEnd { client.noteAnswer() }
        position = fill.position
        atEnd = fill.atEnd
        held = fill.failure
        lastBytes = max(arena.count, 4096)
        ahead.note(queued: queued, taken: batch.count, bytes: arena.count, of: client)
        if batch.count > 0 { return .records(batch) }
        if let held { throw expired(held) }
        if let limit, position >= limit { return .ended }
        return atEnd ? .caughtUp : .waiting
    }

    /// What went wrong at `position`, in our words.
    private func expired(_ code: rd_kafka_resp_err_t) -> JobFailure {
        guard
            code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
                || code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
        else {
            return client.failure(code, topic: topic.name, partition: partition, doing: "read")
        }
        do {
            try seek(to: position)
        } catch {
            return error
        }
        return client.failure(code, topic: topic.name, partition: partition, doing: "read")
    }
}

/// A batch while the callbacks of one call fill it: plain memory, so that a record costs two copies.
private struct KafkaFill {
    private let client: OpaquePointer
    private let keys: UnsafeMutablePointer<UInt64>
    private let values: UnsafeMutablePointer<UInt64>
    private let timestamps: UnsafeMutablePointer<Int64>
    private let offsets: UnsafeMutablePointer<Int64>
    private let present: UnsafeMutablePointer<UInt8>
    private let arena: Unmanaged<ByteArena>
    private let rowsMax: Int
    private let bytesMax: Int
    private let limit: Int64
    private var bytes: UnsafeMutablePointer<UInt8>
    private var bytesCount: Int
    private var bytesCapacity: Int
    private var count = 0
    private var headers: [(row: Int, bytes: [UInt8])] = []
    private(set) var position: Int64
    private(set) var atEnd = false
    private(set) var skipped = 0
    private(set) var failure: rd_kafka_resp_err_t?

    private static let hasKey: UInt8 = 1
    private static let hasValue: UInt8 = 2

    init(
        _ batch: RecordBatch, arena: ByteArena, client: OpaquePointer, position: Int64,
        rowsMax: Int, bytesMax: Int, limit: Int64
    ) {
        self.client = client
        self.position = position
        self.rowsMax = rowsMax
        self.bytesMax = bytesMax
        self.limit = limit
        self.arena = Unmanaged.passUnretained(arena)
        keys = batch.keys.views
        values = batch.values.views
        timestamps = batch.timestamps.int64s
        offsets = batch.offsets.int64s
        present = .allocate(capacity: rowsMax)
        bytes = arena.base
        bytesCount = arena.count
        bytesCapacity = arena.capacity
    }

    /// Takes one record or event; called by librdkafka, which keeps the message.
    static func take(
        _ message: UnsafeMutablePointer<rd_kafka_message_t>?, _ opaque: UnsafeMutableRawPointer?
    ) {
        guard let message, let opaque else { return }
        let fill = opaque.assumingMemoryBound(to: KafkaFill.self)
        guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return fill.pointee.note(message.pointee.err, offset: message.pointee.offset)
        }
        fill.pointee.append(message)
        if fill.pointee.count == fill.pointee.rowsMax
            || fill.pointee.bytesCount >= fill.pointee.bytesMax
        {
            rd_kafka_yield(fill.pointee.client)
        }
    }

    private mutating func note(_ code: rd_kafka_resp_err_t, offset: Int64) {
        if code == RD_KAFKA_RESP_ERR__PARTITION_EOF {
            atEnd = true
            position = min(max(position, offset), limit)
        } else if failure == nil && code != RD_KAFKA_RESP_ERR__TRANSPORT {
            failure = code
        }
        rd_kafka_yield(client)
    }

    private mutating func append(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        let offset = message.pointee.offset
        atEnd = false
        guard offset >= position else { return }
        let before = position
        position = min(offset &+ 1, limit)
        guard offset < limit else { return rd_kafka_yield(client) }
        skipped &+= Int(offset &- before)
        let row = count
        var kind = rd_kafka_timestamp_type_t(0)
        let millis = rd_kafka_message_timestamp(message, &kind)
        let keyBytes = message.pointee.key == nil ? 0 : message.pointee.key_len
        let valueBytes = message.pointee.payload == nil ? 0 : message.pointee.len
        if bytesCount &+ keyBytes &+ valueBytes > bytesCapacity { grow(keyBytes + valueBytes) }
        keys[row] = ByteView.pack(start: bytesCount, length: keyBytes)
        if keyBytes > 0 { memcpy(bytes + bytesCount, message.pointee.key, keyBytes) }
        bytesCount &+= keyBytes
        values[row] = ByteView.pack(start: bytesCount, length: valueBytes)
        if valueBytes > 0 { memcpy(bytes + bytesCount, message.pointee.payload, valueBytes) }
        bytesCount &+= valueBytes
        present[row] =
            (message.pointee.key == nil ? 0 : KafkaFill.hasKey)
            | (message.pointee.payload == nil ? 0 : KafkaFill.hasValue)
        timestamps[row] = millis < 0 ? 0 : millis &* 1000
        offsets[row] = offset
        count = row &+ 1
        var list: OpaquePointer?
        if rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list {
            headers.append((row, KafkaFill.encode(list)))
        }
    }

    private mutating func grow(_ extra: Int) {
        arena._withUnsafeGuaranteedRef {
            $0.count = bytesCount
            $0.reserve(extra)
            bytes = $0.base
            bytesCapacity = $0.capacity
        }
    }

    private static func encode(_ list: OpaquePointer) -> [UInt8] {
        var headers: [RecordHeaders.Header] = []
        for index in 0..<rd_kafka_header_cnt(list) {
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var length = 0
            guard
                rd_kafka_header_get_all(list, index, &name, &value, &length)
                    == RD_KAFKA_RESP_ERR_NO_ERROR, let name
            else { continue }
            let bytes = value.map { Array(UnsafeRawBufferPointer(start: $0, count: length)) }
            headers.append(RecordHeaders.Header(String(cString: name), bytes))
        }
        return RecordHeaders.encode(headers)
    }

    /// Gives `batch` what was filled, and frees what was only needed meanwhile.
    mutating func close(_ batch: RecordBatch) {
        defer { present.deallocate() }
        arena._withUnsafeGuaranteedRef { $0.count = bytesCount }
        for (column, flag) in [(batch.keys, KafkaFill.hasKey), (batch.values, KafkaFill.hasValue)] {
            var row = 0
            while row < count {
                if present[row] & flag == 0 { column.ensureValidity()[row] = 0 }
                row &+= 1
            }
        }
        for column in [batch.keys, batch.values, batch.timestamps, batch.offsets] {
            column.setCount(count)
        }
        guard !headers.isEmpty else { return }
        let column = Column(.bytes, capacity: count)
        for (row, bytes) in headers {
            while column.count < row { column.appendNull() }
            bytes.withUnsafeBufferPointer { column.append($0) }
        }
        while column.count < count { column.appendNull() }
        batch.headers = column
    }
}
