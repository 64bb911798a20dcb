import StreamRuntime

/// The state, entries and time to live of a process step.
struct ProcessBody: Sendable {
    /// A column of the state.
    struct StateColumn: Sendable {
        let name: Located<String>
        let type: ColumnType
        let initial: SpecExpression?
    }

    /// What is done with a row or a timer.
    struct Entry: Sendable {
        let position: Position
        /// The timer it is about; nil for rows.
        let timer: Located<String>?
        let condition: SpecExpression?
        let sets: [SpecItem]
        let timers: [SpecItem]
        let emits: [Emit]
        let clears: Bool
    }

    /// A row out.
    struct Emit: Sendable {
        let position: Position
        let items: [SpecItem]
    }

    let position: Position
    let state: [StateColumn]
    let entries: [Entry]
    let timeToLive: Duration?
}

extension PipelineReader {
    func process(_ node: SpecNode, verb: Located<String>) -> StepSpec.Action? {
        var state: [ProcessBody.StateColumn] = []
        for entry in node["state"]?.entries ?? [] {
            let written = entry.value.text ?? entry.value["type"]?.text
            guard let written, let type = try? TypeText.parse(written) else { return nil }
            state.append(
                .init(
                    name: entry.name, type: type,
                    initial: entry.value["initial"]?.expression))
        }
        let timeToLive = node["ttl"]
        if timeToLive?.duration == .zero, let timeToLive {
            diagnostics.report(
                .badDuration, "\"ttl\" cannot be 0s: nothing would be kept",
                at: timeToLive.position, fix: "write a duration above zero")
            return nil
        }
        return .process(
            ProcessBody(
                position: verb.position, state: state,
                entries: (node["on"]?.items ?? []).map(processEntry),
                timeToLive: timeToLive?.duration))
    }

    private func processEntry(_ node: SpecNode) -> ProcessBody.Entry {
        let timer = node["timer"]
        let emits: [SpecNode] =
            switch node["emit"]?.content {
            case .list(let rows): rows
            case .mapping: [node["emit"]!]
            default: []
            }
        return ProcessBody.Entry(
            position: node.position, timer: timer?.located, condition: node["when"]?.expression,
            sets: node["set"].map(items) ?? [],
            timers: (timer.map(items) ?? []) + (node["timers"].map(items) ?? []),
            emits: emits.map { .init(position: $0.position, items: items($0)) },
            clears: node["clear"]?.text == "true")
    }
}
