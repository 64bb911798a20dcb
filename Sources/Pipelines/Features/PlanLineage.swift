import StreamRuntime

/// What features are made of: the steps and the fields of streams behind them.
struct PlanLineage {
    /// What is behind some columns of a view.
    struct Trace: Equatable {
        /// Streams by their position in the plan, each with the fields that matter, ascending.
        var sources: [(index: Int, fields: [Int])] = []
        /// Steps by their position in the plan, ascending.
        var steps: [Int] = []
        /// Of each select the columns that matter.
        var items: [Int: Set<Int>] = [:]

        static func == (left: Trace, right: Trace) -> Bool {
            left.steps == right.steps && left.sources.map(\.index) == right.sources.map(\.index)
                && left.sources.map(\.fields) == right.sources.map(\.fields)
        }
    }

    let plan: JobPlan

    init(_ plan: JobPlan) { self.plan = plan }

    /// What is behind `view`, or behind one of its features; nothing for a view that is only pushed to.
    func trace(_ view: PlannedFeatureView, feature: Int? = nil) -> Trace {
        guard let index = plan.featureViews.firstIndex(where: { $0.name == view.name }),
            let sink = plan.sinks.first(where: { $0.target == .features(view: index) })
        else { return Trace() }
        let features = feature.map { [view.featureColumns[$0]] } ?? view.featureColumns
        return trace(Set(view.keyColumns + features), of: sink.inputs)
    }

    /// Walks the plan backwards from the columns of rows that come in by `inputs`.
    private func trace(_ columns: Set<Int>, of inputs: [PlannedEdge]) -> Trace {
        var wanted: [PlannedEdge.Node: [Int: Set<Int>]] = [:]
        func want(_ columns: Set<Int>, of inputs: [PlannedEdge]) {
            for edge in inputs {
                wanted[edge.from, default: [:]][edge.port, default: []].formUnion(columns)
            }
        }
        want(columns, of: inputs)
        var result = Trace()
        for step in plan.steps.reversed() {
            guard let ports = wanted[.step(step.ordinal)] else { continue }
            result.steps.insert(step.ordinal, at: 0)
            let use = plan.uses[step.ordinal]
            var columns = use.always
            if case .select = step.operation {
                result.items[step.ordinal] = use.kept.union(ports[0] ?? [])
                // Rows that these fail on do not come out.
                for column in use.kept { columns.formUnion(use.outputs[column]) }
            }
            for (port, outputs) in ports {
                if port == 0 {
                    for column in outputs { columns.formUnion(use.outputs[column]) }
                } else if step.outputs[port].name != "dead_letters" {
                    columns.formUnion(outputs)
                }
            }
            want(columns, of: step.inputs)
        }
        for source in plan.sources {
            guard let main = wanted[.source(source.ordinal)]?[0] else { continue }
            result.sources.append(
                (source.ordinal, main.union([source.timeColumn]).sorted()))
        }
        return result
    }

    /// Everything that decides the view's values, as text; nil for a view that is only pushed to.
    ///
    /// - Shape: a line for each stream and step behind it. Where a stream is and how the job runs are not in
    ///   it: the same definition on a laptop and on Kafka has one hash.
    func canonicalText(of view: PlannedFeatureView) -> String? {
        guard view.from != nil else { return nil }
        let trace = trace(view)
        var lines: [String] = []
        for (index, fields) in trace.sources {
            lines.append(text(of: plan.sources[index], fields: fields))
        }
        for index in trace.steps {
            lines.append(text(of: plan.steps[index], items: trace.items[index]))
        }
        return lines.joined(separator: "\n")
    }

    private func text(of source: PlannedSource, fields: [Int]) -> String {
        let fields = fields.map {
            let name = source.schema.fields[$0].name
            let field = source.fields.first { $0.name == name }
            return "\(name) \(field.map(plan.description) ?? "")"
        }
        let options = source.format.options.map { "\($0.name)=\($0.value)" }
        return
            "stream \(source.name) \(source.format.kind.rawValue) \(options.joined(separator: " ")) "
            + "[\(fields.joined(separator: ", "))] "
            + "time \(source.schema.fields[source.timeColumn].name) "
            + "late by \(source.outOfOrderness.micros)"
    }

    /// - Note: not its id nor its pipeline's name, which may be changed freely.
    private func text(of step: PlannedStep, items: Set<Int>?) -> String {
        let inputs = step.inputs.map { edge in
            switch edge.from {
            case .source(let index): plan.sources[index].name
            case .step: edge.port == 0 ? "the step before" : plan.portName(edge)
            }
        }
        let keys = step.keys.map { step.inputSchema.fields[$0].name }
        var operation = step.operation
        if let items, case .select(let all) = operation {
            operation = .select(
                all.enumerated().filter { items.contains($0.offset) }.map(\.element))
        }
        return
            "\(step.verb) of \(inputs.joined(separator: ", ")) by \(keys.joined(separator: ", ")): "
            + "\(operation.text)"
    }
}

extension JobPlan {
    /// The name of the output an edge begins at.
    fileprivate func portName(_ edge: PlannedEdge) -> String {
        switch edge.from {
        case .source(let index): sources[index].outputs[edge.port].name
        case .step(let index): steps[index].outputs[edge.port].name
        }
    }
}
