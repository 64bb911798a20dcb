import Operators
import StreamRuntime

/// What a top step keeps.
struct TopBody: Sendable {
    let order: SpecExpression
    let count: Int
    let ties: TopTies
    let rank: Located<String>?
    /// The column that says when a row's window ends.
    let windowEnd: Located<String>?
    let changelog: Changelog?
    let timeToLive: Located<Duration>?
    let late: TargetSpec?
}

extension PipelineReader {
    func top(_ node: SpecNode) -> StepSpec.Action? {
        guard let order = node["order"]?.expression, let count = node["n"]?.integer else {
            return nil
        }
        var timeToLive: Located<Duration>?
        if let ttl = node["ttl"] {
            guard let duration = positive(ttl, "ttl") else { return nil }
            timeToLive = Located(value: duration, position: ttl.position)
        }
        return .top(
            TopBody(
                order: order, count: count,
                ties: node["ties"]?.text.flatMap(TopTies.init(rawValue:)) ?? .rowNumber,
                rank: node["rank"]?.located, windowEnd: node["window"]?["of"]?.located,
                changelog: node["changelog"]?.text.flatMap(Changelog.init(rawValue:)),
                timeToLive: timeToLive, late: node["late"]?["then"].flatMap(target)))
    }
}
