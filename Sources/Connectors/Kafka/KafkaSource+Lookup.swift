import CRdKafka
import StreamRuntime

extension KafkaSource: LogLookup {
    /// The extent of a partition as its leader tells it.
    public func extent(partition: Int32) throws(JobFailure) -> LogExtent {
        let extent = try client.extent(topic, partition)
        return LogExtent(oldest: extent.oldest, end: extent.end)
    }

    /// The first offset whose record has a timestamp of at least `micros`, as the broker's index says; nil
    /// when none has.
    public func offset(
        partition: Int32, atOrAfter micros: Int64
    ) throws(JobFailure) -> Int64? {
        // Kafka keeps milliseconds: the record at or after a part of one is after it.
        let (millis, part) = micros.quotientAndRemainder(dividingBy: 1000)
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        let entry = rd_kafka_topic_partition_list_add(list, topic, partition)
        entry!.pointee.offset = max(part > 0 ? millis + 1 : millis, 0)
        let code = rd_kafka_offsets_for_times(
            client.handle, list, Int32(client.connection.requestMillis))
        let found = list!.pointee.elems[0]
        for problem in [code, found.err] where problem != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw client.failure(
                problem, topic: topic, partition: partition, doing: "find a time in")
        }
        return found.offset < 0 ? nil : found.offset
    }
}
