import StreamRuntime

/// Finds the fields of each stream, and the columns of each select, that anything in a plan needs, walking it
/// backwards.
struct Projection {
    /// The needed fields by stream; a stream nobody reads has no entry.
    var fields: [String: Set<String>] = [:]
    /// The needed columns of each select, by its ordinal.
    var items: [Int: Set<Int>] = [:]

    /// What the plan of `planner` needs.
    static func needed(of planner: Planner, views: [PlannedFeatureView]) -> Projection {
        var result = Projection()
        var wanted: [PlannedEdge.Node: [Int: Set<Int>]] = [:]
        func want(_ columns: Set<Int>, of inputs: [PlannedEdge]) {
            for edge in inputs {
                wanted[edge.from, default: [:]][edge.port, default: []].formUnion(columns)
            }
        }
        for sink in planner.sinks {
            switch sink.target {
            case .features(let index):
                let name = planner.spec.featureViews[index].name.value
                let view = views.first { $0.name == name }
                want(Set((view?.keyColumns ?? []) + (view?.featureColumns ?? [])), of: sink.inputs)
            case .topic, .files, .table, .blackhole, .call:
                want(Set(0..<sink.schema.count), of: sink.inputs)
            }
        }
        for step in planner.steps.reversed() {
            let use = planner.uses[step.ordinal]
            var columns = use.always
            if case .select = step.operation {
                var made = use.kept.union(wanted[.step(step.ordinal)]?[0] ?? [])
                // Rows without a column would be none.
                if made.isEmpty { made = [0] }
                wanted[.step(step.ordinal), default: [:]][0] = made
                result.items[step.ordinal] = made
            }
            for (port, outputs) in wanted[.step(step.ordinal)] ?? [:] {
                if port == 0 {
                    for column in outputs { columns.formUnion(use.outputs[column]) }
                } else if step.outputs[port].name != "dead_letters" {
                    // Every other side output has the rows as they came in.
                    columns.formUnion(outputs)
                }
            }
            // What is put together must have the same columns: a stream that lost one would not fit its
            // neighbours. The sides of a join are made to fit as they are.
            if step.inputs.count > 1, !step.operation.isJoin {
                columns = Set(0..<step.inputSchema.count)
            }
            want(columns, of: step.inputs)
        }
        for source in planner.sources {
            guard let ports = wanted[.source(source.ordinal)], let main = ports[0] else { continue }
            result.fields[source.name] = Set(main.map { source.schema.fields[$0].name })
        }
        return result
    }
}

extension StepOperation {
    fileprivate var isJoin: Bool {
        if case .join = self { true } else { false }
    }
}
