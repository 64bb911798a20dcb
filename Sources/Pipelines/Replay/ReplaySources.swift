import Connectors
import StreamRuntime

/// Opens what replays read: streams' topics, with an archive before them where there is one.
enum ReplaySources {
    /// The source of a planned stream, unbounded.
    static func open(
        _ planned: PlannedSource, of plan: JobPlan, archive: String?
    ) throws(JobFailure) -> any RecordSource {
        let live = try SourceFactory(plan: plan, isBounded: false).node(planned).open()
        guard let archive, case .topic(_, let topic) = planned.location,
            let lookup = live as? any LogLookup, EmbeddedLog(root: archive).hasTopic(topic)
        else { return live }
        return SeamedSource(
            archive: try EmbeddedLog(root: archive).source(topic, bounded: true), live: lookup)
    }

    /// A topic of a connection, up to what it holds now.
    static func topic(
        _ name: String, on connection: PlannedConnection
    ) throws(JobFailure) -> any RecordSource {
        switch connection.kind {
        case .embedded(let root): try EmbeddedLog(root: root).source(name, bounded: true)
        case .kafka(let bootstrap, let properties):
            try KafkaSource(
                KafkaConnection(bootstrap: bootstrap, planned: properties), topic: name,
                bounded: true)
        case .files, .http, .redis: preconditionFailure("this connection has no topics")
        }
    }

    /// The topic as above, or nil when there is none of that name.
    static func present(
        _ name: String, on connection: PlannedConnection
    ) throws(JobFailure) -> (any RecordSource)? {
        if case .embedded(let root) = connection.kind, !EmbeddedLog(root: root).hasTopic(name) {
            return nil
        }
        return try topic(name, on: connection)
    }

    /// Hands every record of `source` to `body`, partition after partition, waiting for a network source.
    static func forEachBatch(
        of source: any RecordSource, _ body: (RecordBatch) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while let batch = try reader.nextBatch() { try body(batch) }
        }
    }
}

extension PartitionReader {
    /// The next records, waited for; nil at the end.
    func nextBatch(maxRecords: Int = 4096) throws(JobFailure) -> RecordBatch? {
        while true {
            switch try read(maxRecords: maxRecords, maxBytes: 1 << 20) {
            case .records(let batch): return batch
            case .ended, .caughtUp: return nil
            case .waiting: ReplayPause.millisecond()
            }
        }
    }
}

extension PlannedConnection {
    /// Whether it is a Kafka cluster.
    var isKafka: Bool { if case .kafka = kind { true } else { false } }
}
