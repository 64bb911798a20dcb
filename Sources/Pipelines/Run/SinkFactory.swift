import Connectors
import FeatureServe
import StreamRuntime

/// Opens where rows leave.
struct SinkFactory {
    private let plan: JobPlan
    private let online: OnlineStore?
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
    }

    /// The runtime's node of a planned sink.
    func node(_ sink: PlannedSink, ordinal: Int64) -> JobGraph.SinkNode {
        JobGraph.SinkNode(
            id: sink.id, ordinal: ordinal, isOrdered: true, schema: sink.schema,
            make: { () throws(JobFailure) in try self.open(sink) })
    }

    /// What makes records of the sink's rows; a schema is registered first, where there is a registry.
    private func encoder(
        _ sink: PlannedSink, topic: String, registry: PlannedRegistry?
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
                    schema: sink.schema, message: name, of: descriptor, frame: frame)
            } catch {
                throw JobFailure(
                    .sink, "\(error.field): \(error.reason)", at: "topic \(topic)",
                    remedy: "run millrace validate on the pipelines file")
            }
        }
        guard sink.format == .avro else { return JSONRecordEncoder(schema: sink.schema) }
        guard let registry else { return AvroRecordEncoder(schemaId: nil) }
        let id = try SchemaRegistry(registry.settings).register(
            AvroSchemaText.make(sink.schema, name: topic), subject: "\(topic)-value")
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
                    store: online!, view: view.name, schema: sink.schema, columns: columns,
                    versions: try logs?.sink(view.name, domain: domain),
                    meter: online!.catalog.view(view.name).flatMap { meters?.meter(of: $0) }))
        case .files(let path, let format):
            return format == .csv
                ? FileSink(csv: path, schema: sink.schema)
                : FileSink(jsonLines: path, schema: sink.schema)
        case .call(let call): return try open(call, schema: sink.schema)
        case .topic(let name, let topic, let keys, let partitions):
            let connection = plan.connection(name)!
            let encoder = try encoder(sink, topic: topic, registry: connection.registry)
            switch connection.kind {
            case .embedded(let root):
                let log = EmbeddedLog(root: root)
                try log.ensureTopic(topic, TopicSettings(partitions: partitions ?? 1))
                return TopicSink(
                    try log.writer(topic), encoder: encoder, schema: sink.schema, key: keys,
                    policy: sink.onError)
            case .kafka where sink.delivery == .exactlyOnce:
                return try KafkaTransactionSink(
                    domain!, topic: topic, encoder: encoder, schema: sink.schema, key: keys,
                    policy: sink.onError)
            case .kafka(let bootstrap, let properties):
                return try KafkaSink(
                    KafkaConnection(
                        bootstrap: bootstrap, planned: properties, outage: connection.outageLimit),
                    topic: topic,
                    encoder: encoder, schema: sink.schema, key: keys, policy: sink.onError)
            case .files, .http:
                preconditionFailure("the planner refuses topics on such a connection")
            }
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
        case .files, .http:
            preconditionFailure("the planner refuses topics on such a connection")
        }
    }
}
