import Codecs
import StreamRuntime

/// One topic of the load: what is written to it, and how much.
final class LoadTopic {
    let name: String
    /// Records a second, without any burst.
    let rate: Int
    /// Whether the burst is one of this topic.
    let bursts: Bool
    /// Of a thousand records how many are delivered a second time, and how many are cut short.
    let repeated: Int
    let spoiled: Int
    let partitions: Int
    private(set) var records = 0
    private(set) var duplicates = 0
    private(set) var malformed = 0

    private let write: (inout LoadRecord) -> Void
    private let writer: TopicWriter
    private var record: LoadRecord
    /// Thousandths of a record that are due.
    private var owed = 0
    private var isDirty = false

    /// A topic whose records `write` makes, each from its own moment and number.
    init(
        _ name: String, rate: Int, partitions: Int = 1, bursts: Bool = false, repeated: Int = 0,
        spoiled: Int = 0, seed: UInt64, log: EmbeddedLog,
        write: @escaping (inout LoadRecord) -> Void
    ) throws(JobFailure) {
        self.name = name
        self.rate = rate
        self.partitions = partitions
        self.bursts = bursts
        self.repeated = repeated
        self.spoiled = spoiled
        self.write = write
        record = LoadRecord(random: SampleRandom(seed: seed))
        try log.ensureTopic(name, TopicSettings(partitions: partitions))
        writer = try log.writer(name, syncing: false)
    }

    /// Appends what is due of `millis` milliseconds from `from` on, at `factor` times the rate.
    func produce(from: Int64, millis: Int, factor: Int) throws(JobFailure) {
        owed += rate * factor * millis
        let count = owed / 1000
        guard count > 0 else { return }
        owed -= count * 1000
        isDirty = true
        for index in 0..<count {
            record.arrival = from + Int64(millis) * 1000 * Int64(index) / Int64(count)
            record.number = records - duplicates
            record.text.clear()
            record.key.clear()
            record.timestamp = record.arrival
            write(&record)
            if spoiled > 0, record.random.chance(spoiled) {
                malformed += 1
                record.text.cut(to: record.text.bytes.count * 3 / 5)
                try append()
                continue
            }
            try append()
            if repeated > 0, record.random.chance(repeated) {
                duplicates += 1
                try append()
            }
        }
    }

    private func append() throws(JobFailure) {
        records += 1
        let (key, value) = (record.key.bytes, record.text.bytes)
        let partition =
            partitions == 1
            ? 0 : Murmur2.partition(key: key, key.count, of: partitions)
        let time = record.timestamp
        try key.withUnsafeBufferPointer { key throws(JobFailure) in
            try value.withUnsafeBufferPointer { value throws(JobFailure) in
                try writer.append(
                    partition: partition, key: key, value: value, timestamp: time)
            }
        }
    }

    /// Makes what was appended readable.
    func commit() throws(JobFailure) {
        guard isDirty else { return }
        isDirty = false
        try writer.commit()
    }

    func close() { writer.close() }
}

/// A record in the making, and what it is made from.
struct LoadRecord {
    var random: SampleRandom
    var text = LoadText()
    var key = LoadText()
    /// When it arrives; most tell of a moment shortly before.
    var arrival: Int64 = 0
    /// The timestamp of the record itself.
    var timestamp: Int64 = 0
    /// How many different ones of the topic came before it.
    var number = 0

    init(random: SampleRandom) { self.random = random }

    /// A moment less than `micros` before the arrival, which becomes the record's timestamp too.
    mutating func moment(within micros: Int64) -> Int64 {
        timestamp = arrival - random.below(micros)
        return timestamp
    }

    /// A store: the first one has a twentieth of everything.
    mutating func store() -> Int { random.chance(50) ? 1 : 2 + random.below(LoadSample.stores - 1) }

    /// A product; the first ones much more often than the last ones.
    mutating func product() -> Int {
        1 + random.skewed(below: 1 + random.below(LoadSample.products))
    }
}
