extension JobPlan {
    /// Whether the rows of a step's hot keys are summed up before they move to the worker of their key, when
    /// there are several workers.
    ///
    /// - Note: windows of a fixed length whose rows come straight from other workers. Where a source may be idle,
    ///   windows may fire before a row that is not late, and what is summed up could not be told apart then.
    /// - Parameter isBounded: whether the run ends with its input, and no source is ever idle.
    func relievesHotKeys(_ step: PlannedStep, isBounded: Bool = false) -> Bool {
        guard case .aggregate(let window, _, _, _, _) = step.operation, !step.keys.isEmpty,
            step.changelog == nil, step.repartition == nil
        else { return false }
        switch window {
        case .tumble, .hop, .cumulate: break
        case .none, .session, .ended: return false
        }
        return step.inputs.allSatisfy { edge in
            if case .keyed = edge.exchange {
                !edge.isLocal && (isBounded || !mayBeIdle(edge.from))
            } else {
                false
            }
        }
    }

    private func mayBeIdle(_ node: PlannedEdge.Node) -> Bool {
        switch node {
        case .source(let index): sources[index].idle != nil
        case .step(let index): steps[index].inputs.contains { mayBeIdle($0.from) }
        }
    }
}
