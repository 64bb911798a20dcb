import FeatureServe
import StreamRuntime

extension Planner {
    /// Adds a sink for `target`, or another input to the sink that is already there.
    ///
    /// - Parameter isAside: whether the rows are dead letters, whose delivery the file cannot set.
    func planTarget(
        _ target: TargetSpec, rows: PlannedRows, connections near: [String], of owner: String,
        isAside: Bool = false
    ) {
        let keys = keyColumns(target.keys, of: rows, what: "the key of an output of \"\(owner)\"")
        checkFormat(of: target)
        let id: String
        let place: PlannedSink.Target
        let position: Position
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
            guard let resolved = filesPath(path, connection: target.connection) else { return }
            id = "files:\(path.value)"
            place = .files(path: resolved, format: format)
        }
        if rows.isBroken || !rows.poisoned.isEmpty { return }
        if case .topic = target.place, keys.isEmpty, rows.changelog != nil, !isAside {
            diagnostics.report(
                .changelog, "deleted rows of \"\(owner)\" cannot be told of without a key",
                at: position, fix: "add the table's key: key: [COLUMN, …]")
        }
        let onError: FailurePolicy = if case .drop? = target.onError { .drop } else { .fail }
        let edges = rows.edges(.gather)
        let message = target.message.map {
            protobufOutput($0, of: rows, at: target.format?.position ?? position)
        }
        guard let index = sinks.firstIndex(where: { $0.id == id }) else {
            sinks.append(
                PlannedSink(
                    ordinal: sinks.count, id: id, target: place,
                    delivery: target.delivery?.value ?? .exactlyOnce, inputs: edges,
                    schema: rows.schema, onError: onError,
                    format: target.format?.value ?? .json, message: message))
            return
        }
        let there = sinks[index]
        guard there.schema == rows.schema, there.target == place,
            there.format == target.format?.value ?? .json, there.message == message
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
        sinks[index] = PlannedSink(
            ordinal: there.ordinal, id: id, target: place, delivery: there.delivery,
            inputs: there.inputs + edges, schema: there.schema, onError: there.onError,
            format: there.format, message: there.message)
    }

    private func checkFormat(of target: TargetSpec) {
        guard let format = target.format else { return }
        switch (target.place, format.value) {
        case (.topic, .csv):
            diagnostics.report(
                .wrongFormat, "a topic's records are not written as csv", at: format.position,
                fix: "write json or avro")
        case (.files, .protobuf):
            diagnostics.report(
                .wrongFormat, "files are not written as protobuf", at: format.position,
                fix: "write json or csv")
        case (.files, .avro):
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

    func planFeatureViews() -> [PlannedFeatureView] {
        spec.featureViews.compactMap { view in
            let entity = spec.entities.firstIndex { $0.name.value == view.entity.value }
            if entity == nil, !spec.unreadable.contains("entities/\(view.entity.value)") {
                diagnostics.report(
                    .unknownEntity, "there is no entity \"\(view.entity.value)\"",
                    at: view.entity.position,
                    fix: NearestWord.advice(
                        view.entity.value, among: spec.entities.map(\.name.value), what: "entities")
                )
            }
            guard let input = resolveInput(view.from, of: view.name.value), !input.rows.isBroken,
                let entity
            else { return nil }
            return planFeatureView(view, entity: entity, rows: input.rows)
        }
    }

    private func planFeatureView(
        _ view: FeatureViewSpec, entity: Int, rows: PlannedRows
    ) -> PlannedFeatureView? {
        let keys = spec.entities[entity].keys
        var keyColumns: [Int] = []
        for key in keys {
            guard let index = rows.schema.index(of: key.value.name) else {
                if rows.poisoned.contains(key.value.name) { continue }
                diagnostics.report(
                    .unknownColumn,
                    "the rows of \"\(view.from.value)\" have no \"\(key.value.name)\", which entity \"\(view.entity.value)\" needs",
                    at: view.from.position, notes: ["columns: \(rows.columns)"],
                    fix: "make a column of that name in a select or as a key")
                continue
            }
            let type = rows.schema.fields[index].type
            if type != key.value.type {
                diagnostics.report(
                    .entityType,
                    "\"\(key.value.name)\" of entity \"\(view.entity.value)\" is not what \"\(view.from.value)\" has",
                    at: view.from.position,
                    notes: ["types: \(key.value.type) in the entity, \(type) in the rows"],
                    fix:
                        "change the entity's type, or cast the column: cast(\(key.value.name) as \(key.value.type))"
                )
            }
            keyColumns.append(index)
        }
        let wanted =
            view.features
            ?? rows.schema.fields.indices.filter { !keyColumns.contains($0) }.map {
                Located(value: rows.schema.fields[$0].name, position: view.name.position)
            }
        var featureColumns: [Int] = []
        for feature in wanted {
            guard let index = rows.schema.index(of: feature.value) else {
                if rows.poisoned.contains(feature.value) { continue }
                diagnostics.report(
                    .unknownColumn,
                    "the rows of \"\(view.from.value)\" have no column \"\(feature.value)\"",
                    at: feature.position, notes: ["columns: \(rows.columns)"],
                    fix: NearestWord.advice(
                        feature.value, among: rows.schema.fields.map(\.name), what: "columns"))
                continue
            }
            let type = rows.schema.fields[index].type
            if !FeatureView.accepts(type) {
                diagnostics.report(
                    .notAFeature, "\"\(feature.value)\" cannot be a feature", at: feature.position,
                    notes: ["types: \(feature.value) is \(type)"],
                    fix: "use numbers, text, booleans, timestamps, or lists of them")
            }
            featureColumns.append(index)
        }
        guard diagnostics.isEmpty else { return nil }
        let index = spec.featureViews.firstIndex { $0.name.value == view.name.value }!
        sinks.append(
            PlannedSink(
                ordinal: sinks.count, id: "features:\(view.name.value)",
                target: .features(view: index), delivery: .exactlyOnce,
                inputs: rows.edges(.gather), schema: rows.schema, onError: .drop))
        return PlannedFeatureView(
            name: view.name.value, entity: entity, from: view.from.value, keyColumns: keyColumns,
            featureColumns: featureColumns, features: featureColumns.map { rows.schema.fields[$0] },
            ttl: view.ttl == .zero ? nil : view.ttl)
    }

    func planServices(_ views: [PlannedFeatureView]) -> [PlannedService] {
        spec.services.map { service in
            var features: [PlannedService.Feature] = []
            for reference in service.features {
                let parts = reference.value.split(separator: ":", maxSplits: 1).map(String.init)
                guard let index = views.firstIndex(where: { $0.name == parts.first }) else {
                    continue
                }
                let known = views[index].features.map(\.name)
                let wanted = parts.count == 2 ? [parts[1]] : known
                for feature in wanted where known.contains(feature) {
                    features.append(.init(view: index, feature: feature))
                }
            }
            return PlannedService(name: service.name.value, features: features)
        }
    }

    /// Tells of services that name what there is not.
    func checkServices(_ views: [PlannedFeatureView]) {
        let declared = spec.featureViews.map(\.name.value)
        let unreadable = spec.unreadable
        for reference in spec.services.flatMap(\.features) {
            let parts = reference.value.split(separator: ":", maxSplits: 1).map(String.init)
            let name = parts.first ?? ""
            if unreadable.contains("feature_views/\(name)") { continue }
            if !declared.contains(name) {
                diagnostics.report(
                    .unknownView, "there is no feature view \"\(name)\"", at: reference.position,
                    fix: NearestWord.advice(name, among: declared, what: "feature views"))
            } else if parts.count == 2, let view = views.first(where: { $0.name == name }),
                !view.features.contains(where: { $0.name == parts[1] })
            {
                diagnostics.report(
                    .unknownView, "the view \"\(name)\" has no feature \"\(parts[1])\"",
                    at: reference.position,
                    fix: NearestWord.advice(
                        parts[1], among: view.features.map(\.name), what: "features"))
            }
        }
    }
}
