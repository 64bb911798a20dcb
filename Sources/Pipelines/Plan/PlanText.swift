import Connectors
import StreamRuntime

extension JobPlan {
    /// The plan for reading: sources, each pipeline's steps with exchanges, state and columns, outputs,
    /// features, and what changed since the plan `previous`.
    func text(previous: String?) -> String {
        var lines = ["job \(name), plan \(fingerprint)", ""]
        if let shares = settings.shares { lines[0] += ", \(shares) shares" }
        for source in sources { lines += text(source) }
        for pipeline in pipelines {
            lines.append("pipeline \(pipeline.name)")
            for index in pipeline.steps { lines += text(steps[index]) }
            if pipeline.steps.isEmpty {
                lines.append(
                    "  no steps; " + pipeline.outputs.map(nodeName).joined(separator: ", "))
            }
            lines.append("")
        }
        if !sinks.isEmpty { lines.append("outputs") }
        for sink in sinks {
            let keys = keyNames(of: sink)
            let key = keys.isEmpty ? "" : ", key \(keys.joined(separator: ", "))"
            let changes = sink.changes.map { ", changes as \($0.rawValue)" } ?? ""
            lines.append("  \(sink.id): \(sink.delivery.rawValue)\(key)\(changes)")
            lines.append("      from \(sink.inputs.map(nodeName).joined(separator: ", "))")
        }
        if hasFeatures { lines += ["", "features"] }
        for view in featureViews {
            let keys = entities[view.entity].keys.map(\.name).joined(separator: ", ")
            let ttl = view.ttl.map { ", for \($0.text)" } ?? ""
            let pushed = view.from == nil ? ", pushed" : ""
            lines.append("  \(view.name) of \(entities[view.entity].name) (\(keys))\(ttl)\(pushed)")
            lines.append("      " + JobPlan.columns(view.features))
        }
        for view in onDemand {
            let reads = view.sources.map { featureViews[$0.view].name }
            lines.append(
                "  \(view.name) on demand"
                    + (reads.isEmpty ? "" : ", reads \(reads.joined(separator: ", "))"))
            lines.append("      " + JobPlan.columns(view.features))
        }
        if let previous { lines += [""] + PlanChanges(from: previous, to: self).lines }
        return lines.joined(separator: "\n") + "\n"
    }

    private func text(_ source: PlannedSource) -> [String] {
        var place =
            switch source.location {
            case .topic(let connection, let topic): "topic \(topic) on \(connection)"
            case .files(let path): "files \(path)"
            }
        if let watch = source.watch { place = "files \(watch.path), watched" }
        if let poll = source.poll { place += ", polled from \(poll.connection ?? poll.url)" }
        if source.ingest != nil { place += ", fed by /ingest/\(source.name)" }
        let idle = source.idle.map { ", idle after \($0.text)" } ?? ""
        return [
            "source \(source.name): \(place), \(source.format.kind.rawValue)",
            source.isReadFirst
                ? "      read to its end before the first row of what it is joined with"
                : "      time \(source.schema.fields[source.timeColumn].name), "
                    + "up to \(source.outOfOrderness.text) out of order\(idle)",
            "      reads \(JobPlan.columns(source.schema.fields))", "",
        ]
    }

    private func text(_ step: PlannedStep) -> [String] {
        var facts: [String] = []
        for fact in step.inputs.map({ $0.text(step.inputSchema) }) where !facts.contains(fact) {
            facts.append(fact)
        }
        if step.needsOrderedInput { facts.append("in order") }
        if relievesHotKeys(step) {
            facts.append("hot keys are summed up before they move to another worker")
        }
        if !step.isStateless { facts.append("state \(step.id)") }
        if let former = step.formerId { facts.append("was \(former)") }
        var lines = [
            "  \(step.verb) (\(step.place)): \(step.operation.text)",
            "      \(facts.joined(separator: ", ")); from \(step.inputs.map(nodeName).joined(separator: ", "))",
            "      " + result(of: step),
        ]
        if let index = step.repartition {
            lines.append(
                "      through topic \(repartitions[index].topic): \(repartitions[index].reason)")
        }
        if case .lookup = step.operation {
            lines.append(
                "      asks outside of the job; a row goes on when its answer is written to "
                    + LookupShape.journal(of: step.id, in: settings.stateDirectory))
        }
        let sides = step.outputs.dropFirst().map(\.name)
        if !sides.isEmpty { lines.append("      besides \(sides.joined(separator: ", "))") }
        return lines
    }

    /// The step's columns, told by what is new in them where that is shorter.
    private func result(of step: PlannedStep) -> String {
        let given = step.schema.fields
        let taken = step.inputSchema.fields
        if given == taken { return "gives the same columns" }
        if Array(given.prefix(taken.count)) == taken {
            return "adds " + JobPlan.columns(Array(given.dropFirst(taken.count)))
        }
        return "gives " + JobPlan.columns(given)
    }

    private static func columns(_ fields: [Field]) -> String {
        fields.map { "\($0.name) \($0.type.brief)" }.joined(separator: ", ")
    }
}
