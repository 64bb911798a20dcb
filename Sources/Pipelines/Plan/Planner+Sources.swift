import Connectors
import Foundation
import StreamRuntime

extension Planner {
    func planConnections() {
        connections = spec.connections.map { connection in
            let kind: PlannedConnection.Kind =
                switch connection.kind {
                case .embedded(let root): .embedded(root: Planner.resolve(root, in: directory))
                case .files(let root): .files(root: Planner.resolve(root, in: directory))
                case .kafka: connection.kind
                case .http(let http): .http(http.resolved(in: directory))
                case .redis: connection.kind
                }
            return PlannedConnection(
                name: connection.name.value, kind: kind,
                registry: connection.registry?.resolved(in: directory),
                outageLimit: connection.outageLimit)
        }
    }

    /// The connections that hold topics.
    var topicConnections: [String] {
        connections.filter { $0.holdsTopics && $0.name != TestPlan.connection }.map(\.name)
    }

    /// The connection a topic is on: the one named, or the only one it can be.
    ///
    /// - Parameter near: those that the rows at hand come from.
    func topicConnection(
        _ named: Located<String>?, near: [String], at position: Position, topic: String
    ) -> String? {
        if let named {
            guard let connection = declared(named) else { return nil }
            if !connection.holdsTopics {
                diagnostics.report(
                    .wrongConnection,
                    "the connection \"\(named.value)\" holds \(connection.holding)",
                    at: named.position,
                    fix: "name one of: \(topicConnections.joined(separator: ", "))")
                return nil
            }
            return named.value
        }
        if near.count == 1 { return near[0] }
        if topicConnections.count == 1 { return topicConnections[0] }
        diagnostics.report(
            .ambiguousConnection,
            topicConnections.isEmpty
                ? "no connection is declared for the topic \"\(topic)\""
                : "it is not said which connection the topic \"\(topic)\" is on", at: position,
            fix: topicConnections.isEmpty
                ? "declare one: connections: {local: {embedded: ./data/topics}}"
                : "add connection: \(topicConnections.joined(separator: " or "))")
        return nil
    }

    func declared(_ name: Located<String>) -> PlannedConnection? {
        if let found = connections.first(where: { $0.name == name.value }) { return found }
        // One that is declared but could not be read has been complained of already.
        if spec.unreadable.contains("connections/\(name.value)") { return nil }
        let known = spec.connections.map(\.name.value)
        diagnostics.report(
            .unknownConnection, "there is no connection \"\(name.value)\"", at: name.position,
            fix: NearestWord.advice(name.value, among: known, what: "connections"))
        return nil
    }

    func filesPath(_ path: Located<String>, connection: Located<String>?) -> String? {
        guard let connection else { return Planner.resolve(path.value, in: directory) }
        guard let found = declared(connection) else { return nil }
        guard case .files(let root) = found.kind else {
            diagnostics.report(
                .wrongConnection, "the connection \"\(connection.value)\" holds topics, not files",
                at: connection.position, fix: "name a connection of kind files, or none")
            return nil
        }
        return Planner.resolve(path.value, in: root)
    }

    func planStream(_ stream: StreamSpec) {
        let name = stream.name.value
        var location: PlannedSource.Location?
        var near: [String] = []
        var watch: PlannedWatch?
        var poll: PlannedPoll?
        switch stream.origin {
        case .topic(let topic):
            let found = topicConnection(
                stream.connection, near: [], at: topic.position, topic: topic.value)
            if stream.format.kind == .csv, (stream.format.option("header") ?? "true") == "true" {
                diagnostics.report(
                    .missingKey,
                    "the CSV records of topic \"\(topic.value)\" have no line of names",
                    at: topic.position, fix: "name the columns: format: {csv: {header: [a, b, c]}}")
            }
            if let found {
                near = found == TestPlan.connection ? [] : [found]
                location = .topic(connection: found, topic: topic.value)
            }
        case .files(let path):
            location = filesPath(path, connection: stream.connection).map { .files(path: $0) }
            if let declared = stream.watch, case .files(let resolved) = location {
                let planned = watchedPlace(declared, stream, path: resolved)
                (location, watch) = (planned.location, planned.watch)
            }
        case .poll(let declared, let topic, let position):
            let planned = pollPlace(declared, stream, topic: topic, at: position)
            (location, poll) = (planned.location, planned.poll)
            if topic != nil, case .topic(let found, _) = location { near = [found] }
        }
        let (avro, registry) = avroFormat(of: stream, near: near)
        var fields = stream.fields.map {
            PlannedField(
                name: $0.name.value, path: $0.path, type: $0.type, isRequired: $0.isRequired,
                unit: $0.unit, from: $0.from, zone: $0.zone?.value)
        }
        let timeField = stream.timeField.value
        if let declared = fields.first(where: { $0.name == timeField }) {
            if declared.type != .timestamp {
                diagnostics.report(
                    .notATime, "the event time \"\(timeField)\" is \(declared.type)",
                    at: stream.timeField.position,
                    notes: ["types: \(timeField) is \(declared.type)"],
                    fix: "declare it as a timestamp: \(timeField): {type: timestamp, unit: ms}")
            }
        } else if stream.unreadableFields.contains(timeField) {
            // Told of already.
        } else if let near = NearestWord.of(
            timeField, among: fields.filter { $0.type == .timestamp }.map(\.name))
        {
            diagnostics.report(
                .unknownColumn, "the stream \"\(name)\" has no field \"\(timeField)\"",
                at: stream.timeField.position,
                fix: "write \"\(near)\", or declare \(timeField): timestamp")
        } else {
            fields.append(
                PlannedField(
                    name: timeField, path: [timeField], type: .timestamp, isRequired: true,
                    unit: nil, from: .value))
        }
        if let needed, !keepsAllFields {
            guard let wanted = needed[name] else { return }
            fields = fields.filter { wanted.contains($0.name) || $0.name == timeField }
        }
        let format = avro.isAvro ? avro : described(stream, fields)
        let schema = Schema(fields.map { Field($0.name, $0.type) })
        let ordinal = sources.count
        var outputs = [PlannedPort(name: "main", schema: schema)]
        let policy = failurePolicy(
            stream.onError, ports: &outputs, from: .source(ordinal), near: near)
        sources.append(
            PlannedSource(
                ordinal: ordinal, name: name,
                location: location ?? .files(path: ""), format: format, fields: fields,
                schema: schema, timeColumn: schema.index(of: timeField) ?? 0,
                outOfOrderness: isSideInput(stream)
                    ? PlannedSource.wholeFirst : stream.outOfOrderness,
                idle: stream.idle, onError: policy,
                outputs: outputs, registry: registry, ingest: ingest(of: stream, on: location),
                watch: watch, poll: poll))
        names[name] = PlannedName(
            rows: PlannedRows(
                schema: schema,
                endpoints: [
                    .init(
                        from: .source(ordinal), port: 0, partitioning: nil,
                        spread: topicKey(of: stream, schema: schema))
                ],
                poisoned: stream.unreadableFields, changelog: stream.format.changelog),
            policy: stream.onError, connections: near)
    }

    /// The stream's format with what its descriptor file says, once the fields are held against it.
    private func described(_ stream: StreamSpec, _ fields: [PlannedField]) -> PlannedFormat {
        var format = stream.format
        if format.kind.isExchanged { checkExchanged(stream, fields) }
        guard format.kind == .protobuf, let path = format.option("descriptor") else {
            return format
        }
        let resolved = Planner.resolve(path, in: directory)
        let known: ProtobufSchema
        do {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: resolved))
            known = try ProtobufSchema(descriptor: Array(bytes))
        } catch {
            let reason = (error as? ProtobufSchema.Problem)?.reason
            diagnostics.report(
                .schemaFile,
                "the descriptor file \(path) cannot be used: "
                    + (reason ?? "it is not there or cannot be read"),
                at: stream.name.position,
                fix: "write it: protoc --include_imports --descriptor_set_out=\(path) FILE.proto")
            return format
        }
        format.protobuf = known
        // Field by field, so that all that do not fit are told of at once.
        var isNamed = true
        for field in fields {
            do throws(ProtobufMismatch) {
                _ = try DecoderFactory.protobuf(format, fields: [field])
            } catch {
                guard !error.field.isEmpty else {
                    isNamed = false
                    break
                }
                let spec = stream.fields.first { $0.name.value == field.name }
                diagnostics.report(
                    .schemaFile, "\(error.field): \(error.reason)",
                    at: spec?.name.position ?? stream.timeField.position,
                    notes: ["types: \(field.name) is \(field.type)"],
                    fix: "declare what the message has, or give the field's path")
            }
        }
        if !isNamed, let name = format.option("message") {
            diagnostics.report(
                .schemaFile, "the descriptor file has no message \"\(name)\"",
                at: stream.name.position,
                fix: NearestWord.advice(name, among: known.messageNames, what: "messages"))
        }
        return format
    }

    /// What a policy means at one place; dead letters get the next port there and a sink.
    func failurePolicy(
        _ policy: PolicySpec, ports: inout [PlannedPort], from node: PlannedEdge.Node,
        near: [String]
    ) -> FailurePolicy {
        switch policy {
        case .fail: return .fail
        case .drop: return .drop
        case .deadLetter(let topic):
            let port = ports.count
            ports.append(PlannedPort(name: "dead_letters", schema: DeadLetters.schema))
            let rows = PlannedRows(
                schema: DeadLetters.schema,
                endpoints: [.init(from: node, port: port, partitioning: nil)])
            let target = TargetSpec(
                place: .topic(topic), keys: [], connection: nil, partitions: nil, delivery: nil,
                onError: nil, position: topic.position)
            planTarget(
                target, rows: rows, connections: near, of: "dead letters", isAside: true)
            return .deadLetter(port: port)
        }
    }
}

extension PlannedConnection {
    var holdsTopics: Bool {
        switch kind {
        case .embedded, .kafka: true
        case .files, .http, .redis: false
        }
    }

    /// What it holds instead of topics, in words.
    var holding: String {
        switch kind {
        case .http, .redis: "no topics"
        default: "files, not topics"
        }
    }
}
