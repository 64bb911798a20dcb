import Operators
import StreamRuntime

extension StepPlanner {
    private var diagnostics: Diagnostics { planner.diagnostics }

    /// Plans a join: a step that brings each side into the form they share, and the join behind both.
    func join(_ body: JoinBody, _ step: StepSpec, position: Int, left: PlannedRows) -> PlannedRows {
        guard let right = planner.joinedNames[body.with.value]?.rows, !right.isBroken else {
            return .broken
        }
        let name = step.id?.value ?? step.verb.value
        let leftKeys = planner.keyColumns(
            body.on.map(\.left), of: left, what: "\"on\" of step \"\(name)\"")
        let rightKeys = planner.keyColumns(
            body.on.map(\.right), of: right,
            what: "\"on\" of step \"\(name)\", for \(body.with.value),")
        guard leftKeys.count == body.on.count, rightKeys.count == body.on.count,
            haveOneType(body, left, leftKeys, right, rightKeys), isFree(body.alias, in: left)
        else { return .broken }
        if !checkType(body, step) { return .broken }
        var tableKey: [Int] = []
        var leftTableKey: [Int] = []
        let kind: JoinShape.Kind
        switch body.kind {
        case .asOf(let key):
            tableKey = planner.keyColumns(key, of: right, what: "the key of \(body.with.value)")
            if tableKey.count < key.count { return .broken }
            // A key that says no more than the columns that are compared keeps one row.
            if Set(tableKey).isSubset(of: rightKeys) { tableKey = [] }
            kind = .asOf(tableKey: tableKey.map { right.schema.fields[$0].name })
        case .tables(let key, let withKey):
            let leftKey = planner.keyColumns(key, of: left, what: "the key of the left table")
            tableKey = planner.keyColumns(withKey, of: right, what: "the key of \(body.with.value)")
            if leftKey.count < key.count || tableKey.count < withKey.count { return .broken }
            if leftKey.isEmpty, left.changelog == .upsert {
                return keyless("the left side", "key", at: step.verb.position)
            }
            if tableKey.isEmpty, right.changelog == .upsert {
                return keyless(body.with.value, "with_key", at: body.with.position)
            }
            leftTableKey = leftKey
            warnOfGrowth(body, leftKey.isEmpty, tableKey.isEmpty, step)
            kind = .tables(key: leftKey, withKey: tableKey.map { right.schema.fields[$0].name })
        case .side(let key):
            tableKey = planner.keyColumns(key, of: right, what: "the key of \(body.with.value)")
            if tableKey.count < key.count { return .broken }
            if Set(tableKey).isSubset(of: rightKeys) { tableKey = [] }
            kind = .asOf(tableKey: tableKey.map { right.schema.fields[$0].name })
        case .within(let before, let after):
            if !rightStays(body, right, "within a time") { return .broken }
            kind = .within(before: before, after: after)
        case .window(let size, let every):
            if !rightStays(body, right, "in a window") { return .broken }
            if every > size {
                diagnostics.report(
                    .badWindow, "windows of \(size.text) every \(every.text) leave rows out",
                    at: step.verb.position, fix: "choose an \"every\" that is at most the size")
                return .broken
            }
            kind = .window(size: size, every: every)
        }
        let whole = right.schema.fields
        let pairs = PlannedRows(
            schema: Schema(left.schema.fields + [Field(body.alias.value, .structure(whole))]),
            endpoints: [], poisoned: left.poisoned.union(right.poisoned))
        var compiled: CompiledExpression?
        if let text = body.condition {
            compiled = condition(text, pairs)
            if compiled == nil { return .broken }
        }
        let kept = keptColumns(body, compiled, left.schema.count, whole.count)
        let union = sides(
            body, position, left, right, leftKeys: leftKeys, rightKeys: rightKeys,
            kept: kept, tableKey: tableKey)
        let fields = kept.map { whole[$0] }
        let shape = JoinShape(
            type: body.type, kind: kind,
            alias: body.alias.value, right: fields,
            rightKeys: body.type.showsUnmatchedRight ? rightKeys : [],
            condition: body.condition?.text,
            timeToLive: body.timeToLive)
        let form = JoinForm(
            input: union.schema, right: fields, type: body.type, keys: leftKeys)
        let count = left.schema.count
        var always = Set(leftKeys).union(compiled?.columns ?? [])
        // Every row tells its side by the last column.
        always.insert(count)
        always.formUnion(leftTableKey)
        var use = ColumnUse.passing(form.outputSchema.count, always: always)
        var schema = form.outputSchema
        if case .window = kind {
            schema = WindowJoin.outputSchema(form)
            use.outputs += schema.fields[use.outputs.count...].map { _ in [] }
        }
        var draft = Draft(
            operation: .join(shape), schema: schema, use: use,
            poisoned: left.poisoned, isStateless: false, needsOrder: true,
            partitioning: leftKeys.map { left.schema.fields[$0].name })
        draft.canFail = compiled?.canFail ?? false
        return add(draft, step, position: position, rows: union, keys: leftKeys)
    }

    /// Whether the kind of join can give what the type asks for; tells if not.
    private func checkType(_ body: JoinBody, _ step: StepSpec) -> Bool {
        guard body.type.showsUnmatchedRight else { return true }
        switch body.kind {
        case .tables, .window: return true
        case .asOf, .side, .within:
            diagnostics.report(
                .conflictingKeys,
                "right rows without partner do not come out of a join as_of or within a time",
                at: step.verb.position,
                fix: "write type: inner or left, or join with tables or window")
            return false
        }
    }

    /// Warns of tables whose rows come and are never forgotten.
    private func warnOfGrowth(
        _ body: JoinBody, _ leftGrows: Bool, _ rightGrows: Bool, _ step: StepSpec
    ) {
        guard body.timeToLive == nil, leftGrows || rightGrows else { return }
        let sides = [leftGrows ? "the left side" : nil, rightGrows ? body.with.value : nil]
        diagnostics.report(
            .unboundedState,
            "step \"\(step.id?.value ?? "join")\" keeps every row of "
                + sides.compactMap { $0 }.joined(separator: " and of ") + " for good",
            at: step.verb.position,
            fix: "say how long a row can find partners: ttl: 1d; or join within a time or a window")
    }

    /// Whether right rows are there to stay; tells if not.
    private func rightStays(_ body: JoinBody, _ right: PlannedRows, _ what: String) -> Bool {
        if right.changelog == nil { return true }
        diagnostics.report(
            .changelog, "a join \(what) cannot take back right rows that changes delete",
            at: body.with.position,
            fix: "join with them as_of or tables, or read the stream without changelog")
        return false
    }

    /// Tells of a side whose changes cannot be followed without a key.
    private func keyless(
        _ side: String, _ key: String, at position: Position
    ) -> PlannedRows {
        diagnostics.report(
            .changelog, "\(side) has changes that do not say which row they replace", at: position,
            fix: "name the columns that tell its rows apart: tables: {\(key): …}")
        return .broken
    }

    /// Whether the columns that are compared have the same types; tells of those that have not.
    private func haveOneType(
        _ body: JoinBody, _ left: PlannedRows, _ leftKeys: [Int], _ right: PlannedRows,
        _ rightKeys: [Int]
    ) -> Bool {
        var fit = true
        for (index, pair) in body.on.enumerated() {
            let mine = left.schema.fields[leftKeys[index]].type
            let theirs = right.schema.fields[rightKeys[index]].type
            if mine == theirs { continue }
            fit = false
            diagnostics.report(
                .joinColumns,
                "\"\(pair.left.value)\" is \(mine), and \"\(pair.right.value)\" of \(body.with.value) is \(theirs)",
                at: pair.right.position,
                fix: "bring one to the other's type in a select before: "
                    + "\(pair.right.value): cast(\(pair.right.value) as \(mine))")
        }
        return fit
    }

    private func isFree(_ alias: Located<String>, in left: PlannedRows) -> Bool {
        if left.schema.index(of: alias.value) == nil { return true }
        diagnostics.report(
            .repeatedColumn, "there is already a column \"\(alias.value)\"", at: alias.position,
            notes: ["columns: \(left.columns)"], fix: "call the right row something else with as")
        return false
    }

    /// The right columns that are kept of a row: all when it comes out, else those the condition reads.
    private func keptColumns(
        _ body: JoinBody, _ condition: CompiledExpression?, _ alias: Int, _ count: Int
    ) -> [Int] {
        if body.type.showsRight { return Array(0..<count) }
        let reads = condition?.reads.filter { $0.column == alias } ?? []
        if reads.contains(where: { $0.field == nil }) { return Array(0..<count) }
        return Set(reads.compactMap(\.field)).sorted()
    }

    /// Adds the steps that bring both sides into one form, and gives the rows of both.
    private func sides(
        _ body: JoinBody, _ position: Int, _ left: PlannedRows, _ right: PlannedRows,
        leftKeys: [Int], rightKeys: [Int], kept: [Int], tableKey: [Int]
    ) -> PlannedRows {
        let alias = body.alias.value
        let schema = JoinSide.schema(left: left.schema, alias: alias)
        let count = left.schema.count
        let line = body.with.position.line
        let place = "\(pipeline.name.value).\(position)"
        var leftUse = ColumnUse.passing(count)
        leftUse.outputs.append([])
        let leftStep = side(
            "\(place).left", line, .left(alias: alias), left, schema, leftUse)
        var rightUse = ColumnUse(outputs: (0..<count).map { _ in [] })
        for (mine, theirs) in zip(leftKeys, rightKeys) { rightUse.outputs[mine] = [theirs] }
        rightUse.outputs.append(Set(kept).union(tableKey))
        rightUse.always = Set(rightKeys)
        let rightStep = side(
            "\(place).\(body.with.value)", line,
            .right(
                left: left.schema, alias: alias, leftKeys: leftKeys, rightKeys: rightKeys,
                kept: kept, tableKey: tableKey,
                keepsIncomplete: body.type.showsUnmatchedRight, isFirst: body.isSide), right,
            schema, rightUse)
        var names: [String: String] = [:]
        for (mine, theirs) in zip(leftKeys, rightKeys) {
            names[right.schema.fields[theirs].name] = left.schema.fields[mine].name
        }
        let partitioning = right.partitioning?.compactMap { names[$0] }
        return PlannedRows(
            schema: schema,
            endpoints: [
                .init(
                    from: .step(leftStep), port: 0, partitioning: left.partitioning,
                    spread: left.spread),
                .init(
                    from: .step(rightStep), port: 0,
                    partitioning: partitioning?.count == right.partitioning?.count
                        ? partitioning : nil,
                    spread: right.spread?.renamed(names)),
            ], poisoned: left.poisoned, changelog: Changelog.union(left.changelog, right.changelog))
    }

    private func side(
        _ id: String, _ line: Int, _ shape: JoinSideShape, _ rows: PlannedRows, _ schema: Schema,
        _ use: ColumnUse
    ) -> Int {
        planner.steps.append(
            PlannedStep(
                ordinal: planner.steps.count, id: id, formerId: nil,
                pipeline: pipeline.name.value, verb: "join", line: line,
                operation: .joinSide(shape), keys: [], inputs: rows.edges(.forward),
                inputSchema: rows.schema, outputs: [PlannedPort(name: "main", schema: schema)],
                repartition: nil, onError: .fail, isStateless: true, needsOrderedInput: false,
                changelog: rows.changelog))
        planner.uses.append(use)
        return planner.steps.count - 1
    }
}
