import StreamRuntime

/// A parameter of a lambda: an element of the list, its place, or what was reduced so far.
final class ParameterNode: ExpressionNode {
    let slot: Int

    init(slot: Int, type: ColumnType) {
        self.slot = slot
        super.init(type: type)
    }

    override var readsRow: Bool { true }
    override func evaluate(_ evaluation: Evaluation) -> Column { evaluation.parameters[slot] }
}

/// The rows of a batch's lists laid end to end, so that a lambda sees all elements as one batch.
struct ElementRows {
    /// The row of the list column's elements, and the row of the batch, of each element.
    private(set) var elements: [Int32] = []
    private(set) var rows: [Int32] = []
    /// From 1, in its list.
    let places = Column(.int64, capacity: 0)

    init(_ list: Column, _ evaluation: Evaluation) {
        for row in 0..<evaluation.count where list.isValid(row) && evaluation.isActive(row) {
            let range = ListFunctions.elements(list, row)
            for index in range {
                elements.append(Int32(truncatingIfNeeded: index))
                rows.append(Int32(truncatingIfNeeded: row))
                places.append(Int64(index - range.lowerBound + 1))
            }
        }
    }

    /// What the lambda is evaluated on, its own parameters last.
    static func evaluation(
        _ outer: Evaluation, _ rows: [Int32], reading body: ExpressionNode, _ own: [Column]
    ) -> Evaluation {
        let needsBatch = !body.columns.isEmpty || body.needsBatch
        return Evaluation(
            batch: needsBatch ? outer.batch?.gathered(rows, count: rows.count) : nil,
            count: rows.count, mask: nil, failures: RowFailures(count: rows.count),
            parameters: outer.parameters.map { $0.gathered(rows, count: rows.count) } + own)
    }

    /// Fails the batch's rows whose elements failed.
    static func report(
        _ inner: Evaluation, _ rows: [Int32], to outer: Evaluation,
        _ live: UnsafeMutablePointer<UInt8>
    ) {
        for failure in inner.failures.reasons.sorted(by: { $0.row < $1.row }) {
            let row = Int(rows[failure.row])
            live[row] = 0
            outer.failures.add(row, failure.reason)
        }
    }
}

extension ExpressionNode {
    /// Whether something in it, other than a parameter, reads the row.
    var needsBatch: Bool {
        (readsRow && !(self is ParameterNode)) || children.contains { $0.needsBatch }
    }
}

/// `list_transform` and `list_filter`.
final class LambdaNode: ExpressionNode {
    private let isFilter: Bool

    init(_ list: ExpressionNode, _ body: ExpressionNode, isFilter: Bool) {
        self.isFilter = isFilter
        super.init(type: isFilter ? list.type : .list(body.type), children: [list, body])
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let list = children[0].evaluate(evaluation)
        let flat = ElementRows(list, evaluation)
        let source = list.children[0]
        let values = source.gathered(flat.elements, count: flat.elements.count)
        let inner = ElementRows.evaluation(
            evaluation, flat.rows, reading: children[1], [values, flat.places, flat.places])
        let made = children[1].evaluate(inner)
        let result = Column(
            type, capacity: evaluation.count, arena: nil,
            children: [isFilter ? chosen(values, made) : made])
        let live = result.ensureValidity()
        Validity.merge([list], into: result, count: evaluation.count)
        if let mask = evaluation.mask?.bytes { Validity.and(live, mask, evaluation.count) }
        var at = 0
        var kept = 0
        for row in 0..<evaluation.count {
            result.views[row] = 0
            guard live[row] != 0 else { continue }
            let count = ByteView.length(list.views[row])
            var length = count
            if isFilter {
                length = 0
                for index in at..<(at + count) where isTrue(made, index) { length += 1 }
            }
            result.views[row] = ByteView.pack(start: isFilter ? kept : at, length: length)
            at += count
            kept += length
        }
        result.setCount(evaluation.count)
        ElementRows.report(inner, flat.rows, to: evaluation, live)
        return result
    }

    private func isTrue(_ truths: Column, _ row: Int) -> Bool {
        truths.isValid(row) && truths.bools[row] != 0
    }

    private func chosen(_ values: Column, _ truths: Column) -> Column {
        var rows: [Int32] = []
        for row in 0..<values.count where isTrue(truths, row) {
            rows.append(Int32(truncatingIfNeeded: row))
        }
        return values.gathered(rows, count: rows.count)
    }
}

/// `list_reduce`: all lists of a batch go forward together, one element a turn.
final class ReduceNode: ExpressionNode {
    private let hasStart: Bool

    init(_ list: ExpressionNode, start: ExpressionNode?, _ body: ExpressionNode) {
        hasStart = start != nil
        super.init(
            type: body.type, children: [list, body] + (start.map { [$0] } ?? []), canFail: true)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let list = children[0].evaluate(evaluation)
        let count = evaluation.count
        let elements = list.children[0]
        let live = Column(.bool, capacity: count)
        let flags = live.ensureValidity()
        live.setCount(count)
        Validity.merge([list], into: live, count: count)
        if let mask = evaluation.mask?.bytes { Validity.and(flags, mask, count) }
        var reached = Column(type, capacity: count)
        if hasStart {
            reached = children[2].evaluate(evaluation)
        } else {
            for row in 0..<count {
                let range = flags[row] != 0 ? ListFunctions.elements(list, row) : 0..<0
                if range.isEmpty {
                    reached.appendNull()
                    if flags[row] != 0 {
                        flags[row] = 0
                        evaluation.failures.add(row, "list_reduce of an empty list has no start")
                    }
                } else {
                    reached.append(from: elements, row: range.lowerBound)
                }
            }
        }
        var turn = hasStart ? 0 : 1
        while true {
            var rows: [Int32] = []
            var picked: [Int32] = []
            for row in 0..<count where flags[row] != 0 {
                let range = ListFunctions.elements(list, row)
                guard turn < range.count else { continue }
                rows.append(Int32(truncatingIfNeeded: row))
                picked.append(Int32(truncatingIfNeeded: range.lowerBound + turn))
            }
            guard !rows.isEmpty else { break }
            let place = Column(.int64, capacity: 1)
            place.append(Int64(turn + 1))
            let inner = ElementRows.evaluation(
                evaluation, rows, reading: children[1],
                [
                    reached.gathered(rows, count: rows.count),
                    elements.gathered(picked, count: rows.count), place.spread(rows.count),
                ])
            let made = children[1].evaluate(inner)
            ElementRows.report(inner, rows, to: evaluation, flags)
            let next = Column(type, capacity: count)
            var at = 0
            for row in 0..<count {
                if at < rows.count, Int(rows[at]) == row {
                    next.append(from: made, row: at)
                    at += 1
                } else {
                    next.append(from: reached, row: row)
                }
            }
            reached = next
            turn += 1
        }
        let result = reached.copied()
        Validity.and(result.ensureValidity(), flags, count)
        return result
    }
}
