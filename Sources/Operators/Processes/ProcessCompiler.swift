import StreamRuntime

/// Checks a declared state machine.
struct ProcessCompiler {
    let spec: ProcessSpec
    let input: Schema
    let keys: [Int]
    private(set) var problems: [ProcessProblem] = []
    private let rowCompiler: ExpressionCompiler
    private let timerCompiler: ExpressionCompiler

    init(spec: ProcessSpec, input: Schema, keys: [Int]) {
        self.spec = spec
        self.input = input
        self.keys = keys
        let state = spec.state.map { Field($0.name, $0.type) }
        rowCompiler = ExpressionCompiler(schema: Schema(input.fields + state))
        timerCompiler = ExpressionCompiler(
            schema: Schema(keys.map { input.fields[$0] } + state))
    }

    mutating func compile() -> ProcessProgram? {
        checkState()
        let timers = checkTimers()
        checkEntries()
        let initial = spec.state.indices.map { self.initial($0) }
        let output = checkEmits()
        var entries: [ProcessProgram.Entry] = []
        for position in spec.entries.indices {
            entries.append(entry(position, timers, output))
        }
        guard let output, problems.isEmpty else { return nil }
        return ProcessProgram(
            input: input, output: output, keys: keys, spec: spec, initial: initial,
            timers: timers, entries: entries, keyNames: keyNames(entries, output))
    }

    // MARK: names

    private mutating func checkState() {
        for (position, column) in spec.state.enumerated() {
            if input.index(of: column.name) != nil {
                problems.append(
                    ProcessProblem(
                        .state(position), "the rows have a column \"\(column.name)\" already",
                        fix: "give the state another name, so that expressions can tell them apart")
                )
            }
            if case .interval = column.type {
                problems.append(
                    ProcessProblem(
                        .state(position), "an interval cannot be kept", fix: "keep an int64"))
            }
        }
    }

    private mutating func checkTimers() -> [String] {
        var set: Set<String> = []
        for (position, entry) in spec.entries.enumerated() {
            for (index, timer) in entry.timers.enumerated() {
                set.insert(timer.name)
                let isWaitedFor = spec.entries.contains { $0.cause == .timer(timer.name) }
                if !isWaitedFor {
                    problems.append(
                        ProcessProblem(
                            .timer(position, index),
                            "no entry says what timer \"\(timer.name)\" does",
                            fix: "add an entry: - {timer: \(timer.name), emit: {…}}"))
                }
                if entry.cause != .row, spec.timeToLive == nil {
                    problems.append(
                        ProcessProblem(
                            .timer(position, index),
                            "a timer that sets timers could go on for ever",
                            fix:
                                "add ttl: a key is forgotten so long after its last row, and its timers too"
                        ))
                }
            }
        }
        for (position, entry) in spec.entries.enumerated() {
            guard case .timer(let name) = entry.cause, !set.contains(name) else { continue }
            let near = Names.nearest(name, among: set.sorted())
            problems.append(
                ProcessProblem(
                    .entry(position), "no entry sets a timer \"\(name)\"",
                    fix: near.map { "write \"\($0)\"" }
                        ?? "set it in an entry for rows: timer: {\(name): ts + interval 5 minutes}")
            )
        }
        return set.sorted()
    }

    private mutating func checkEntries() {
        var closed: [String?: Int] = [:]
        for (position, entry) in spec.entries.enumerated() {
            var cause: String?
            if case .timer(let name) = entry.cause { cause = name }
            if closed[cause] != nil {
                problems.append(
                    ProcessProblem(
                        .entry(position),
                        "this entry is never reached: one before it has no condition",
                        fix: "give the entry before it a \"when\", or put this one first"))
            } else if entry.condition == nil {
                closed[cause] = position
            }
            for (index, item) in entry.sets.enumerated()
            where !spec.state.contains(where: { $0.name == item.name }) {
                let names = spec.state.map(\.name)
                let near = Names.nearest(item.name, among: names)
                problems.append(
                    ProcessProblem(
                        .set(position, index), "there is no state \"\(item.name)\"",
                        fix: near.map { "write \"\($0)\"" }
                            ?? "declare it in \"state\", with its type"))
            }
        }
        if !spec.entries.contains(where: { $0.cause == .row }) {
            problems.append(
                ProcessProblem(
                    .step, "no entry takes rows", fix: "add an entry without \"timer: NAME\""))
        }
    }

    // MARK: values

    private mutating func initial(_ position: Int) -> Column {
        let column = spec.state[position]
        let null = Column(column.type, capacity: 1)
        null.appendNull()
        guard let text = column.initial else { return null }
        do throws(ExpressionError) {
            let compiled = try ExpressionCompiler(schema: Schema([])).compile(text, as: column.type)
            guard let constant = compiled.node as? ConstantNode else {
                throw ExpressionError(
                    "\"initial\" is not a constant", at: 0..<text.utf8.count,
                    fix: "write a value such as 0 or 'none'")
            }
            return constant.value
        } catch {
            problems.append(ProcessProblem(.initial(position), error))
            return null
        }
    }

    private func compiler(_ position: Int) -> ExpressionCompiler {
        spec.entries[position].cause == .row ? rowCompiler : timerCompiler
    }

    private mutating func value(
        _ text: String, as type: ColumnType, _ position: Int, at place: ProcessProblem.Place
    ) -> CompiledExpression? {
        do {
            return try compiler(position).compile(text, as: type)
        } catch {
            problems.append(ProcessProblem(place, error))
            return nil
        }
    }

    private mutating func entry(
        _ position: Int, _ timers: [String], _ output: Schema?
    ) -> ProcessProgram.Entry {
        let entry = spec.entries[position]
        let condition = entry.condition.flatMap {
            value($0, as: .bool, position, at: .condition(position))
        }
        var sets: [(column: Int, value: CompiledExpression)] = []
        for (index, item) in entry.sets.enumerated() {
            guard let column = spec.state.firstIndex(where: { $0.name == item.name }),
                let compiled = value(
                    item.text, as: spec.state[column].type, position, at: .set(position, index))
            else { continue }
            sets.append((column, compiled))
        }
        var dues: [(timer: Int, due: CompiledExpression)] = []
        for (index, item) in entry.timers.enumerated() {
            guard let timer = timers.firstIndex(of: item.name),
                let compiled = value(
                    item.text, as: .timestamp, position, at: .timer(position, index))
            else { continue }
            dues.append((timer, compiled))
        }
        var emits: [[CompiledExpression]] = []
        if let output, problems.isEmpty {
            for (row, items) in entry.emits.enumerated() {
                var made: [CompiledExpression] = []
                for field in output.fields {
                    guard let index = items.firstIndex(where: { $0.name == field.name }),
                        let compiled = value(
                            items[index].text, as: field.type, position,
                            at: .emit(position, row, index))
                    else { continue }
                    made.append(compiled)
                }
                emits.append(made)
            }
        }
        let parts = condition.map { ProcessCompiler.parts($0.node) } ?? []
        let inputs = entry.cause == .row ? input.count : 0
        let filters = parts.filter { $0.columns.allSatisfy { $0 < inputs } }
        let used = (sets.map(\.value) + dues.map(\.due) + emits.joined()).reduce(
            into: Set<Int>()
        ) { $0.formUnion($1.columns) }
        return ProcessProgram.Entry(
            position: position, condition: condition,
            filters: inputs == 0
                ? [] : filters.map { CompiledExpression(text: condition?.text ?? "", node: $0) },
            isFilter: inputs > 0 && filters.count == parts.count
                && !(condition?.canFail ?? false),
            sets: sets, timers: dues, emits: emits, clears: entry.clears,
            tested: condition?.columns ?? [], used: used)
    }

    /// The conditions that must all hold.
    static func parts(_ node: ExpressionNode) -> [ExpressionNode] {
        guard let both = node as? ConnectiveNode, both.isAnd else { return [node] }
        return both.children.flatMap(parts)
    }

    // MARK: rows out

    /// The columns that all rows out have.
    private mutating func checkEmits() -> Schema? {
        var names: [String]?
        var nodes: [String: [ExpressionNode]] = [:]
        let before = problems.count
        for (position, entry) in spec.entries.enumerated() {
            for (row, items) in entry.emits.enumerated() {
                if let names, Set(names) != Set(items.map(\.name)) {
                    let missing = names.filter { name in !items.contains { $0.name == name } }
                    let more = items.map(\.name).filter { !names.contains($0) }
                    problems.append(
                        ProcessProblem(
                            .emits(position, row),
                            "all rows out have the same columns; this one "
                                + (missing.isEmpty
                                    ? "has \(more.joined(separator: ", ")) too"
                                    : "has no \(missing.joined(separator: ", "))"),
                            fix:
                                "give every emit the columns \(names.joined(separator: ", ")); write null where there is nothing to say"
                        ))
                    continue
                }
                names = names ?? items.map(\.name)
                for (index, item) in items.enumerated() {
                    do throws(ExpressionError) {
                        let compiled = try compiler(position).compile(item.text)
                        let others = nodes[item.name, default: []]
                        guard Coercion.common(others + [compiled.node]) != nil else {
                            let other = others.first { !Coercion.isUntyped($0) } ?? others[0]
                            throw ExpressionError(
                                "\"\(item.name)\" is \(compiled.type) here and \(other.type) in another emit",
                                at: 0..<item.text.utf8.count,
                                fix: "write cast(\(item.text) as \(other.type))")
                        }
                        nodes[item.name, default: []].append(compiled.node)
                    } catch {
                        problems.append(ProcessProblem(.emit(position, row, index), error))
                    }
                }
            }
        }
        guard let names else {
            problems.append(
                ProcessProblem(
                    .step, "no entry gives rows out", fix: "add emit: {COLUMN: EXPRESSION} to one"))
            return nil
        }
        guard problems.count == before else { return nil }
        return Schema(
            names.map { name in
                Field(name, Coercion.common(nodes[name, default: []]) ?? .int64)
            })
    }

    private func keyNames(_ entries: [ProcessProgram.Entry], _ output: Schema) -> [String]? {
        var names: [String] = []
        for (part, key) in keys.enumerated() {
            let found = output.fields.indices.first { column in
                entries.allSatisfy { entry in
                    let isRow = spec.entries[entry.position].cause == .row
                    return entry.emits.allSatisfy { $0[column].plainColumn == (isRow ? key : part) }
                }
            }
            guard let found else { return nil }
            names.append(output.fields[found].name)
        }
        return names
    }
}
