import StreamRuntime

extension PlannedSource {
    /// The disorder of a stream that is read to its end before its rows are passed: longer than there is time.
    static let wholeFirst = Duration.seconds(320_000_000_000)

    /// Whether the stream is read to its end before the first row of what it meets.
    var isReadFirst: Bool { outOfOrderness == PlannedSource.wholeFirst }
}

extension Planner {
    /// Whether `stream` is the side input of joins; tells if it cannot be.
    func isSideInput(_ stream: StreamSpec) -> Bool {
        let name = stream.name.value
        var sides: [Located<String>] = []
        var others: [Located<String>] = spec.featureViews.compactMap(\.from)
        for pipeline in spec.pipelines {
            others += pipeline.from
            for step in pipeline.steps {
                guard case .join(let body) = step.action else { continue }
                if body.isSide { sides.append(body.with) } else { others.append(body.with) }
            }
        }
        guard let side = sides.first(where: { $0.value == name }) else { return false }
        var isBounded = stream.watch == nil
        // What a test says of a stream comes from a topic of its own, which has an end.
        let isTold = stream.connection?.value == TestPlan.connection
        if case .files = stream.origin {} else { isBounded = isBounded && isTold }
        if !isBounded {
            diagnostics.report(
                .conflictingKeys,
                "\"\(name)\" has no end, so it cannot be read before the first row",
                at: side.position,
                fix: "read it from files that are not watched, or join with it as_of")
        }
        if let other = others.first(where: { $0.value == name }) {
            diagnostics.report(
                .conflictingKeys,
                "\"\(name)\" is a side input, whose rows have no time, and is read otherwise, too",
                at: other.position, fix: "declare a stream of its own for the side input")
        }
        return true
    }
}
