import Connectors
import StreamRuntime

extension Planner {
    /// Adds a sink for `target`, or another input to the sink that is already there.
    ///
    /// - Parameter isAside: whether the rows are dead letters, whose delivery the file cannot set.
    func planTarget(
        _ target: TargetSpec, rows: PlannedRows, connections near: [String], of owner: String,
        isAside: Bool = false
    ) {
        if case .call(let call) = target.place {
            return planCall(call, rows: rows, connections: near, of: owner)
        }
        let keys = keyColumns(target.keys, of: rows, what: "the key of an output of \"\(owner)\"")
        checkFormat(of: target)
        let id: String
        let place: PlannedSink.Target
        let position: Position
        var partitions: PlannedPartitions?
        switch target.place {
        case .topic(let topic):
            position = topic.position
            guard
                let connection = topicConnection(
                    target.connection, near: near, at: topic.position, topic: topic.value)
            else { return }
            id = "topic:\(connection)/\(topic.value)"
            if case .kafka? = connections.first(where: { $0.name == connection })?.kind,
                target.delivery?.value != .atLeastOnce, wishes[id] == nil
            {
                wishes[id] = DeliveryWish(
                    connection: connection, topic: topic.value,
                    position: target.delivery?.position ?? topic.position,
                    isExplicit: target.delivery != nil, isAside: isAside)
            }
            place = .topic(
                connection: connection, topic: topic.value, keys: keys,
                partitions: target.partitions)
        case .files(let path, let format):
            position = path.position
            guard let planned = filesPlace(path, target, rows: rows) else { return }
            partitions = planned.partitions
            id = "files:\(path.value)"
            place = .files(path: planned.root, format: format)
        case .table(let path, let format):
            position = path.position
            guard let resolved = filesPath(path, connection: target.connection) else { return }
            id = "table:\(path.value)"
            place = .table(path: resolved, format: format, keys: keys)
        case .blackhole(let isSummed):
            position = isSummed.position
            id = "blackhole:\(owner)"
            place = .blackhole(checksum: isSummed.value, keys: keys)
        case .call: preconditionFailure("a call is planned by itself")
        }
        if rows.isBroken || !rows.poisoned.isEmpty { return }
        let changes =
            isAside
            ? nil : changeForm(target, rows: rows, hasKey: !keys.isEmpty, of: owner, at: position)
        let onError: FailurePolicy = if case .drop? = target.onError { .drop } else { .fail }
        let edges = rows.edges(.gather)
        let message = target.message.map {
            protobufOutput($0, of: rows, at: target.format?.position ?? position)
        }
        if message?.option("framing") == "confluent",
            case .topic(let name, let topic, _, _) = place,
            connections.first(where: { $0.name == name })?.registry == nil
        {
            diagnostics.report(
                .wrongFormat,
                "it is not known where the message of topic \"\(topic)\" is to be registered",
                at: target.format?.position ?? position,
                fix: "name the registry: connections: {\(name): {kafka: {…, registry: {url: …}}}}, "
                    + "or leave framing out")
        }
        guard let index = sinks.firstIndex(where: { $0.id == id }) else {
            checkApart(place, isSpread: partitions != nil, at: position)
            sinks.append(
                PlannedSink(
                    ordinal: sinks.count, id: id, target: place,
                    delivery: target.delivery?.value ?? .exactlyOnce, inputs: edges,
                    schema: rows.schema, onError: onError,
                    format: target.format?.value ?? .json, message: message, changes: changes,
                    isWholeChangelog: rows.changelog == .full, partitions: partitions))
            return
        }
        let there = sinks[index]
        guard there.schema == rows.schema, there.target == place,
            there.format == target.format?.value ?? .json, there.message == message,
            there.changes == changes, there.partitions == partitions
        else {
            diagnostics.report(
                .conflictingTopic, "two outputs write different rows to \(id)", at: position,
                notes: [
                    "one writes \(PlannedRows(schema: there.schema, endpoints: []).columns)",
                    "the other writes \(rows.columns)",
                ],
                fix: "give them topics of their own, or the same columns and key")
            return
        }
        guard there.onError == onError else {
            diagnostics.report(
                .conflictingTopic, "two outputs to \(id) differ in on_error", at: position,
                fix: "declare the same at both")
            return
        }
        sinks[index].inputs += edges
        if rows.changelog != .full { sinks[index].isWholeChangelog = false }
    }

    private func checkFormat(of target: TargetSpec) {
        guard let format = target.format else { return }
        switch (target.place, format.value) {
        case (.topic, .csv):
            diagnostics.report(
                .wrongFormat, "a topic's records are not written as csv", at: format.position,
                fix: "write json or avro")
        case (.files, .protobuf), (.table, .protobuf):
            diagnostics.report(
                .wrongFormat, "files are not written as protobuf", at: format.position,
                fix: "write json or csv")
        case (.files, .avro), (.table, .avro):
            diagnostics.report(
                .wrongFormat, "files are not written as avro", at: format.position,
                fix: "write json or csv")
        default: return
        }
    }

    /// The positions of key columns; those that are none are told of and left out.
    func keyColumns(_ names: [Located<String>], of rows: PlannedRows, what: String) -> [Int] {
        if rows.isBroken { return [] }
        var columns: [Int] = []
        for name in names {
            guard let index = rows.schema.index(of: name.value) else {
                if rows.poisoned.contains(name.value) { continue }
                diagnostics.report(
                    .unknownColumn, "\(what) names \"\(name.value)\", which is no column",
                    at: name.position, notes: ["columns: \(rows.columns)"],
                    fix: NearestWord.advice(
                        name.value, among: rows.schema.fields.map(\.name), what: "columns"))
                continue
            }
            let type = rows.schema.fields[index].type
            if !KeyEncoder.accepts(type) {
                diagnostics.report(
                    .notAKey, "\"\(name.value)\" cannot be part of a key", at: name.position,
                    notes: ["types: \(name.value) is \(type)"],
                    fix: "use columns without parts, such as a field of it")
                continue
            }
            if columns.contains(index) {
                diagnostics.report(
                    .repeatedColumn, "\"\(name.value)\" is twice in \(what)", at: name.position,
                    fix: "name it once")
                continue
            }
            columns.append(index)
        }
        return columns
    }
}
