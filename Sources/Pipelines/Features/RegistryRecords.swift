import FeatureServe
import StreamRuntime

/// Makes the registry's records of a plan.
struct RegistryRecords {
    let plan: JobPlan
    let catalog: FeatureCatalog

    func entity(_ entity: Entity) -> FeatureRegistry.Entry {
        let keys = entity.keys.map { ($0.name, JSONText.string("\($0.type)")) }
        let views = catalog.views.filter { $0.entity == entity.name }.map(\.name)
        return entry(
            .entity, entity.name, declared: [("keys", .object(keys))] + notes(entity.notes),
            derived: [("used_by", .strings(views))],
            summary: entity.keys.map { "\($0.name) \($0.type)" }.joined(separator: ", "))
    }

    func view(_ planned: PlannedFeatureView) -> FeatureRegistry.Entry {
        let view = catalog.view(planned.name)!
        let lineage = PlanLineage(plan)
        let features = view.definitions.enumerated().map { index, feature in
            JSONText.object(
                self.feature(feature) + [
                    ("lineage", json(lineage.trace(planned, feature: index)))
                ])
        }
        let declared: [(String, JSONText)] =
            [
                ("entity", .string(view.entity)),
                ("from", view.source.map { .string($0) } ?? .null),
                ("ttl", planned.ttl.map { .string($0.text) } ?? .null),
                ("features", .array(view.definitions.map { .object(self.feature($0)) })),
                ("plan", lineage.canonicalText(of: planned).map { .string($0) } ?? .null),
            ]
            + (view.geo.map { geo in
                [
                    (
                        "geo",
                        JSONText.object([
                            ("latitude", .string(geo.latitude)),
                            ("longitude", .string(geo.longitude)),
                            ("entities", .integer(geo.entitiesMax)),
                        ])
                    )
                ]
            } ?? []) + notes(view.notes)
        let sources = catalog.pushSources.filter { $0.view == view.name }.map(\.name)
        return FeatureRegistry.Entry(
            kind: .featureView, name: view.name, hash: view.definition, declared: declared,
            derived: [
                ("push_sources", .strings(sources)), ("used_by", .strings(users(of: view.name))),
                ("lineage", .array(features)),
            ],
            summary: "\(view.features.count) of \(view.entity), "
                + (view.source.map { "from \($0)" } ?? "pushed")
                + (planned.ttl.map { ", for \($0.text)" } ?? ""))
    }

    func onDemand(_ view: OnDemandView) -> FeatureRegistry.Entry {
        let request = view.request.map { input in
            JSONText.object([
                ("name", .string(input.field.name)), ("type", .string("\(input.field.type)")),
                (
                    "default",
                    input.defaultValue.map { .string($0.json(input.field.type)) } ?? .null
                ), ("description", .string(input.description)),
            ])
        }
        let features = view.definitions.enumerated().map { index, feature in
            JSONText.object([
                ("name", .string(feature.name)), ("type", .string("\(feature.type)")),
                ("expression", .string(view.expressions[index])),
                ("reads", .strings(view.dependencies[index].map { view.sources[$0].view })),
            ])
        }
        let reads = view.sources.flatMap { source in
            source.features.map { "\(source.view):\($0)" }
        }
        let rank: JSONText =
            view.ranking.map { rank in
                .object([
                    ("by", .string(rank.score)),
                    ("where", rank.filter.map { .string($0) } ?? .null),
                    ("top", rank.top.map { .integer($0) } ?? .null),
                ])
            } ?? .null
        return FeatureRegistry.Entry(
            kind: .onDemandView, name: view.name, hash: view.definition,
            declared: [
                ("request", .array(request)), ("features", .array(features)), ("rank", rank),
            ] + notes(view.notes),
            derived: [
                ("reads", .strings(reads)), ("used_by", .strings(users(of: view.name))),
            ],
            summary: "\(view.features.count) computed"
                + (view.sources.isEmpty
                    ? "" : " from \(view.sources.map(\.view).joined(separator: ", "))"))
    }

    func pushSource(_ source: PushSource) -> FeatureRegistry.Entry {
        entry(
            .pushSource, source.name, declared: [("view", .string(source.view))], derived: [],
            summary: "to \(source.view)")
    }

    func service(_ service: PlannedService) -> FeatureRegistry.Entry {
        let features = service.features.map { "\($0.view):\($0.feature)" }
        return entry(
            .service, service.name, declared: [("features", .strings(features))], derived: [],
            summary: "\(features.count) of "
                + unique(service.features.map(\.view)).joined(separator: ", "))
    }

    /// A definition without values of its own: its record is what tells it from others.
    private func entry(
        _ kind: FeatureRegistry.Kind, _ name: String, declared: [(String, JSONText)],
        derived: [(String, JSONText)], summary: String
    ) -> FeatureRegistry.Entry {
        FeatureRegistry.Entry(
            kind: kind, name: name,
            hash: DefinitionHash(
                of: "\(kind.rawValue) \(name)\n\(JSONText.object(declared).compact)"),
            declared: declared, derived: derived, summary: summary)
    }

    private func feature(_ feature: FeatureDefinition) -> [(String, JSONText)] {
        [
            ("name", .string(feature.name)), ("type", .string("\(feature.type)")),
            ("default", feature.defaultValue.map { .string($0.json(feature.type)) } ?? .null),
            ("degrade", .strings(feature.degradation.map(\.rawValue))),
        ] + notes(feature.notes)
    }

    private func notes(_ notes: DefinitionNotes) -> [(String, JSONText)] {
        [
            ("description", .string(notes.description)), ("owner", .string(notes.owner)),
            ("tags", .object(notes.tags.map { ($0.name, .string($0.value)) })),
        ]
    }

    /// What reads a view: services and on-demand views.
    private func users(of view: String) -> [String] {
        let services = plan.services.filter { service in
            service.features.contains { $0.view == view }
        }
        let views = catalog.onDemandViews.filter { onDemand in
            onDemand.sources.contains { $0.view == view }
        }
        return services.map(\.name) + views.map(\.name)
    }

    /// The streams with their fields, and the steps in order.
    private func json(_ trace: PlanLineage.Trace) -> JSONText {
        let streams = trace.sources.map { source, fields in
            let stream = plan.sources[source]
            return JSONText.object([
                ("stream", .string(stream.name)), ("at", .string(place(of: stream))),
                ("fields", .strings(fields.map { stream.schema.fields[$0].name })),
            ])
        }
        let steps = trace.steps.map { index in
            let step = plan.steps[index]
            return JSONText.object([
                ("step", .string(step.id)), ("pipeline", .string(step.pipeline)),
                ("verb", .string(step.verb)), ("does", .string(step.operation.text)),
            ])
        }
        return .object([("streams", .array(streams)), ("steps", .array(steps))])
    }

    /// Where a stream's records are, in words.
    func place(of source: PlannedSource) -> String {
        switch source.location {
        case .topic(let connection, let topic): "topic \(topic) on \(connection)"
        case .files(let path): "files \(path)"
        }
    }

    private func unique(_ names: [String]) -> [String] {
        names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}
