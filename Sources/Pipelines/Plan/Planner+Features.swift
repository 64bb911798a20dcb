import FeatureServe
import Operators
import StreamRuntime

extension Planner {
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
            guard let from = view.from else {
                return planPushedView(view, entity: entity)
            }
            guard let input = resolveInput(from, of: view.name.value), !input.rows.isBroken,
                let entity
            else { return nil }
            return planFeatureView(view, from: from, entity: entity, rows: input.rows)
        }
    }

    /// A view that only pushes fill: its types are declared.
    private func planPushedView(_ view: FeatureViewSpec, entity: Int?) -> PlannedFeatureView? {
        guard let declared = view.features else {
            diagnostics.report(
                .missingKey,
                "the view \"\(view.name.value)\" has neither \"from\" nor \"features\"",
                at: view.name.position,
                fix:
                    "add from: PIPELINE, or features: [{name: …, type: …}] for a view that is pushed to"
            )
            return nil
        }
        var fields: [Field] = []
        for feature in declared {
            guard let type = feature.type else {
                diagnostics.report(
                    .missingKey,
                    "feature \"\(feature.name.value)\" of \"\(view.name.value)\" has no type, and no pipeline gives it one",
                    at: feature.name.position,
                    fix:
                        "write {name: \(feature.name.value), type: …}, or add from: PIPELINE to the view"
                )
                continue
            }
            checkIsFeature(feature.name.value, type.value, at: type.position)
            fields.append(Field(feature.name.value, type.value))
        }
        checkRepeated(declared.map(\.name), in: view)
        if let entity {
            for feature in declared
            where spec.entities[entity].keys.contains(where: {
                $0.value.name == feature.name.value
            }) {
                diagnostics.report(
                    .repeatedColumn, "\"\(feature.name.value)\" is a key of the entity",
                    at: feature.name.position, fix: "give the feature another name")
            }
        }
        guard fields.count == declared.count, let entity else { return nil }
        let definitions = define(declared, fields, of: view)
        guard diagnostics.isEmpty else { return nil }
        return PlannedFeatureView(
            name: view.name.value, entity: entity, from: nil, keyColumns: [], featureColumns: [],
            definitions: definitions, ttl: view.ttl == .zero ? nil : view.ttl,
            history: view.history, geo: planGeo(view, definitions), notes: view.notes)
    }

    private func checkIsFeature(_ name: String, _ type: ColumnType, at position: Position) {
        if FeatureView.accepts(type) { return }
        diagnostics.report(
            .notAFeature, "\"\(name)\" cannot be a feature", at: position,
            notes: ["types: \(name) is \(type)"],
            fix: "use numbers, text, booleans, timestamps, or lists of them")
    }

    private func checkRepeated(_ names: [Located<String>], in view: FeatureViewSpec) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name.value).inserted {
            diagnostics.report(
                .repeatedColumn, "\"\(name.value)\" is twice in \"\(view.name.value)\"",
                at: name.position, fix: "name it once")
        }
    }

    private func planFeatureView(
        _ view: FeatureViewSpec, from: Located<String>, entity: Int, rows: PlannedRows
    ) -> PlannedFeatureView? {
        let keys = spec.entities[entity].keys
        var keyColumns: [Int] = []
        for key in keys {
            guard let index = rows.schema.index(of: key.value.name) else {
                if rows.poisoned.contains(key.value.name) { continue }
                diagnostics.report(
                    .unknownColumn,
                    "the rows of \"\(from.value)\" have no \"\(key.value.name)\", which entity \"\(view.entity.value)\" needs",
                    at: from.position, notes: ["columns: \(rows.columns)"],
                    fix: "make a column of that name in a select or as a key")
                continue
            }
            let type = rows.schema.fields[index].type
            if type != key.value.type {
                diagnostics.report(
                    .entityType,
                    "\"\(key.value.name)\" of entity \"\(view.entity.value)\" is not what \"\(from.value)\" has",
                    at: from.position,
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
                FeatureSpec(
                    name: Located(
                        value: rows.schema.fields[$0].name, position: view.name.position))
            }
        var featureColumns: [Int] = []
        for feature in wanted {
            let name = feature.name
            guard let index = rows.schema.index(of: name.value) else {
                if rows.poisoned.contains(name.value) { continue }
                diagnostics.report(
                    .unknownColumn,
                    "the rows of \"\(from.value)\" have no column \"\(name.value)\"",
                    at: name.position, notes: ["columns: \(rows.columns)"],
                    fix: NearestWord.advice(
                        name.value, among: rows.schema.fields.map(\.name), what: "columns"))
                continue
            }
            let type = rows.schema.fields[index].type
            checkIsFeature(name.value, type, at: name.position)
            if let declared = feature.type, declared.value != type {
                diagnostics.report(
                    .featureType,
                    "feature \"\(name.value)\" is not of the type \"\(from.value)\" gives it",
                    at: declared.position,
                    notes: ["types: \(declared.value) declared, \(type) in the rows"],
                    fix: "write type: \(type), or cast the column in a select")
            }
            featureColumns.append(index)
        }
        checkRepeated(wanted.map(\.name), in: view)
        guard featureColumns.count == wanted.count else { return nil }
        let fields = featureColumns.map { rows.schema.fields[$0] }
        let definitions = define(wanted, fields, of: view)
        guard diagnostics.isEmpty else { return nil }
        let index = spec.featureViews.firstIndex { $0.name.value == view.name.value }!
        sinks.append(
            PlannedSink(
                ordinal: sinks.count, id: "features:\(view.name.value)",
                target: .features(view: index), delivery: .exactlyOnce,
                inputs: rows.edges(.gather), schema: rows.schema, onError: .drop))
        return PlannedFeatureView(
            name: view.name.value, entity: entity, from: from.value, keyColumns: keyColumns,
            featureColumns: featureColumns, definitions: definitions,
            ttl: view.ttl == .zero ? nil : view.ttl, history: view.history,
            geo: planGeo(view, definitions), notes: view.notes)
    }

    /// The features that say where the entities are.
    private func planGeo(
        _ view: FeatureViewSpec, _ definitions: [FeatureDefinition]
    ) -> GeoColumns? {
        guard let geo = view.geo else { return nil }
        for name in [geo.latitude, geo.longitude] {
            guard let feature = definitions.first(where: { $0.name == name.value }) else {
                diagnostics.report(
                    .unknownColumn,
                    "\"\(view.name.value)\" has no feature \"\(name.value)\" to be found by",
                    at: name.position,
                    fix: NearestWord.advice(
                        name.value, among: definitions.map(\.name), what: "features"))
                continue
            }
            if feature.type != .float64 {
                diagnostics.report(
                    .featureType, "\"\(name.value)\" is not degrees", at: name.position,
                    notes: ["types: \(name.value) is \(feature.type)"],
                    fix: "cast it in a select: cast(\(name.value) as double)")
            }
        }
        return GeoColumns(
            latitude: geo.latitude.value, longitude: geo.longitude.value,
            entitiesMax: geo.entitiesMax ?? GeoColumns.usualEntitiesMax)
    }

    /// The features with their defaults and what they fall back to.
    private func define(
        _ features: [FeatureSpec], _ fields: [Field], of view: FeatureViewSpec
    ) -> [FeatureDefinition] {
        zip(features, fields).map { feature, field in
            let value = feature.defaultValue.flatMap { constant($0, as: field.type) }
            let degrade = feature.degrade ?? view.degrade
            if let order = feature.degrade, order.value.contains(.defaultValue),
                feature.defaultValue == nil
            {
                diagnostics.report(
                    .conflictingKeys,
                    "\"\(field.name)\" falls back to a default, and has none", at: order.position,
                    fix: "add default: VALUE, or take default out of degrade")
            }
            return FeatureDefinition(
                field, defaultValue: value,
                degradation: degrade?.value ?? FeatureDefinition.usualDegradation,
                notes: feature.notes)
        }
    }

    /// The value of an expression without columns; nil after telling why it has none.
    func constant(_ expression: SpecExpression, as type: ColumnType) -> FeatureValue? {
        let rows = PlannedRows(schema: Schema([]), endpoints: [])
        do {
            let compiled = try ExpressionCompiler(schema: rows.schema).compile(
                expression.text, as: type)
            let one = ColumnBatch(schema: rows.schema, capacity: 1)
            one.order.append(eventTime: 0, watermark: .min, origin: 0, offset: 0)
            one.count = 1
            var rejected = RejectedRows()
            let value = FeatureValue(compiled.evaluate(one, errors: &rejected), row: 0)
            if value != .null { return value }
            diagnostics.report(
                .badDefault, "the default \(expression.text) is not a value",
                at: expression.position, fix: "write a constant of type \(type)")
        } catch {
            let isWord = SpecScalars.isName(expression.text) && type == .string
            diagnostics.report(
                .badDefault, "the default is not a constant of type \(type): \(error.message)",
                at: expression.scalar.position(
                    utf8Offset: error.offset, length: max(error.length, 1)),
                fix: isWord
                    ? "for the text write \"'\(expression.text)'\""
                    : error.fix ?? "write a constant of type \(type)")
        }
        return nil
    }

    /// The views under which rows are pushed.
    func planPushSources(_ views: [PlannedFeatureView]) -> [PlannedPushSource] {
        spec.pushSources.compactMap { source in
            if let index = views.firstIndex(where: { $0.name == source.view.value }) {
                return PlannedPushSource(name: source.name.value, view: index)
            }
            let declared = spec.featureViews.map(\.name.value)
            if needed == nil, !declared.contains(source.view.value),
                !spec.unreadable.contains("feature_views/\(source.view.value)")
            {
                diagnostics.report(
                    .unknownView, "there is no feature view \"\(source.view.value)\"",
                    at: source.view.position,
                    fix: NearestWord.advice(
                        source.view.value, among: declared, what: "feature views"))
            }
            return nil
        }
    }

    func planServices(
        _ views: [PlannedFeatureView], _ onDemand: [PlannedOnDemand]
    ) -> [PlannedService] {
        spec.services.map { service in
            var features: [PlannedService.Feature] = []
            for reference in service.features {
                let name = reference.view.value
                let known =
                    views.first { $0.name == name }?.features
                    ?? onDemand.first { $0.name == name }?.features ?? []
                for feature in reference.features?.map(\.value) ?? known.map(\.name)
                where known.contains(where: { $0.name == feature }) {
                    features.append(.init(view: name, feature: feature))
                }
            }
            return PlannedService(name: service.name.value, features: features)
        }
    }

    /// Tells of services that name what there is not.
    func checkServices(_ views: [PlannedFeatureView], _ onDemand: [PlannedOnDemand]) {
        let declared = spec.featureViews.map(\.name.value) + spec.onDemand.map(\.name.value)
        for reference in spec.services.flatMap(\.features) {
            checkReference(reference, declared: declared, what: "feature view") { name in
                views.first { $0.name == name }?.features
                    ?? onDemand.first { $0.name == name }?.features
            }
        }
    }

    /// Tells of a view or features that are not there.
    func checkReference(
        _ reference: FeatureReference, declared: [String], what: String,
        features: (String) -> [Field]?
    ) {
        let name = reference.view.value
        if spec.unreadable.contains("feature_views/\(name)")
            || spec.unreadable.contains("on_demand/\(name)")
        {
            return
        }
        guard declared.contains(name) else {
            diagnostics.report(
                .unknownView, "there is no \(what) \"\(name)\"", at: reference.view.position,
                fix: NearestWord.advice(name, among: declared, what: "\(what)s"))
            return
        }
        guard let known = features(name)?.map(\.name) else { return }
        for feature in reference.features ?? [] where !known.contains(feature.value) {
            diagnostics.report(
                .unknownView, "the view \"\(name)\" has no feature \"\(feature.value)\"",
                at: feature.position,
                fix: NearestWord.advice(feature.value, among: known, what: "features"))
        }
    }
}
