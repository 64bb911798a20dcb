/// What is different between the plan of the last run and this one.
struct PlanChanges {
    /// One line for each difference, after a heading.
    let lines: [String]

    /// Compares `plan` with an earlier one, given as the JSON that `plan --json` writes.
    init(from previous: String, to plan: JobPlan) {
        guard let before = PlanChanges.parse(previous), before["steps"] != nil else {
            lines = ["changes since the last run: its plan cannot be read"]
            return
        }
        let after = PlanChanges.parse(plan.json.text)!
        if before["fingerprint"]?.text == plan.fingerprint {
            lines = ["changes since the last run: none"]
            return
        }
        var found: [String] = []
        found += PlanChanges.compare("source", "name", "sources", before, after)
        found += PlanChanges.compareSteps(before, after)
        found += PlanChanges.compare("output", "id", "sinks", before, after)
        found += PlanChanges.compare("feature view", "name", "feature_views", before, after)
        found += PlanChanges.compare("push source", "name", "push_sources", before, after)
        found += PlanChanges.compare("on-demand view", "name", "on_demand", before, after)
        found += PlanChanges.compare("service", "name", "services", before, after)
        lines = ["changes since the last run:"] + found.map { "  " + $0 }
    }

    private static func parse(_ json: String) -> SpecNode? {
        // JSON is YAML, and the reader of pipelines files is at hand.
        let reader = YAMLReader(
            source: SourceText(file: "plan", text: json),
            variables: Variables(environment: [:], readFile: { _ in nil }),
            diagnostics: Diagnostics())
        return reader.read()
    }

    private static func compare(
        _ what: String, _ name: String, _ list: String, _ before: SpecNode, _ after: SpecNode
    ) -> [String] {
        let old = byName(before, list, name)
        let new = byName(after, list, name)
        var found: [String] = []
        for (id, node) in new {
            guard let there = old.first(where: { $0.0 == id })?.1 else {
                found.append("+ \(what) \(id)")
                continue
            }
            found += differences(there, node).map { "~ \(what) \(id): \($0)" }
        }
        for (id, _) in old where !new.contains(where: { $0.0 == id }) {
            found.append("- \(what) \(id)")
        }
        return found
    }

    private static func compareSteps(_ before: SpecNode, _ after: SpecNode) -> [String] {
        var old = byName(before, "steps", "id")
        var found: [String] = []
        for (id, node) in byName(after, "steps", "id") {
            let verb = node["verb"]?.text ?? ""
            let isStateful = node["stateful"]?.text == "true"
            var former = id
            if !old.contains(where: { $0.0 == id }), let was = node["was"]?.text,
                old.contains(where: { $0.0 == was })
            {
                former = was
                found.append("~ step \(id) (\(verb)): was \(was), takes over its state")
            }
            guard let index = old.firstIndex(where: { $0.0 == former }) else {
                found.append(
                    "+ step \(id) (\(verb))\(isStateful ? ": starts with empty state" : "")")
                continue
            }
            let there = old.remove(at: index).1
            found += differences(there, node, except: ["id", "was"])
                .map { "~ step \(id) (\(verb)): \($0)" }
        }
        for (id, node) in old {
            let isStateful = node["stateful"]?.text == "true"
            found.append(
                "- step \(id) (\(node["verb"]?.text ?? ""))\(isStateful ? ": its state is left behind" : "")"
            )
        }
        return found
    }

    private static func byName(
        _ plan: SpecNode, _ list: String, _ name: String
    ) -> [(String, SpecNode)] {
        (plan[list]?.items ?? []).compactMap { node in node[name]?.text.map { ($0, node) } }
    }

    private static func differences(
        _ old: SpecNode, _ new: SpecNode, except: Set<String> = []
    ) -> [String] {
        new.entries.compactMap { entry in
            if except.contains(entry.key) { return nil }
            let before = old.entry(entry.key).map { compact($0.value) } ?? "nothing"
            let now = compact(entry.value)
            return before == now ? nil : "\(entry.key) is \(now), before \(before)"
        }
    }

    private static func compact(_ node: SpecNode) -> String {
        switch node.content {
        case .scalar(let scalar): scalar.raw.isEmpty ? "nothing" : scalar.raw
        case .list(let items):
            items.isEmpty ? "nothing" : items.map(compact).joined(separator: ", ")
        case .mapping(let entries):
            entries.map { "\($0.key) \(compact($0.value))" }.joined(separator: ", ")
        }
    }
}
