import StreamRuntime

/// The pattern of a match step.
struct MatchBody: Sendable {
    let pattern: SpecExpression
    let definitions: [SpecItem]
    let within: Duration
    let skipsToNextRow: Bool
    let rowsMax: Int
    let items: [SpecItem]
}

extension PipelineReader {
    func match(_ node: SpecNode) -> StepSpec.Action? {
        guard let pattern = node["pattern"]?.expression,
            let within = positive(node["within"], "within")
        else { return nil }
        return .match(
            MatchBody(
                pattern: pattern, definitions: node["define"].map(items) ?? [], within: within,
                skipsToNextRow: node["skip"]?.text?.hasPrefix("to_next") ?? false,
                rowsMax: node["max_rows"]?.integer ?? 1000,
                items: node["select"].map(items) ?? []))
    }
}
