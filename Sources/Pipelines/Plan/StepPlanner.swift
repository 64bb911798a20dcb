import Operators
import StreamRuntime

/// Plans the steps of one pipeline, one after another.
struct StepPlanner {
    let planner: Planner
    let pipeline: PipelineSpec
    let policy: PolicySpec
    /// The topic connections the pipeline's rows come from.
    let connections: [String]

    private var diagnostics: Diagnostics { planner.diagnostics }

    /// A step as far as its own kind decides it.
    struct Draft {
        var operation: StepOperation
        var schema: Schema
        var use: ColumnUse
        /// Side outputs: name, and where its rows go, or the name by which others read them.
        var sides: [Side] = []
        var poisoned: Set<String> = []
        var isStateless = true
        var needsOrder = false
        /// Whether a row can be rejected here.
        var canFail = false
        var partitioning: [String]?
        /// By what the rows that come out are spread over shares, unless a repartition decides it.
        var spread: PlannedSpread?
        /// Whether the columns of the key may hold something else in the rows that come out.
        var losesKey = false

        /// A side output; its rows are the step's input rows.
        struct Side {
            let name: String
            let target: TargetSpec?
            let alias: Located<String>?
        }
    }

    /// Adds the step to the plan and returns what comes out of its main port.
    func plan(_ step: StepSpec, position: Int, rows: PlannedRows) -> PlannedRows {
        register(step)
        if rows.isBroken { return .broken }
        checkChanges(step, rows)
        if case .join(let body) = step.action {
            return join(body, step, position: position, left: rows)
        }
        if case .lookup(let body) = step.action {
            return rows.changelog == nil
                ? lookup(body, step, position: position, rows: rows) : .broken
        }
        let keys = planner.keyColumns(
            keyNames(of: step, rows), of: rows,
            what: "\"by\" of step \"\(step.id?.value ?? step.verb.value)\"")
        guard let draft = draft(step, rows: rows, keys: keys) else { return .broken }
        return add(draft, step, position: position, rows: rows, keys: keys)
    }

    /// Adds a drafted step behind `rows` to the plan and returns what comes out of its main port.
    func add(
        _ draft: Draft, _ step: StepSpec, position: Int, rows: PlannedRows, keys: [Int]
    ) -> PlannedRows {
        let ordinal = planner.steps.count
        let by = keys.map { rows.schema.fields[$0].name }
        let id = step.id?.value ?? "\(pipeline.name.value).\(position)"
        let repartition =
            draft.isStateless
            ? nil
            : planner.repartition(of: step, id: id, ordinal: ordinal, rows: rows, by: by)
        let moved: PlannedSpread? = repartition == nil ? nil : .hash(by)
        // The rows of a keyed step are where its key is: its own columns are among those that come out.
        let kept = moved ?? (draft.isStateless ? draft.spread : rows.spread)
        let spread = draft.losesKey ? nil : kept
        var outputs = [PlannedPort(name: "main", schema: draft.schema)]
        for side in draft.sides {
            let from = PlannedRows(
                schema: rows.schema,
                endpoints: [
                    .init(
                        from: .step(ordinal), port: outputs.count, partitioning: rows.partitioning,
                        spread: moved ?? rows.spread)
                ], poisoned: rows.poisoned, changelog: rows.changelog)
            outputs.append(PlannedPort(name: side.name, schema: rows.schema))
            if let target = side.target {
                planner.planTarget(
                    target, rows: from, connections: connections, of: pipeline.name.value)
            }
            if let alias = side.alias { name(alias, from) }
        }
        let onError =
            draft.canFail
            ? planner.failurePolicy(
                policy, ports: &outputs, from: .step(ordinal), near: connections) : .fail
        planner.steps.append(
            PlannedStep(
                ordinal: ordinal, id: id,
                formerId: step.formerId, pipeline: pipeline.name.value, verb: step.verb.value,
                line: step.verb.position.line, operation: draft.operation, keys: keys,
                inputs: rows.edges(draft.isStateless ? .forward : .keyed(keys), by: by),
                inputSchema: rows.schema, outputs: outputs, repartition: repartition,
                onError: onError,
                isStateless: draft.isStateless, needsOrderedInput: draft.needsOrder,
                changelog: rows.changelog))
        planner.uses.append(draft.use)
        var next = rows.following(
            ordinal, schema: draft.schema, partitioning: draft.partitioning, spread: spread)
        next.changelog = changelog(after: step, rows)
        next.poisoned = draft.poisoned.union(step.by.map(\.value).filter { !by.contains($0) })
        return next
    }

    private func register(_ step: StepSpec) {
        for id in [step.id?.value, step.formerId].compactMap({ $0 }) {
            if let there = planner.stepIds[id] {
                diagnostics.report(
                    .repeatedId, "the id \"\(id)\" is already taken",
                    at: step.id?.position ?? step.verb.position,
                    notes: [
                        "it is first given in "
                            + planner.spec.lineText(
                                there, besides: step.id?.position ?? step.verb.position)
                    ],
                    fix: "give this step an id of its own: it is the address of its state")
            } else {
                planner.stepIds[id] = step.id?.position ?? step.verb.position
            }
        }
    }

    private func name(_ alias: Located<String>, _ rows: PlannedRows) {
        let full = "\(pipeline.name.value).\(alias.value)"
        if planner.names[full] != nil {
            diagnostics.report(
                .repeatedName, "two routes are called \"\(alias.value)\"", at: alias.position,
                fix: "give one of them another name")
        }
        planner.names[full] = PlannedName(rows: rows, policy: policy, connections: connections)
    }

    private func draft(_ step: StepSpec, rows: PlannedRows, keys: [Int]) -> Draft? {
        let count = rows.schema.count
        let by = keys.map { rows.schema.fields[$0].name }
        switch step.action {
        case .filter(let predicate):
            let compiled = condition(predicate, rows)
            var draft = same(
                rows, .filter(predicate: predicate.text),
                ColumnUse.passing(count, always: compiled?.columns ?? []))
            draft.canFail = compiled?.canFail ?? false
            return draft
        case .select(let items): return select(items, rows)
        case .extend(let items): return extend(items, rows)
        case .unnest(let list, let alias): return unnest(list, alias, rows)
        case .route(let routes):
            var use = ColumnUse.passing(count)
            var sides: [Draft.Side] = []
            var canFail = false
            for route in routes {
                let compiled = condition(route.condition, rows)
                use.always.formUnion(compiled?.columns ?? [])
                canFail = canFail || compiled?.canFail ?? false
                let number = "route \(sides.count + 1)"
                sides.append(
                    .init(
                        name: route.alias?.value ?? number, target: route.target, alias: route.alias
                    ))
            }
            var draft = same(
                rows, .route(conditions: routes.map(\.condition.text)), use)
            draft.sides = sides
            draft.canFail = canFail
            return draft
        case .deduplicate(let within):
            return keyed(
                same(
                    rows, .deduplicate(within: within),
                    ColumnUse.passing(count, always: Set(keys))), by: by)
        case .latest(let order, let stale):
            let compiled = compile(order, rows)
            if let compiled, !KeyEncoder.accepts(compiled.type) {
                diagnostics.report(
                    .notOrdered, "\"order\" has no order", at: order.position,
                    notes: ["types: \(order.text) is \(compiled.type)"],
                    fix: "order by a number, a timestamp, a date or text")
            }
            var draft = keyed(
                same(
                    rows, .latest(order: order.text, stalePort: stale == nil ? nil : 1),
                    ColumnUse.passing(
                        count, always: Set(keys).union(compiled?.columns ?? []))), by: by)
            draft.canFail = compiled?.canFail ?? false
            if let stale { draft.sides = [.init(name: "stale", target: stale, alias: nil)] }
            return draft
        case .aggregate(let aggregate): return self.aggregate(aggregate, rows, keys, by)
        case .rolling(let rolling): return self.rolling(rolling, rows, keys, by)
        case .rebatch(let size, let linger):
            return rebatch(size: size, linger: linger, rows, keys, by, step)
        case .process(let body): return process(body, rows, keys, by)
        case .join, .lookup: return nil
        case .match(let body): return match(body, rows, keys, by)
        case .top(let body): return top(body, rows, keys, by)
        }
    }

    /// A step whose rows keep their columns.
    private func same(
        _ rows: PlannedRows, _ operation: StepOperation, _ use: ColumnUse
    ) -> Draft {
        Draft(
            operation: operation, schema: rows.schema, use: use, poisoned: rows.poisoned,
            partitioning: rows.partitioning, spread: rows.spread)
    }

    private func keyed(_ draft: Draft, by: [String]) -> Draft {
        var draft = draft
        draft.isStateless = false
        draft.needsOrder = true
        draft.partitioning = by
        return draft
    }

    private func select(_ all: [SpecItem], _ rows: PlannedRows) -> Draft {
        var fields: [Field] = []
        var items = all
        if let needed = planner.neededItems[planner.steps.count] {
            items = all.enumerated().filter { needed.contains($0.offset) }.map(\.element)
        }
        var draft = Draft(
            operation: .select(items.map { .init(name: $0.name.value, text: $0.expression.text) }),
            schema: rows.schema, use: ColumnUse())
        var renamed: [String: String] = [:]
        for item in items {
            guard let compiled = compile(item.expression, rows) else {
                draft.poisoned.insert(item.name.value)
                continue
            }
            fields.append(Field(item.name.value, compiled.type))
            draft.canFail = draft.canFail || compiled.canFail
            if compiled.canFail { draft.use.kept.insert(draft.use.outputs.count) }
            draft.use.outputs.append(compiled.columns)
            if let column = compiled.plainColumn {
                renamed[rows.schema.fields[column].name] = item.name.value
            }
        }
        draft.schema = Schema(fields)
        let kept = rows.partitioning?.compactMap { renamed[$0] }
        draft.partitioning = kept?.count == rows.partitioning?.count ? kept : nil
        draft.spread = rows.spread?.renamed(renamed)
        return draft
    }

    private func extend(_ items: [SpecItem], _ rows: PlannedRows) -> Draft {
        var fields = rows.schema.fields
        var draft = same(
            rows, .extend(items.map { .init(name: $0.name.value, text: $0.expression.text) }),
            ColumnUse.passing(fields.count))
        for item in items {
            let name = item.name.value
            guard let compiled = compile(item.expression, rows) else {
                draft.poisoned.insert(name)
                continue
            }
            draft.use.always.formUnion(compiled.columns)
            draft.canFail = draft.canFail || compiled.canFail
            if let index = fields.firstIndex(where: { $0.name == name }) {
                fields[index] = Field(name, compiled.type)
                draft.use.outputs[index] = []
                if draft.partitioning?.contains(name) == true { draft.partitioning = nil }
                if draft.spread?.columns.contains(name) == true { draft.spread = nil }
            } else {
                fields.append(Field(name, compiled.type))
                draft.use.outputs.append([])
            }
        }
        draft.schema = Schema(fields)
        return draft
    }

    private func unnest(
        _ list: SpecExpression, _ alias: Located<String>, _ rows: PlannedRows
    ) -> Draft? {
        guard let compiled = compile(list, rows) else { return nil }
        guard case .list(let element) = compiled.type else {
            diagnostics.report(
                .notAList, "\"\(list.text)\" is not a list", at: list.position,
                notes: ["types: \(list.text) is \(compiled.type)"],
                fix: "name a column of type list<…>")
            return nil
        }
        if rows.schema.index(of: alias.value) != nil {
            diagnostics.report(
                .repeatedColumn, "there is already a column \"\(alias.value)\"",
                at: alias.position, notes: ["columns: \(rows.columns)"],
                fix: "call the element something else")
            return nil
        }
        var draft = same(
            rows, .unnest(list: list.text, alias: alias.value),
            ColumnUse.passing(rows.schema.count, always: compiled.columns))
        draft.schema = Schema(rows.schema.fields + [Field(alias.value, element)])
        draft.canFail = compiled.canFail
        draft.use.outputs.append([])
        return draft
    }

    private func rebatch(
        size: Int, linger: Duration?, _ rows: PlannedRows, _ keys: [Int], _ by: [String],
        _ step: StepSpec
    ) -> Draft? {
        let made: Set<String> = [
            "batch_id", "size", "items", "first_event_time", "last_event_time",
        ]
        for name in step.by where made.contains(name.value) {
            diagnostics.report(
                .repeatedColumn, "rebatch makes a column \"\(name.value)\" of its own",
                at: name.position, fix: "rename the key column in a select before")
            return nil
        }
        let schema = Rebatch.outputSchema(rows.schema, keys: keys)
        let use = ColumnUse(
            always: Set(0..<rows.schema.count), outputs: schema.fields.map { _ in [] })
        let draft = Draft(
            operation: .rebatch(size: size, linger: linger), schema: schema, use: use,
            poisoned: rows.poisoned)
        return keyed(draft, by: by)
    }
}
