import Operators
import StreamRuntime

extension StepPlanner {
    /// Plans a process step: every expression of it is checked, and every problem told at its place.
    func process(
        _ body: ProcessBody, _ rows: PlannedRows, _ keys: [Int], _ by: [String]
    ) -> Draft? {
        // Without a key nothing of the rest can be checked, and the key has been complained of.
        guard !keys.isEmpty else { return nil }
        let spec = body.spec
        let (program, problems) = ProcessProgram.compile(spec, input: rows.schema, keys: keys)
        for problem in problems { report(problem, body, rows, keys) }
        guard let program else { return nil }
        var draft = Draft(
            operation: .process(spec), schema: program.outputSchema,
            use: ColumnUse(
                always: program.columns, outputs: program.outputSchema.fields.map { _ in [] }),
            isStateless: false, needsOrder: true, partitioning: program.keyNames)
        draft.canFail = program.canFail
        draft.losesKey = program.keyNames != by
        return draft
    }

    private func report(
        _ problem: ProcessProblem, _ body: ProcessBody, _ rows: PlannedRows, _ keys: [Int]
    ) {
        var position = body.position
        var expression: SpecExpression?
        var isTimer = false
        switch problem.place {
        case .step: break
        case .state(let index): position = body.state[index].name.position
        case .initial(let index): expression = body.state[index].initial
        case .entry(let index):
            position = body.entries[index].timer?.position ?? body.entries[index].position
        case .condition(let index):
            expression = body.entries[index].condition
            isTimer = body.entries[index].timer != nil
        case .set(let index, let item), .timer(let index, let item):
            let entry = body.entries[index]
            var found = entry.sets
            if case .timer = problem.place { found = entry.timers }
            position = found[item].name.position
            expression = found[item].expression
            isTimer = entry.timer != nil
        case .emits(let index, let row): position = body.entries[index].emits[row].position
        case .emit(let index, let row, let item):
            expression = body.entries[index].emits[row].items[item].expression
            isTimer = body.entries[index].timer != nil
        }
        guard problem.isExpression, let expression else {
            planner.diagnostics.report(
                .process, problem.error.message, at: position,
                fix: problem.error.fix ?? "change the step")
            return
        }
        var seen = rows
        let state = body.state.map { Field($0.name.value, $0.type) }
        let before = isTimer ? keys.map { rows.schema.fields[$0] } : rows.schema.fields
        seen.schema = Schema(before + state)
        report(problem.error, in: expression, seen)
    }
}

extension ProcessBody {
    /// The step as the engine takes it.
    var spec: ProcessSpec {
        ProcessSpec(
            state: state.map {
                .init(name: $0.name.value, type: $0.type, initial: $0.initial?.text)
            },
            entries: entries.map { entry in
                .init(
                    cause: entry.timer.map { .timer($0.value) } ?? .row,
                    condition: entry.condition?.text, sets: ProcessBody.items(entry.sets),
                    timers: ProcessBody.items(entry.timers),
                    emits: entry.emits.map { ProcessBody.items($0.items) }, clears: entry.clears)
            }, timeToLive: timeToLive)
    }

    private static func items(_ items: [SpecItem]) -> [ProcessSpec.Item] {
        items.map { .init($0.name.value, $0.expression.text) }
    }
}

extension ProcessSpec {
    /// The step in words, for `plan`.
    var text: String {
        let names = state.map { "\($0.name): \($0.type)" }
        let causes = entries.map { entry -> String in
            switch entry.cause {
            case .row: entry.condition.map { "on \($0)" } ?? "on any row"
            case .timer(let name): "on timer \(name)" + (entry.condition.map { " and \($0)" } ?? "")
            }
        }
        return "state {\(names.joined(separator: ", "))}; \(causes.joined(separator: "; "))"
            + (timeToLive.map { "; forgotten after \($0.text)" } ?? "")
    }
}
