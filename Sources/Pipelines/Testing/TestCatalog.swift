import Connectors
import FeatureServe
import StreamRuntime

/// What tests may name, with its types: made from a whole plan.
struct TestCatalog {
    /// A stream as tests give it records.
    struct Stream {
        let format: PlannedFormat
        let fields: [PlannedField]
        let timeField: String
        /// Whether its records are in files.
        let isFiles: Bool

        func field(_ name: String) -> PlannedField? { fields.first { $0.name == name } }
    }

    /// What a lookup is asked and answers.
    struct Asked {
        /// A feature, and the stored or on-demand view it is of.
        struct Feature {
            let view: String
            let field: Field

            /// The feature as a lookup names it.
            var reference: String { "\(view):\(field.name)" }
        }

        /// Keys of entities, then fields of requests.
        var inputs: [Field] = []
        var features: [Feature] = []

        /// The feature that `name` means: FEATURE, VIEW:FEATURE or VIEW__FEATURE.
        func feature(_ name: String) -> Feature? {
            features.first {
                "\($0.view):\($0.field.name)" == name || "\($0.view)__\($0.field.name)" == name
            } ?? features.first { $0.field.name == name }
        }
    }

    /// What an expectation is about.
    enum Target {
        /// The rows of a stream, a pipeline or a route.
        case rows(String, Schema)
        /// The records of a topic that the job writes, or the rows that it calls a service for.
        case output(String, Schema)
        /// What a lookup answers: of a view, an on-demand view or a service.
        case lookup(String, Asked)
    }

    private(set) var streams: [String: Stream] = [:]
    /// Of streams, pipelines and routes.
    private(set) var rows: [String: Schema] = [:]
    /// Names that could not be planned: not to be called unknown.
    private(set) var broken: Set<String> = []
    /// What is written and called, as `topic:NAME` and `call:PIPELINE`.
    private(set) var outputs: [String: Schema] = [:]
    private(set) var lookups: [String: Asked] = [:]
    /// The views that can be pushed to, and push sources, by name.
    private(set) var pushed: [String: PlannedFeatureView] = [:]
    private(set) var entities: [PlannedEntity] = []
    /// The pipelines that each output has its rows from.
    private(set) var owners: [String: [String]] = [:]
    /// The stored views that each on-demand view reads.
    private(set) var sources: [String: [String]] = [:]
    /// Names whose rows are changed and deleted later.
    private(set) var changelogs: Set<String> = []

    init(
        _ planner: Planner, views: [PlannedFeatureView], onDemand: [PlannedOnDemand],
        services: [PlannedService]
    ) {
        for source in planner.sources {
            let isFiles = if case .files = source.location { true } else { false }
            streams[source.name] = Stream(
                format: source.format, fields: source.fields,
                timeField: source.schema.fields[source.timeColumn].name, isFiles: isFiles)
        }
        for (name, planned) in planner.names {
            if planned.rows.isBroken {
                broken.insert(name)
            } else {
                rows[name] = planned.rows.schema
                if planned.rows.changelog != nil { changelogs.insert(name) }
            }
        }
        for sink in planner.sinks {
            guard let output = TestCatalog.name(of: sink) else { continue }
            outputs[output] = sink.schema
            let isChanging = sink.inputs.contains { edge in
                switch edge.from {
                case .step(let step): planner.steps[step].changelog != nil
                case .source(let source): planner.sources[source].format.changelog != nil
                }
            }
            if isChanging { changelogs.insert(output) }
            for edge in sink.inputs {
                switch edge.from {
                case .step(let step):
                    owners[output, default: []].append(planner.steps[step].pipeline)
                case .source(let source):
                    let name = planner.sources[source].name
                    // Dead letters of the stream, or a pipeline that passes its rows on as they are.
                    owners[output, default: []] += planner.spec.pipelines.filter { pipeline in
                        pipeline.from.contains { $0.value == name }
                    }.map(\.name.value)
                }
            }
        }
        entities = planner.spec.entities.map {
            PlannedEntity(name: $0.name.value, keys: $0.keys.map(\.value), notes: $0.notes)
        }
        for view in views {
            lookups[view.name] = asked([view.name], views, onDemand)
            pushed[view.name] = view
        }
        for view in onDemand {
            sources[view.name] = view.sources.map { views[$0.view].name }
        }
        for view in onDemand { lookups[view.name] = asked([view.name], views, onDemand) }
        for service in services {
            var asked = asked(service.features.map(\.view), views, onDemand)
            asked.features = asked.features.filter { feature in
                service.features.contains {
                    $0.view == feature.view && $0.feature == feature.field.name
                }
            }
            lookups[service.name] = asked
        }
        // A service of which a part could not be planned is not whole. It may have the name of that part.
        let planned = Set(views.map(\.name) + onDemand.map(\.name))
        for service in planner.spec.services
        where service.features.contains(where: { !planned.contains($0.view.value) }) {
            lookups[service.name.value] = nil
        }
        for source in planner.pushSources { pushed[source.name] = views[source.view] }
        let declared =
            planner.spec.featureViews.map(\.name.value) + planner.spec.onDemand.map(\.name.value)
            + planner.spec.services.map(\.name.value)
        broken.formUnion(declared.filter { lookups[$0] == nil })
        broken.formUnion(
            planner.spec.unreadable.map { String($0.split(separator: "/", maxSplits: 1)[1]) })
    }

    private func asked(
        _ names: [String], _ views: [PlannedFeatureView], _ onDemand: [PlannedOnDemand]
    ) -> Asked {
        var asked = Asked()
        var seen: Set<String> = []
        func input(_ field: Field) {
            if !asked.inputs.contains(where: { $0.name == field.name }) {
                asked.inputs.append(field)
            }
        }
        for name in names where seen.insert(name).inserted {
            if let view = views.first(where: { $0.name == name }) {
                entities[view.entity].keys.forEach(input)
                asked.features += view.features.map { .init(view: name, field: $0) }
            } else if let view = onDemand.first(where: { $0.name == name }) {
                for source in view.sources {
                    entities[views[source.view].entity].keys.forEach(input)
                }
                view.request.map(\.field).forEach(input)
                asked.features += view.features.map { .init(view: name, field: $0) }
            }
        }
        return asked
    }

    /// How an output is called in tests; nil for files and features.
    static func name(of sink: PlannedSink) -> String? {
        switch sink.target {
        case .topic(_, let topic, _, _): "topic:\(topic)"
        case .call(let call): "call:\(call.settings.name)"
        case .files, .table, .blackhole, .features: nil
        }
    }

    // MARK: names

    /// What may be expected of, for advice.
    var targetNames: [String] {
        rows.keys.sorted() + lookups.keys.sorted() + outputs.keys.sorted()
    }

    /// What the name of an expectation means; a reason when it means nothing, or two things.
    func target(_ name: String) -> Result<Target, TargetProblem> {
        if let schema = outputs[name] { return .success(.output(name, schema)) }
        for (prefix, kind) in [
            ("topic:", 0), ("call:", 0), ("pipeline:", 1), ("view:", 2), ("service:", 2),
        ]
        where name.hasPrefix(prefix) {
            let bare = String(name.dropFirst(prefix.count))
            switch kind {
            case 0: break
            case 1: if let schema = rows[bare] { return .success(.rows(bare, schema)) }
            default: if let asked = lookups[bare] { return .success(.lookup(bare, asked)) }
            }
            return .failure(broken.contains(bare) ? .broken : .unknown)
        }
        switch (rows[name], lookups[name]) {
        case (.some, .some): return .failure(.ambiguous)
        case (let schema?, nil): return .success(.rows(name, schema))
        case (nil, let asked?): return .success(.lookup(name, asked))
        case (nil, nil):
            let base = name.split(separator: ".").first.map(String.init) ?? name
            return .failure(broken.contains(base) ? .broken : .unknown)
        }
    }

    /// Why a name is not what an expectation can be about.
    enum TargetProblem: Error {
        case unknown, ambiguous, broken
    }
}
