import Connectors
import FeatureServe
import Operators
import StreamRuntime

extension JobPlan {
    /// The plan as JSON: what `plan --json` shows, what a checkpoint keeps, what a later plan is
    /// compared with.
    var json: JSONText {
        .object(
            [
                ("job", .string(name)), ("fingerprint", .string(fingerprint)),
            ] + (settings.shares.map { [("shares", .integer($0))] } ?? []) + [
                ("sources", .array(sources.map(json))), ("steps", .array(steps.map(json))),
                ("sinks", .array(sinks.map(json))),
                (
                    "feature_views",
                    .array(
                        featureViews.map { view in
                            .object([
                                ("name", .string(view.name)),
                                ("entity", .string(entities[view.entity].name)),
                                ("keys", columns(entities[view.entity].keys)),
                                ("from", view.from.map { .string($0) } ?? .null),
                                ("features", columns(view.features)),
                                ("ttl", view.ttl.map { .string($0.text) } ?? .null),
                            ])
                        })
                ),
                (
                    "services",
                    .array(
                        services.map { service in
                            .object([
                                ("name", .string(service.name)),
                                (
                                    "features",
                                    .strings(
                                        service.features.map { "\($0.view):\($0.feature)" })
                                ),
                            ])
                        })
                ),
            ] + onDemandJSON)
    }

    /// What is pushed and what is computed at lookup, if there is any.
    private var onDemandJSON: [(String, JSONText)] {
        var parts: [(String, JSONText)] = []
        if !pushSources.isEmpty {
            let sources = pushSources.map { source in
                JSONText.object([
                    ("name", .string(source.name)),
                    ("view", .string(featureViews[source.view].name)),
                ])
            }
            parts.append(("push_sources", .array(sources)))
        }
        if !onDemand.isEmpty {
            let views = onDemand.map { view in
                JSONText.object([
                    ("name", .string(view.name)),
                    ("request", columns(view.request.map(\.field))),
                    (
                        "reads",
                        .strings(
                            view.sources.flatMap { source in
                                source.features.map { "\(featureViews[source.view].name):\($0)" }
                            })
                    ),
                    (
                        "select",
                        .object(view.items.map { ($0.name, .string($0.text)) })
                    ), ("features", columns(view.features)),
                ])
            }
            parts.append(("on_demand", .array(views)))
        }
        return parts
    }

    /// The plan with the fingerprint of everything that decides results: not where it runs, not how fast.
    func withFingerprint() -> JobPlan {
        // FNV-1a: short, stable, and nobody attacks their own plan.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in json.compact.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return JobPlan(
            settings: settings, connections: connections, sources: sources, steps: steps,
            uses: uses, repartitions: repartitions, sinks: sinks, entities: entities,
            featureViews: featureViews, pushSources: pushSources, onDemand: onDemand,
            services: services,
            pipelines: pipelines,
            fingerprint: String(repeating: "0", count: 16 - digits.count) + digits)
    }

    private func json(_ source: PlannedSource) -> JSONText {
        let place: [(String, JSONText)] =
            switch source.location {
            case .topic(let connection, let topic):
                [("topic", .string(topic)), ("connection", .string(connection))]
            case .files(let path): [("files", .string(written(path)))]
            }
        return .object(
            [("name", .string(source.name))] + place + [
                ("format", .string(source.format.kind.rawValue)),
                (
                    "options",
                    .object(source.format.options.map { ($0.name, .string($0.value)) })
                ),
                (
                    "fields",
                    .object(
                        source.fields.map { field in
                            (field.name, .string(description(of: field)))
                        })
                ),
                ("time", .string(source.schema.fields[source.timeColumn].name)),
                ("out_of_orderness", .string(source.outOfOrderness.text)),
                ("idle", source.idle.map { .string($0.text) } ?? .null),
                ("on_error", .string(text(of: source.onError))),
            ])
    }

    /// A path as the file has it: the same wherever the file is.
    private func written(_ path: String) -> String {
        var path = path
        let prefix = settings.directory + "/"
        if !settings.directory.isEmpty, path.hasPrefix(prefix) {
            path = String(path.dropFirst(prefix.count))
        }
        return path.hasPrefix("./") ? String(path.dropFirst(2)) : path
    }

    /// A field's type and where it is read from.
    func description(of field: PlannedField) -> String {
        var text = "\(field.type)"
        switch field.from {
        case .value:
            if field.path != [field.name] { text += " at \(field.path.joined(separator: "."))" }
        case .key: text += " from key"
        case .timestamp: text += " from timestamp"
        case .offset: text += " from offset"
        case .partition: text += " from partition"
        case .header(let name): text += " from header:\(name)"
        }
        if field.isRequired { text += " required" }
        if let unit = field.unit { text += " in \(unit.rawValue)" }
        return text
    }

    private func json(_ step: PlannedStep) -> JSONText {
        let repartition = step.repartition.map { repartitions[$0] }
        return .object(
            [
                ("id", .string(step.id)), ("was", step.formerId.map { .string($0) } ?? .null),
                ("pipeline", .string(step.pipeline)), ("verb", .string(step.verb)),
                ("stateful", .boolean(!step.isStateless)),
                ("ordered", .boolean(step.needsOrderedInput)),
                ("does", .string(step.operation.text)),
                ("by", .strings(step.keys.map { step.inputSchema.fields[$0].name })),
                ("inputs", .array(step.inputs.map { json($0, step.inputSchema) })),
                ("on_error", .string(text(of: step.onError))),
                (
                    "outputs",
                    .object(step.outputs.map { ($0.name, columns($0.schema.fields)) })
                ),
            ]
                + (repartition.map {
                    [("repartition", .string($0.topic)), ("because", .string($0.reason))]
                } ?? []))
    }

    private func json(_ sink: PlannedSink) -> JSONText {
        let format: [(String, JSONText)] =
            sink.format == .json ? [] : [("format", .string(sink.format.rawValue))]
        return .object(
            format + extras(of: sink) + [
                ("id", .string(sink.id)), ("delivery", .string(sink.delivery.rawValue)),
                ("key", .strings(keyNames(of: sink))),
                ("on_error", .string(text(of: sink.onError))),
                ("columns", columns(sink.schema.fields)),
                ("inputs", .array(sink.inputs.map { json($0, sink.schema) })),
            ])
    }

    /// What only some outputs have.
    private func extras(of sink: PlannedSink) -> [(String, JSONText)] {
        var extras: [(String, JSONText)] = []
        if let changes = sink.changes { extras.append(("changes", .string(changes.rawValue))) }
        if let partitions = sink.partitions { extras.append(("files", .string(partitions.text))) }
        if case .blackhole(let isSummed, _) = sink.target {
            extras.append(("checksum", .boolean(isSummed)))
        }
        return extras
    }

    func keyNames(of sink: PlannedSink) -> [String] {
        switch sink.target {
        case .table(_, _, let keys), .blackhole(_, let keys):
            keys.map { sink.schema.fields[$0].name }
        case .topic(_, _, let keys, _): keys.map { sink.schema.fields[$0].name }
        case .files: []
        case .call(let call): call.settings.tenant.map { [$0] } ?? []
        case .features(let view): featureViews[view].keyColumns.map { sink.schema.fields[$0].name }
        }
    }

    private func json(_ edge: PlannedEdge, _ schema: Schema) -> JSONText {
        .object([
            ("from", .string(nodeName(edge))), ("exchange", .string(edge.text(schema))),
        ])
    }

    private func columns(_ fields: [Field]) -> JSONText {
        .object(fields.map { ($0.name, .string("\($0.type)")) })
    }

    private func text(of policy: FailurePolicy) -> String {
        switch policy {
        case .fail: "fail"
        case .drop: "drop"
        case .deadLetter: "dead letters"
        }
    }

    /// The name of where an edge begins: a stream or a step id, and the side output after a point.
    func nodeName(_ edge: PlannedEdge) -> String {
        let (name, ports) =
            switch edge.from {
            case .source(let index): (sources[index].name, sources[index].outputs)
            case .step(let index): (steps[index].id, steps[index].outputs)
            }
        return edge.port == 0 ? name : "\(name) (\(ports[edge.port].name))"
    }
}

extension PlannedEdge {
    /// The exchange in words; `schema` is that of the rows on the edge.
    func text(_ schema: Schema) -> String {
        switch exchange {
        case .forward: "forward"
        case .gather: "gather"
        case .keyed(let columns):
            (isLocal ? "local" : "keyed") + " by "
                + (columns.isEmpty
                    ? "nothing" : columns.map { schema.fields[$0].name }.joined(separator: ", "))
        }
    }
}

extension StepOperation {
    /// What the step does, on one line.
    var text: String {
        switch self {
        case .filter(let predicate): predicate
        case .select(let items), .extend(let items): StepOperation.text(items)
        case .unnest(let list, let alias): "\(list) as \(alias)"
        case .route(let conditions): conditions.joined(separator: " | ")
        case .deduplicate(let within): "first within \(within.text)"
        case .latest(let order, _): "newest by \(order)"
        case .aggregate(let window, let items, let lateness, _, let results):
            "\(window.text): \(StepOperation.text(items))"
                + (window == .none ? "" : ", \(lateness.text) lateness allowed")
                + (results.having.map { ", having \($0.text)" } ?? "")
                + (results.changes.map { ", changelog \($0.rawValue)" } ?? "")
        case .rolling(let shape):
            "over \(shape.widths.map(\.over.text).joined(separator: ", ")): "
                + shape.widths.map { StepOperation.text($0.items) }.joined(separator: ", ")
                + (shape.includesSelf ? "" : ", without the row itself")
                + (shape.delay == .zero ? "" : ", seen after \(shape.delay.text)")
                + (shape.grain.map { ", in tiles of \($0.text)" } ?? "")
        case .rebatch(let size, let linger):
            "up to \(size) rows" + (linger.map { " or \($0.text)" } ?? "")
        case .process(let spec): spec.text
        case .joinSide(let shape): shape.text
        case .join(let shape): shape.text
        case .lookup(let shape): shape.text
        case .top(let shape): shape.text
        case .match(let spec):
            "\(spec.pattern) within \(spec.within.text), "
                + spec.skip.text
        }
    }

    private static func text(_ items: [NamedExpression]) -> String {
        items.map { "\($0.name) = \($0.text)" }.joined(separator: ", ")
    }
}

extension WindowShape {
    var text: String {
        switch self {
        case .none: "no window"
        case .tumble(let size): "tumble \(size.text)"
        case .hop(let size, let every): "hop \(size.text) every \(every.text)"
        case .session(let gap): "session \(gap.text)"
        case .ended(let column): "windows that end at \(column)"
        case .cumulate(let size, let every): "cumulate \(size.text) every \(every.text)"
        }
    }
}
