import Operators
import StreamRuntime

extension StepPlanner {
    /// Tells of a step that cannot follow rows which are changed and deleted later.
    func checkChanges(_ step: StepSpec, _ rows: PlannedRows) {
        guard let changelog = rows.changelog else { return }
        let problem: String
        let fix: String
        switch step.action {
        case .filter, .select, .extend, .latest, .route: return
        case .unnest:
            if changelog == .full { return }
            problem = "unnest cannot know which elements these changes take away"
            fix = "let the step or stream before it write changelog: full"
        case .aggregate(let aggregate):
            if aggregate.window.value != .none {
                problem = "an aggregate over windows cannot take back rows that changes delete"
                fix = "write window: none, or read the stream without changelog"
            } else if changelog != .full {
                problem = "an aggregate cannot know which rows these changes replace"
                fix =
                    "let the step before it write changelog: full, or read the stream with it and aggregate before latest; the database must log whole rows"
            } else if let item = aggregate.items.first(where: { !takesBack($0, rows) }) {
                planner.diagnostics.report(
                    .changelog,
                    "\"\(item.expression.text)\" cannot take back rows that changes delete",
                    at: item.expression.position,
                    fix:
                        "leave out approx_count_distinct, ewma, decayed sums, bit_and and bit_or: count(distinct x) and avg can"
                )
                return
            } else {
                return
            }
        case .join(let body):
            if body.takesChanges { return }
            problem = "a join cannot take back left rows that changes delete"
            fix =
                "put the table on the right side, or read the stream without changelog"
        case .lookup:
            problem = "a lookup answers rows that stay, and these are changed and deleted later"
            fix =
                "join with the stream as_of, or read it without changelog, which makes each change a row of its own that stays"
        case .top(let body):
            if body.windowEnd != nil {
                problem = "the rows of a window cannot be taken back once they came out"
                fix = "leave out window, or put rows before it that stay"
            } else if changelog != .full {
                problem = "top cannot know which rows these changes replace"
                fix = "let the step or stream before it write changelog: full"
            } else {
                return
            }
        case .deduplicate, .rolling, .rebatch, .process, .match:
            problem = "\(step.verb.value) cannot follow rows that are changed and deleted later"
            fix =
                "read the stream without changelog, which makes each change a row of its own that stays"
        }
        planner.diagnostics.report(.changelog, problem, at: step.verb.position, fix: fix)
    }

    /// What the rows out of a step say of a table.
    func changelog(after step: StepSpec, _ rows: PlannedRows) -> Changelog? {
        switch step.action {
        // Changes that are stale are left out, so that not every row is taken back that was there.
        case .join(let body): body.changelog(of: rows.changelog)
        case .aggregate(let body):
            body.changelog?.value ?? rows.changelog.map { _ in .upsert }
        case .latest: rows.changelog.map { _ in .upsert }
        case .top(let body): body.windowEnd == nil ? body.changelog ?? .full : nil
        default: rows.changelog
        }
    }

    /// Whether rows can be taken out of a result again; true of what cannot be read.
    private func takesBack(_ item: SpecItem, _ rows: PlannedRows) -> Bool {
        let keys = rows.schema.fields.map(\.name)
        let plan = try? ExpressionCompiler(schema: rows.schema).compileAggregates(
            [(name: item.name.value, text: item.expression.text)], keys: keys)
        return plan?.calls.allSatisfy(\.takesBack) ?? true
    }
}
