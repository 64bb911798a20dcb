import StreamRuntime

extension StepPlanner {
    /// Tells of rows whose time is not when their records were appended: windows of processing time are
    /// windows of that time, because it is in the log and a replay finds it there again.
    func checkProcessingTime(at position: Position, _ rows: PlannedRows) {
        var sources: Set<Int> = []
        for endpoint in rows.endpoints { collect(endpoint.from, into: &sources) }
        for index in sources.sorted() {
            let source = planner.sources[index]
            let time = source.schema.fields[source.timeColumn].name
            let field = source.fields.first { $0.name == time }
            if field?.from == .timestamp { continue }
            planner.diagnostics.report(
                .badWindow,
                "the time of stream \"\(source.name)\" is not when its records were appended",
                at: position,
                notes: ["its time is \(time), which is a part of the record"],
                fix:
                    "read the topic as a stream of its own with fields: {appended: {type: timestamp, from: timestamp}} and time: {field: appended, out_of_orderness: 0s}"
            )
        }
    }

    /// Adds the sources that rows of `node` come from.
    private func collect(_ node: PlannedEdge.Node, into sources: inout Set<Int>) {
        switch node {
        case .source(let index): sources.insert(index)
        case .step(let index):
            for edge in planner.steps[index].inputs { collect(edge.from, into: &sources) }
        }
    }
}
