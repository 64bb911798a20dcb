import Connectors
import FeatureServe
import StreamRuntime

/// Opens where rows leave.
struct SinkFactory {
    private let plan: JobPlan
    private let online: OnlineStore?
    private let sync: OnlineSync?
    private let domain: KafkaTransactionDomain?
    private let logs: FeatureLogs?
    private let meters: FeatureMeters?
    private let calls: CallSenders?

    /// A factory for the sinks of `plan`; feature sinks write to `online`, exactly-once outputs on Kafka
    /// through `domain`. With `keepsVersions` every version of a feature goes to its log.
    init(
        plan: JobPlan, online: OnlineStore?, domain: KafkaTransactionDomain?,
        keepsVersions: Bool = true, meters: FeatureMeters? = nil, calls: CallSenders? = nil
    ) {
        self.calls = calls
        self.meters = meters
        logs = keepsVersions ? FeatureLogs(plan) : nil
        self.domain = domain
        self.plan = plan
        self.online = online
        sync = online.map { OnlineSync($0) }
    }

    /// The runtime's node of a planned sink.
    func node(_ sink: PlannedSink, ordinal: Int64) -> JobGraph.SinkNode {
        let columns = columns(of: sink)
        var node = JobGraph.SinkNode(
            id: sink.id, ordinal: ordinal, isOrdered: needsOrder(sink),
            schema: columns.map { Schema($0.map { sink.schema.fields[$0] }) } ?? sink.schema,
            make: { () throws(JobFailure) in try self.open(sink) })
        node.columns = columns
        return node
    }

    /// Whether rows must come in order: counts and sums of them are the same in any.
    private func needsOrder(_ sink: PlannedSink) -> Bool {
        guard case .blackhole(let isSummed, let keys) = sink.target else { return true }
        return isSummed && !keys.isEmpty && !sink.isWholeChangelog
    }

    /// The columns that a view takes of its pipeline's rows; nil for sinks that take all.
    private func columns(of sink: PlannedSink) -> [Int]? {
        guard case .features(let view) = sink.target else { return nil }
        let planned = plan.featureViews[view]
        return Set(planned.keyColumns + planned.featureColumns).sorted()
    }

    /// What makes records of the sink's rows; a schema is registered first, where there is a registry.
    private func encoder(
        _ sink: PlannedSink, schema: Schema, topic: String, registry: PlannedRegistry?
    ) throws(JobFailure) -> any RecordEncoder {
        if let message = sink.message, let descriptor = message.protobuf {
            let name = message.option("message") ?? ""
            var frame: [UInt8] = []
            if message.option("framing") == ProtobufRecordDecoder.Framing.confluent.rawValue,
                let registry
            {
                let id = try SchemaRegistry(registry.settings).register(
                    descriptor, message: name, subject: "\(topic)-value")
                frame = descriptor.frame(of: name, id: id)
            }
            do throws(ProtobufMismatch) {
                return try ProtobufRecordEncoder(
                    schema: schema, message: name, of: descriptor, frame: frame)
            } catch {
                throw JobFailure(
                    .sink, "\(error.field): \(error.reason)", at: "topic \(topic)",
                    remedy: "run millrace validate on the pipelines file")
            }
        }
        guard sink.format == .avro else { return JSONRecordEncoder(schema: schema) }
        guard let registry else { return AvroRecordEncoder(schemaId: nil) }
        let id = try SchemaRegistry(registry.settings).register(
            AvroSchemaText.make(schema, name: topic), subject: "\(topic)-value")
        return AvroRecordEncoder(schemaId: id)
    }

    private func open(_ sink: PlannedSink) throws(JobFailure) -> any Sink {
        switch sink.target {
        case .features(let view):
            let view = plan.featureViews[view]
            let entity = plan.entities[view.entity]
            var columns: [String: String] = [:]
            for (key, column) in zip(entity.keys, view.keyColumns) {
                columns[key.name] = sink.schema.fields[column].name
            }
            for (feature, column) in zip(view.features, view.featureColumns) {
                columns[feature.name] = sink.schema.fields[column].name
            }
            return FeatureSink(
                try FeatureWriter(
                    store: online!, view: view.name,
                    schema: Schema(self.columns(of: sink)!.map { sink.schema.fields[$0] }),
                    columns: columns,
                    versions: try logs?.sink(view.name, domain: domain),
                    meter: online!.catalog.view(view.name).flatMap { meters?.meter(of: $0) }),
                sync: sync)
        case .files(let path, let format): return files(sink, root: path, format: format)
        case .table(let path, let format, let keys):
            let csv = format == .csv ? CSVRecordEncoder(schema: sink.schema) : nil
            return TableSink(
                path: path, log: log(of: sink), keys: keys, header: csv?.header,
                encoder: csv ?? JSONRecordEncoder(schema: sink.schema))
        case .blackhole(let isSummed, let keys):
            return BlackholeSink(
                place: sink.id, encoder: isSummed ? ChecksumEncoder(schema: sink.schema) : nil,
                // With the rows before updates sums need no memory of them.
                keys: sink.isWholeChangelog ? [] : keys, log: log(of: sink))
        case .call(let call): return try open(call, schema: sink.schema)
        case .topic(let name, let topic, let keys, let partitions):
            return try changing(sink, columns: keys, keys: keys) {
                shape throws(JobFailure) -> any Sink in
                try self.topic(
                    sink, shape, connection: name, topic: topic, partitions: partitions)
            }
        }
    }

    /// Where an output keeps what it has in memory.
    private func log(of sink: PlannedSink) -> String {
        let plain = sink.id.map {
            $0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "." ? $0 : "-"
        }
        return plan.settings.stateDirectory + "/outputs/\(sink.ordinal)-\(String(plain)).log"
    }

    /// What `open` makes of the rows in the form in which changes are written, with what brings them into it.
    private func changing(
        _ sink: PlannedSink, columns: [Int], keys: [Int],
        _ open: (ChangeShape) throws(JobFailure) -> any Sink
    ) throws(JobFailure) -> any Sink {
        // As upserts rows keep their columns.
        let shape = ChangeShape(sink.changes ?? .upsert, of: sink.schema, columns: columns)
        let target = try open(shape)
        guard let form = sink.changes else { return target }
        return ChangesSink(
            target, form: form, schema: sink.schema, columns: columns, keys: keys)
    }

    private func files(
        _ sink: PlannedSink, root: String, format: PlannedFormat.Kind
    ) -> any Sink {
        let pieces = sink.partitions?.partitioning.pieces ?? []
        let columns = pieces.compactMap { piece -> Int? in
            if case .column(let column) = piece { column } else { nil }
        }
        let shape = ChangeShape(sink.changes ?? .upsert, of: sink.schema, columns: columns)
        var chosen = Array(0..<shape.recordColumns)
        if sink.changes != .debezium, let leftOut = sink.partitions?.leftOut {
            let shift = sink.changes == .changelog ? 1 : 0
            chosen.removeAll { leftOut.contains($0 - shift) }
        }
        let record = Schema(chosen.map { shape.schema.fields[$0] })
        let csv = format == .csv ? CSVRecordEncoder(schema: record) : nil
        var encoder: any RecordEncoder = csv ?? JSONRecordEncoder(schema: record)
        if chosen.count < shape.schema.count {
            encoder = SelectedColumnsEncoder(encoder, columns: chosen, of: shape.schema)
        }
        let suffix = format == .csv ? ".csv" : ".jsonl"
        let target: any Sink
        if let partitions = sink.partitions {
            var places = shape.columns.makeIterator()
            let moved = pieces.map { piece -> FilePartitioning.Piece in
                if case .column = piece { .column(places.next()!) } else { piece }
            }
            target = PartitionedFileSink(
                root: root, partitioning: FilePartitioning(moved), rolling: partitions.rolling,
                suffix: suffix, header: csv?.header, encoder: encoder)
        } else {
            target = FileSink(
                directory: root, suffix: suffix, header: csv?.header, encoder: encoder)
        }
        guard let form = sink.changes else { return target }
        return ChangesSink(target, form: form, schema: sink.schema, columns: columns, keys: [])
    }

    private func topic(
        _ sink: PlannedSink, _ shape: ChangeShape, connection name: String, topic: String,
        partitions: Int?
    ) throws(JobFailure) -> any Sink {
        let connection = plan.connection(name)!
        let chosen = Array(0..<shape.recordColumns)
        var encoder = try encoder(
            sink, schema: Schema(chosen.map { shape.schema.fields[$0] }), topic: topic,
            registry: connection.registry)
        if chosen.count < shape.schema.count {
            encoder = SelectedColumnsEncoder(encoder, columns: chosen, of: shape.schema)
        }
        let (schema, keys) = (shape.schema, shape.columns)
        switch connection.kind {
        case .embedded(let root):
            let log = EmbeddedLog(root: root)
            try log.ensureTopic(topic, TopicSettings(partitions: partitions ?? 1))
            return TopicSink(
                try log.writer(topic), encoder: encoder, schema: schema, key: keys,
                policy: sink.onError)
        case .kafka where sink.delivery == .exactlyOnce:
            return try KafkaTransactionSink(
                domain!, topic: topic, encoder: encoder, schema: schema, key: keys,
                policy: sink.onError)
        case .kafka(let bootstrap, let properties):
            return try KafkaSink(
                KafkaConnection(
                    bootstrap: bootstrap, planned: properties, outage: connection.outageLimit),
                topic: topic,
                encoder: encoder, schema: schema, key: keys, policy: sink.onError)
        case .files, .http, .redis:
            preconditionFailure("the planner refuses topics on such a connection")
        }
    }

    private func open(_ call: PlannedCall, schema: Schema) throws(JobFailure) -> any Sink {
        var workspaces = CallWorkspaces()
        switch call.workspaces {
        case nil: break
        case .table(let known): workspaces = CallWorkspaces(known: known)
        case .file(let path): workspaces = try WorkspaceFile.open(path)
        }
        return try CallSink(
            call.settings, schema: schema,
            directory: call.directory(in: plan.settings.stateDirectory), workspaces: workspaces,
            results: call.results.map(place), deadLetters: call.deadLetters.map(place),
            transport: CallSender.network(call.settings), senders: calls)
    }

    private func place(_ topic: PlannedCall.Topic) -> CallTopicPlace {
        let connection = plan.connection(topic.connection)!
        switch connection.kind {
        case .embedded(let root): return .embedded(EmbeddedLog(root: root), topic: topic.topic)
        case .kafka(let bootstrap, let properties):
            return .kafka(
                KafkaConnection(
                    bootstrap: bootstrap, planned: properties, outage: connection.outageLimit),
                topic: topic.topic)
        case .files, .http, .redis:
            preconditionFailure("the planner refuses topics on such a connection")
        }
    }
}
