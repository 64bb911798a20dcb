import Operators
import StreamRuntime

extension StepPlanner {
    private var diagnostics: Diagnostics { planner.diagnostics }

    /// The checked expression, or nil after telling what is wrong with it.
    func compile(_ expression: SpecExpression, _ rows: PlannedRows) -> CompiledExpression? {
        do {
            return try ExpressionCompiler(schema: rows.schema).compile(expression.text)
        } catch {
            report(error, in: expression, rows)
            return nil
        }
    }

    /// The checked condition: an expression that is true, false or null.
    func condition(_ expression: SpecExpression, _ rows: PlannedRows) -> CompiledExpression? {
        guard let compiled = compile(expression, rows) else { return nil }
        if compiled.type != .bool {
            diagnostics.report(
                .notBoolean, "a condition must be true or false", at: expression.position,
                notes: ["types: \(expression.text) is \(compiled.type)"],
                fix: "compare it with something, such as \(expression.text) > 0 or … is not null")
            return nil
        }
        return compiled
    }

    /// Tells of an expression's error at its place in the file.
    func report(_ error: ExpressionError, in expression: SpecExpression, _ rows: PlannedRows) {
        StepPlanner.report(error, in: expression, rows, diagnostics: diagnostics)
    }

    /// Tells of an error of an expression over the columns of `rows`.
    static func report(
        _ error: ExpressionError, in expression: SpecExpression, _ rows: PlannedRows,
        diagnostics: Diagnostics
    ) {
        let words = StepPlanner.words(of: expression.text)
        // A column that could not be made is not to be missed a second time.
        if !rows.poisoned.isDisjoint(with: words) { return }
        let types = rows.schema.fields.filter { words.contains($0.name) }.prefix(6)
        var fix = error.fix ?? "correct the expression; columns: \(rows.columns)"
        if expression.scalar.isQuoted, SpecScalars.isName(expression.text) {
            fix = "for the text write \"'\(expression.text)'\"; for a column: " + fix
        }
        diagnostics.report(
            .expression, error.message,
            at: expression.scalar.position(
                utf8Offset: expression.offset + error.offset, length: max(error.length, 1)),
            notes: types.isEmpty
                ? []
                : [
                    "types: "
                        + types.map { "\($0.name) is \($0.type.brief)" }.joined(
                            separator: ", ")
                ],
            fix: fix)
    }

    /// The words of an expression that may be names of columns.
    static func words(of text: String) -> Set<String> {
        Set(
            text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
    }

    /// Compiles aggregates one output at a time, so that each one's error is told.
    func aggregates(
        _ items: [SpecItem], _ rows: PlannedRows, keys: [String]
    ) -> (fields: [Field], columns: Set<Int>, poisoned: Set<String>) {
        var fields: [Field] = []
        var columns: Set<Int> = []
        var poisoned: Set<String> = []
        let compiler = ExpressionCompiler(schema: rows.schema)
        for item in items {
            do {
                let plan = try compiler.compileAggregates(
                    [(name: item.name.value, text: item.expression.text)], keys: keys)
                fields.append(Field(item.name.value, plan.outputs[0].expression.type))
                for call in plan.calls {
                    for argument in call.arguments { columns.formUnion(argument.columns) }
                    columns.formUnion(call.filter?.columns ?? [])
                }
            } catch {
                report(error.error, in: item.expression, rows)
                poisoned.insert(item.name.value)
            }
        }
        return (fields, columns, poisoned)
    }

    func aggregate(
        _ aggregate: AggregateBody, _ rows: PlannedRows, _ keys: [Int], _ by: [String]
    ) -> Draft? {
        guard checkWindow(aggregate.window), checkResults(aggregate, rows) else { return nil }
        let results = aggregates(aggregate.items, rows, keys: by)
        var fields = keys.map { rows.schema.fields[$0] }
        let isWindowed = aggregate.window.value != .none
        if isWindowed, aggregate.windowEnd == nil {
            fields += [Field("window_start", .timestamp), Field("window_end", .timestamp)]
        }
        for item in aggregate.items where fields.contains(where: { $0.name == item.name.value }) {
            diagnostics.report(
                .repeatedColumn, "the step already makes a column \"\(item.name.value)\"",
                at: item.name.position,
                notes: ["it makes \(fields.map(\.name).joined(separator: ", ")) and the results"],
                fix: "give the result another name")
        }
        let hasLatePort = isWindowed && aggregate.late != nil
        var draft = Draft(
            operation: .aggregate(
                aggregate.window.value,
                items: aggregate.items.map { .init(name: $0.name.value, text: $0.expression.text) },
                allowedLateness: aggregate.allowedLateness, latePort: hasLatePort ? 1 : nil,
                results: ResultShape(changes: aggregate.changelog?.value)),
            schema: Schema(fields + results.fields), use: ColumnUse(),
            poisoned: results.poisoned, isStateless: false, needsOrder: !isWindowed,
            partitioning: by)
        draft.use.always = Set(keys).union(results.columns)
        if let end = aggregate.windowEnd.flatMap({ rows.schema.index(of: $0.value) }) {
            draft.use.always.insert(end)
        }
        if let having = aggregate.having { add(having, rows, by, to: &draft) }
        draft.canFail = true
        draft.use.outputs = draft.schema.fields.map { _ in [] }
        if hasLatePort { draft.sides = [.init(name: "late", target: aggregate.late, alias: nil)] }
        return draft
    }

    /// Adds the condition that results must hold: over their columns, or over aggregates of their rows.
    private func add(
        _ having: SpecExpression, _ rows: PlannedRows, _ by: [String], to draft: inout Draft
    ) {
        guard
            case .aggregate(let window, let items, let lateness, let port, var results) =
                draft.operation
        else { return }
        let outer = PlannedRows(schema: draft.schema, endpoints: [], poisoned: draft.poisoned)
        var type = ColumnType.bool
        var isOverRows = false
        do {
            type = try ExpressionCompiler(schema: draft.schema).compile(having.text).type
        } catch let failure {
            guard
                let plan = try? ExpressionCompiler(schema: rows.schema).compileAggregates(
                    [(name: "having", text: having.text)], keys: by)
            else { return report(failure, in: having, outer) }
            isOverRows = true
            type = plan.outputs[0].expression.type
            for call in plan.calls {
                for argument in call.arguments { draft.use.always.formUnion(argument.columns) }
                draft.use.always.formUnion(call.filter?.columns ?? [])
            }
        }
        if type != .bool {
            diagnostics.report(
                .notBoolean, "a condition must be true or false", at: having.position,
                notes: ["types: \(having.text) is \(type)"],
                fix: "compare it with something, such as \(having.text) > 0 or … is not null")
        }
        results.having = .init(text: having.text, isOverRows: isOverRows)
        draft.operation = .aggregate(
            window, items: items, allowedLateness: lateness, latePort: port, results: results)
    }

    /// Whether the window of another step is one, and results that change come without a window.
    private func checkResults(_ aggregate: AggregateBody, _ rows: PlannedRows) -> Bool {
        if let end = aggregate.windowEnd {
            guard windowEnd(end, rows) != nil else { return false }
            if aggregate.allowedLateness != .zero {
                diagnostics.report(
                    .badWindow, "windows that another step has made take no late rows",
                    at: aggregate.window.position,
                    fix: "remove allow here; corrections of that step are late rows of this one")
            }
        }
        if let position = aggregate.processing { checkProcessingTime(at: position, rows) }
        if let changelog = aggregate.changelog, aggregate.window.value != .none {
            diagnostics.report(
                .conflictingKeys,
                "results of windows stay: \"changelog\" goes with window: none only",
                at: changelog.position, fix: "remove changelog, or write window: none")
        }
        return true
    }

    private func checkWindow(_ window: Located<WindowShape>) -> Bool {
        let problem: String
        switch window.value {
        case .hop(let size, let every) where every > size:
            problem = "windows of \(size.text) every \(every.text) leave rows out"
        case .cumulate(let size, let every) where every > size || size.micros % every.micros != 0:
            problem = "\(size.text) is not a multiple of \(every.text)"
        default: return true
        }
        diagnostics.report(
            .badWindow, problem, at: window.position,
            fix: "choose an \"every\" that goes into the size a whole number of times")
        return false
    }

    func rolling(
        _ rolling: RollingBody, _ rows: PlannedRows, _ keys: [Int], _ by: [String]
    ) -> Draft? {
        checkGrain(rolling)
        // The types do not depend on the width: errors are told once.
        let results = aggregates(rolling.items, rows, keys: by)
        var fields = rows.schema.fields
        var widths: [RollingShape.Width] = []
        var poisoned = rows.poisoned
        for (width, label) in zip(rolling.widths, rolling.labels) {
            var items: [NamedExpression] = []
            for item in rolling.items {
                let name = item.name.value.replacing("{over}", with: label)
                if results.poisoned.contains(item.name.value) {
                    poisoned.insert(name)
                    continue
                }
                if fields.contains(where: { $0.name == name }) {
                    diagnostics.report(
                        .repeatedColumn, "the step would make two columns \"\(name)\"",
                        at: item.name.position,
                        fix: "write {over} in the name, or choose one that no column has")
                    continue
                }
                let type = results.fields.first { $0.name == item.name.value }!.type
                fields.append(Field(name, type))
                items.append(.init(name: name, text: item.expression.text))
            }
            widths.append(.init(over: width.value, items: items))
        }
        let count = rows.schema.count
        var draft = Draft(
            operation: .rolling(
                RollingShape(
                    widths: widths, includesSelf: rolling.includesSelf, delay: rolling.delay,
                    grain: rolling.grain?.value)),
            schema: Schema(fields),
            use: ColumnUse.passing(count, always: Set(keys).union(results.columns)),
            poisoned: poisoned, isStateless: false, needsOrder: true, partitioning: by)
        draft.canFail = true
        draft.use.outputs += (count..<fields.count).map { _ in [] }
        return draft
    }

    /// Tiles of one width at most: a late row looks through all of them.
    private static let tilesMax: Int64 = 10_000

    private func checkGrain(_ rolling: RollingBody) {
        guard let grain = rolling.grain else { return }
        func refuse(_ problem: String, _ fix: String) {
            diagnostics.report(.badWindow, problem, at: grain.position, fix: fix)
        }
        if rolling.delay != .zero {
            refuse(
                "a rolling step with a grain cannot have a delay",
                "leave one of them out: the beginning of a delayed window is exact")
        } else if let width = rolling.widths.first(where: { $0.value < grain.value }) {
            refuse(
                "a window of \(width.value.text) is shorter than a grain of \(grain.value.text)",
                "put widths below the grain into a rolling step of their own")
        } else if let width = rolling.widths.first(where: {
            $0.value.micros / grain.value.micros > StepPlanner.tilesMax
        }) {
            refuse(
                "\(width.value.text) has more than \(StepPlanner.tilesMax) grains of \(grain.value.text)",
                "choose a longer grain")
        }
    }
}
