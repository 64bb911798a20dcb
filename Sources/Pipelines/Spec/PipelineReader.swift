import Connectors
import StreamRuntime

/// Reads pipelines, their steps and where they write.
struct PipelineReader {
    let diagnostics: Diagnostics

    func read(_ entry: SpecNode.Entry) -> PipelineSpec? {
        let node = entry.value
        guard case .mapping = node.content else { return nil }
        let steps = (node["steps"]?.items ?? []).map(step)
        // A step that could not be read would make every later one look wrong.
        let whole = steps.prefix { $0 != nil }.compactMap { $0 }
        let targets: [SpecNode] =
            switch node["to"]?.content {
            case .list(let items): items
            case .mapping: [node["to"]!]
            default: []
            }
        return PipelineSpec(
            name: entry.name, from: (node["from"]?.oneOrMore ?? []).compactMap(\.located),
            steps: whole, targets: targets.compactMap(target),
            onError: node["on_error"].flatMap(policy), isBroken: whole.count < steps.count)
    }

    private func policy(_ node: SpecNode) -> Located<PolicySpec>? {
        SpecReader.policy(node).map { Located(value: $0, position: node.position) }
    }

    func target(_ node: SpecNode) -> TargetSpec? {
        let place: TargetSpec.Place
        let format = (node["files"]?["format"] ?? node["format"]).flatMap { node in
            node.text.flatMap(PlannedFormat.Kind.init(rawValue:)).map {
                Located(value: $0, position: node.position)
            }
        }
        let message = node["format"]?["protobuf"].map { protobuf in
            PlannedFormat(
                kind: .protobuf,
                options: ["descriptor", "framing", "message"].compactMap { name in
                    protobuf[name]?.text.map { PlannedFormat.Option(name: name, value: $0) }
                })
        }
        if let topic = node["topic"]?.located {
            place = .topic(topic)
        } else if let files = node["files"]?["path"]?.located ?? node["files"]?.located {
            place = .files(files, format: format?.value ?? .json)
        } else if let table = node["table"]?.located {
            place = .table(table, format: format?.value ?? .json)
        } else if let blackhole = node["blackhole"]?.located {
            place = .blackhole(
                Located(value: blackhole.value == "checksum", position: blackhole.position))
        } else if let call = node["call"].flatMap(CallReader(diagnostics: diagnostics).read) {
            place = .call(call)
        } else {
            return nil
        }
        let delivery = node["delivery"].flatMap { node in
            node.text.flatMap(PlannedSink.Delivery.init(rawValue:)).map {
                Located(value: $0, position: node.position)
            }
        }
        var target = TargetSpec(
            place: place, keys: (node["key"]?.oneOrMore ?? []).compactMap(\.located),
            connection: node["connection"]?.located, partitions: node["partitions"]?.integer,
            delivery: delivery, onError: node["on_error"].flatMap(SpecReader.policy),
            position: node.position,
            format: message == nil
                ? format : node["format"].map { Located(value: .protobuf, position: $0.position) },
            message: message)
        target.changes = node["changes"].flatMap { node in
            node.text.flatMap(ChangeForm.init(rawValue:)).map {
                Located(value: $0, position: node.position)
            }
        }
        guard let files = node["files"] else { return target }
        target.partitionBy = (files["partition_by"]?.oneOrMore ?? []).compactMap(\.located)
        target.rolling = files["roll"].map { roll in
            FileRolling(
                bytes: roll["size"]?.text.flatMap(SpecScalars.size),
                everyMicros: positive(roll["every"], "every")?.micros)
        }
        return target
    }

    private func step(_ node: SpecNode) -> StepSpec? {
        guard node.entries.count == 1, let entry = node.entries.first,
            let action = action(entry)
        else { return nil }
        // Elsewhere these are names of columns.
        let isStateful = Verb.named(entry.key)?.isStateful ?? false
        let by = isStateful ? entry.value["by"]?.oneOrMore ?? [] : []
        return StepSpec(
            verb: entry.name, id: isStateful ? entry.value["id"]?.located : nil,
            formerId: isStateful ? entry.value["was"]?.text : nil, by: by.compactMap(\.located),
            action: action)
    }

    private func action(_ step: SpecNode.Entry) -> StepSpec.Action? {
        let node = step.value
        switch step.key {
        case "filter": return node.expression.map { .filter($0) }
        case "select": return .select(items(node))
        case "extend": return .extend(items(node))
        case "unnest": return unnest(node)
        case "route":
            return .route(
                node.items.compactMap { branch in
                    branch["when"]?.expression.map {
                        RouteSpec(
                            condition: $0, alias: branch["as"]?.located,
                            target: branch["to"].flatMap(target))
                    }
                })
        case "deduplicate":
            return positive(node["within"], "within").map { .deduplicate(within: $0) }
        case "latest":
            return node["order"]?.expression.map {
                .latest(order: $0, stale: node["stale"]?["to"].flatMap(target))
            }
        case "aggregate": return aggregate(node)
        case "rolling": return rolling(node)
        case "rebatch":
            return node["size"]?.integer.map {
                .rebatch(size: $0, linger: node["linger"]?.duration)
            }
        case "process": return process(node, verb: step.name)
        case "join": return join(node)
        case "match": return match(node)
        case "top": return top(node)
        default: return nil
        }
    }

    func items(_ node: SpecNode) -> [SpecItem] {
        node.entries.compactMap { entry in
            entry.value.expression.map { SpecItem(name: entry.name, expression: $0) }
        }
    }

    private func unnest(_ node: SpecNode) -> StepSpec.Action? {
        guard let scalar = node.scalar else { return nil }
        let bytes = Array(scalar.raw.utf8)
        // The alias follows the last " as " outside of any bracket or quote, which a name cannot hold.
        var at = bytes.count - 4
        while at > 0, String(decoding: bytes[at..<(at + 4)], as: UTF8.self).lowercased() != " as " {
            at -= 1
        }
        let alias = at > 0 ? String(decoding: bytes[(at + 4)...], as: UTF8.self) : ""
        guard at > 0, SpecScalars.isName(alias) else {
            diagnostics.report(
                .badValue, "unnest does not say what an element is called", at: node.position,
                fix: "write LIST as NAME, such as counts as count")
            return nil
        }
        let list = SpecExpression(
            scalar: scalar, position: node.position,
            text: String(decoding: bytes[..<at], as: UTF8.self))
        let place = scalar.position(utf8Offset: at + 4, length: alias.utf8.count)
        return .unnest(list, alias: Located(value: alias, position: place))
    }

    private func aggregate(_ node: SpecNode) -> StepSpec.Action? {
        guard let window = node["window"], let shape = windowShape(window) else { return nil }
        let late = node["late"]
        return .aggregate(
            AggregateBody(
                window: Located(value: shape, position: window.position),
                items: node["select"].map(items) ?? [],
                allowedLateness: late?["allow"]?.duration ?? .zero,
                late: late?["then"].flatMap(target), having: node["having"]?.expression,
                changelog: node["changelog"].flatMap { node in
                    node.text.flatMap(Changelog.init(rawValue:)).map {
                        Located(value: $0, position: node.position)
                    }
                },
                processing: window["time"].flatMap {
                    $0.text == "processing" ? $0.position : nil
                }))
    }

    private func windowShape(_ node: SpecNode) -> WindowShape? {
        if node.text == "none" { return WindowShape.none }
        if let end = node["of"]?.text { return .ended(by: end) }
        if let size = node["tumble"] {
            return positive(size, "tumble").map { .tumble(size: $0) }
        }
        if let gap = node["session"] {
            return positive(gap, "session").map { .session(gap: $0) }
        }
        guard let every = positive(node["every"], "every") else { return nil }
        if let size = node["hop"].flatMap({ positive($0, "hop") }) {
            return .hop(size: size, every: every)
        }
        if let size = node["cumulate"].flatMap({ positive($0, "cumulate") }) {
            return .cumulate(size: size, every: every)
        }
        return nil
    }

    private func rolling(_ node: SpecNode) -> StepSpec.Action? {
        let written = node["over"]?.oneOrMore ?? []
        let widths = written.compactMap { width in
            positive(width, "over").map { Located(value: $0, position: width.position) }
        }
        guard !widths.isEmpty, widths.count == written.count else { return nil }
        let grain = node["grain"].flatMap { grain in
            positive(grain, "grain").map { Located(value: $0, position: grain.position) }
        }
        return .rolling(
            RollingBody(
                widths: widths, labels: written.compactMap(\.text),
                items: node["select"].map(items) ?? [],
                includesSelf: node["include_self"]?.text != "false",
                delay: node["delay"]?.duration ?? .zero, grain: grain))
    }

    func positive(_ node: SpecNode?, _ key: String) -> Duration? {
        guard let node, let duration = node.duration else { return nil }
        if duration == .zero {
            diagnostics.report(
                .badDuration, "\"\(key)\" cannot be \(node.text ?? "0s")", at: node.position,
                fix: "write a duration above zero")
            return nil
        }
        return duration
    }
}
