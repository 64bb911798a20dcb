import Operators
import StreamRuntime

/// A top step as it is planned; its order is compiled again for every worker.
struct TopShape: Equatable, Sendable {
    let order: String
    let count: Int
    let ties: TopTies
    let rank: String?
    /// The position of the column that says when a row's window ends.
    let windowEnd: Int?
    let changes: Changelog
    let timeToLive: Duration?
    let latePort: Int?

    /// What it does, on one line.
    var text: String {
        "first \(count) by \(order)" + (ties == .rowNumber ? "" : ", by \(ties.rawValue)")
            + (rank.map { ", numbered as \($0)" } ?? "")
            + (windowEnd == nil ? "" : ", when the window has ended")
            + (timeToLive.map { ", forgotten after \($0.text)" }
                ?? (windowEnd == nil ? ", kept for good" : ""))
    }
}

extension StepPlanner {
    /// The columns that make the key of a step: those it names, and those of the window it is about.
    func keyNames(of step: StepSpec, _ rows: PlannedRows) -> [Located<String>] {
        guard let end = step.action.windowEnd else { return step.by }
        var names = step.by
        var columns = [end]
        if rows.schema.index(of: "window_start") != nil, end.value != "window_start" {
            columns.insert(Located(value: "window_start", position: end.position), at: 0)
        }
        for column in columns where !names.contains(where: { $0.value == column.value }) {
            names.append(column)
        }
        return names
    }

    /// The position of the column that says when windows end, or nil after telling what is wrong.
    func windowEnd(_ name: Located<String>, _ rows: PlannedRows) -> Int? {
        guard let index = rows.schema.index(of: name.value) else { return nil }
        guard rows.schema.fields[index].type == .timestamp else {
            planner.diagnostics.report(
                .badWindow, "\"\(name.value)\" does not say when a window ends",
                at: name.position,
                notes: ["types: \(name.value) is \(rows.schema.fields[index].type)"],
                fix: "name a column of type timestamp, such as window_end")
            return nil
        }
        return index
    }

    /// Plans a top step.
    func top(_ body: TopBody, _ rows: PlannedRows, _ keys: [Int], _ by: [String]) -> Draft? {
        let diagnostics = planner.diagnostics
        var end: Int?
        if let name = body.windowEnd {
            guard let index = windowEnd(name, rows) else { return nil }
            end = index
        }
        if let ttl = body.timeToLive, end != nil {
            diagnostics.report(
                .conflictingKeys,
                "windows end by themselves: there is nothing left for ttl to forget",
                at: ttl.position, fix: "remove ttl")
        }
        if let rank = body.rank, rows.schema.index(of: rank.value) != nil {
            diagnostics.report(
                .repeatedColumn, "there is already a column \"\(rank.value)\"", at: rank.position,
                notes: ["columns: \(rows.columns)"], fix: "call the number something else")
            return nil
        }
        guard let compiled = order(body.order, rows) else { return nil }
        let count = rows.schema.count
        let hasLatePort = body.late != nil
        var draft = Draft(
            operation: .top(
                TopShape(
                    order: body.order.text, count: body.count, ties: body.ties,
                    rank: body.rank?.value, windowEnd: end, changes: body.changelog ?? .full,
                    timeToLive: body.timeToLive?.value, latePort: hasLatePort ? 1 : nil)),
            schema: Schema(
                rows.schema.fields + (body.rank.map { [Field($0.value, .int64)] } ?? [])),
            use: ColumnUse.passing(
                count,
                always: Set(keys).union(compiled.flatMap(\.columns)).union(end.map { [$0] } ?? [])),
            poisoned: rows.poisoned, isStateless: false, needsOrder: true, partitioning: by)
        // Which row is taken back is told by all of its columns.
        if rows.changelog != nil { draft.use.always = Set(0..<count) }
        if body.rank != nil { draft.use.outputs.append([]) }
        draft.canFail = rows.changelog != nil || end != nil || compiled.contains(where: \.canFail)
        if hasLatePort { draft.sides = [.init(name: "late", target: body.late, alias: nil)] }
        return draft
    }

    /// The checked expressions of an order, or nil after telling what is wrong with them.
    private func order(
        _ order: SpecExpression, _ rows: PlannedRows
    ) -> [CompiledExpression]? {
        let items = SortOrder(order.text).items
        var compiled: [CompiledExpression] = []
        for item in items {
            let part = SpecExpression(
                scalar: order.scalar, position: order.position,
                offset: order.offset + item.offset, text: item.text)
            guard let expression = compile(part, rows) else { continue }
            guard KeyEncoder.accepts(expression.type) else {
                planner.diagnostics.report(
                    .notOrdered, "\"\(item.text)\" has no order", at: order.position,
                    notes: ["types: \(item.text) is \(expression.type)"],
                    fix: "order by a number, a timestamp, a date or text")
                continue
            }
            compiled.append(expression)
        }
        return compiled.count == items.count ? compiled : nil
    }
}

extension AggregateBody {
    /// The column that says when the windows end that another step has made.
    var windowEnd: Located<String>? {
        guard case .ended(let column) = window.value else { return nil }
        return Located(value: column, position: window.position)
    }
}

extension StepSpec.Action {
    /// The column that says when the windows end that another step has made.
    var windowEnd: Located<String>? {
        switch self {
        case .top(let body): body.windowEnd
        case .aggregate(let body): body.windowEnd
        default: nil
        }
    }
}
