import Operators
import StreamRuntime

/// The pattern of a match step.
struct MatchBody: Sendable {
    let pattern: SpecExpression
    let definitions: [SpecItem]
    let within: Duration
    let skip: MatchSkip
    /// Where the name is that it speaks of.
    let skipPosition: Position?
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
                skip: skip(node["skip"]),
                skipPosition: node["skip"]?.entries.first?.value.position,
                rowsMax: node["max_rows"]?.integer ?? 1000,
                items: node["select"].map(items) ?? []))
    }

    private func skip(_ node: SpecNode?) -> MatchSkip {
        if let name = node?["to_first"]?.text { return .toFirst(name) }
        if let name = node?["to_last"]?.text { return .toLast(name) }
        return node?.text?.hasPrefix("to_next") == true ? .toNext : .pastLast
    }
}
