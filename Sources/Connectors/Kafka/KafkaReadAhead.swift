import CRdKafka
import StreamRuntime

/// How far a partition is read ahead, and what makes the library go on in time.
///
/// librdkafka stops fetching for a partition whose queue is full. Before 2.2 it looks at a full queue again
/// after a second, however soon that was read: a job would wait most of that second, or need queues for
/// all that it takes in one. So the reader says when there is room again; later versions look by themselves.
struct KafkaReadAhead {
    /// How much is read ahead over all partitions of a source: half of it is more than what two cores take
    /// in the time of a request to a distant broker, and little enough for a core's cache.
    private static let kilobytes = 32_768
    /// What a partition may have at least, in a topic of many: a fetch brings as much.
    private static let kilobytesMin = 1024
    /// The first version with `fetch.queue.backoff.ms`.
    private static let backoffVersion: Int32 = 0x0202_0000

    private let recordsMax: Int
    private let bytesMax: Int
    private let isSleepy = rd_kafka_version() < KafkaReadAhead.backoffVersion
    /// The most records the queue has had since the library was woken.
    private var peak = 0
    /// About how many records fill the queue.
    private var full = Int.max

    /// The settings of a source of so many partitions.
    static func settings(partitions: Int) -> [String: String] {
        var settings = [
            "queued.max.messages.kbytes": String(max(kilobytesMin, kilobytes / max(partitions, 1))),
            "queued.min.messages": "1000000",
        ]
        if rd_kafka_version() >= backoffVersion { settings["fetch.queue.backoff.ms"] = "2" }
        return settings
    }

    /// What `client` was set to.
    init(_ client: KafkaClient) {
        recordsMax = KafkaReadAhead.number("queued.min.messages", of: client)
        bytesMax = KafkaReadAhead.number("queued.max.messages.kbytes", of: client) << 10
    }

    private static func number(_ name: String, of client: KafkaClient) -> Int {
        var text = [CChar](repeating: 0, count: 32)
        var size = text.count
        let code = rd_kafka_conf_get(rd_kafka_conf(client.handle), name, &text, &size)
        guard code == RD_KAFKA_CONF_OK, let number = Int(KafkaClient.string(text)) else { return 0 }
        return number
    }

    /// Notes that `taken` records of `bytes` were taken from a queue that had `queued`.
    mutating func note(queued: Int, taken: Int, bytes: Int, of client: KafkaClient) {
        guard isSleepy, taken > 0 else { return }
        full = max(min(recordsMax, bytesMax / max(bytes / taken, 1)), 1)
        peak = max(peak, queued)
        // Records differ in size: three quarters by this reckoning may be all there is room for.
        if queued - taken <= full / 2, peak >= full - full / 4 { wake(client) }
    }

    /// Notes that the queue is empty though the log goes on.
    mutating func noteEmpty(of client: KafkaClient) {
        // A stream that is followed as it grows empties its queue all the time: that needs nobody woken.
        if isSleepy, peak >= full / 8 { wake(client) }
    }

    private mutating func wake(_ client: KafkaClient) {
        peak = 0
        // Setting the credentials there are is the one call that wakes the library's threads and changes
        // nothing; without SASL nobody reads them.
        let properties = client.connection.properties
        let error = rd_kafka_sasl_set_credentials(
            client.handle, properties["sasl.username"] ?? "", properties["sasl.password"] ?? "")
        if let error { rd_kafka_error_destroy(error) }
    }
}
