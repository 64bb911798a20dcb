import Operators
import StreamRuntime

extension StepPlanner {
    /// Plans a match step.
    func match(
        _ body: MatchBody, _ rows: PlannedRows, _ keys: [Int], _ by: [String]
    ) -> Draft? {
        guard !keys.isEmpty else { return nil }
        let spec = body.spec
        let (program, problems) = MatchProgram.compile(spec, input: rows.schema, keys: keys)
        for problem in problems {
            switch problem.place {
            case .pattern:
                planner.diagnostics.report(
                    .pattern, problem.error.message,
                    at: body.pattern.scalar.position(
                        utf8Offset: problem.error.offset, length: max(problem.error.length, 1)),
                    fix: problem.error.fix ?? "write names with ?, *, +, {n,m}, | and brackets")
            case .skip:
                planner.diagnostics.report(
                    .pattern, problem.error.message,
                    at: body.skipPosition ?? body.pattern.scalar.position(utf8Offset: 0, length: 1),
                    fix: problem.error.fix ?? "skip to a name of the pattern")
            case .name(let index):
                planner.diagnostics.report(
                    .pattern, problem.error.message, at: body.definitions[index].name.position,
                    fix: problem.error.fix ?? "name it in the pattern")
            case .definition(let index):
                report(problem.error, in: body.definitions[index].expression, rows)
            case .select(let index): report(problem.error, in: body.items[index].expression, rows)
            }
        }
        guard let program else { return nil }
        var draft = Draft(
            operation: .match(spec), schema: program.outputSchema,
            use: ColumnUse(
                always: program.columns, outputs: program.outputSchema.fields.map { _ in [] }),
            isStateless: false, needsOrder: true, partitioning: by)
        draft.canFail = program.canFail
        return draft
    }
}

extension MatchBody {
    /// The step as the engine takes it.
    var spec: MatchSpec {
        MatchSpec(
            pattern: pattern.text,
            definitions: definitions.map { .init($0.name.value, $0.expression.text) },
            within: within, skip: skip, rowsMax: rowsMax,
            select: items.map { .init($0.name.value, $0.expression.text) })
    }
}
