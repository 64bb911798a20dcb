import StreamRuntime

/// `and` and `or` in three-valued logic; the right side counts only where the left does not decide.
final class ConnectiveNode: ExpressionNode {
    let isAnd: Bool
    /// Whether the right side is worth leaving out where the left one decides.
    private let isLazy: Bool

    init(isAnd: Bool, _ left: ExpressionNode, _ right: ExpressionNode) {
        self.isAnd = isAnd
        isLazy = right.canFail || right.isCostly
        super.init(type: .bool, children: [left, right])
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let left = children[0].evaluate(evaluation)
        var rest = evaluation
        if isLazy {
            let decided = Evaluation(
                batch: nil, count: evaluation.count, mask: nil, failures: evaluation.failures
            ).narrowed(to: isAnd ? LogicKernels.not(left, evaluation.count) : left)
            rest = evaluation.masked(evaluation.excluding(decided))
        }
        let right = children[1].evaluate(rest)
        return isAnd
            ? LogicKernels.and(left, right, evaluation.count)
            : LogicKernels.or(left, right, evaluation.count)
    }
}

final class NotNode: ExpressionNode {
    init(_ child: ExpressionNode) { super.init(type: .bool, children: [child]) }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        LogicKernels.not(children[0].evaluate(evaluation), evaluation.count)
    }
}

/// Whether the operand is null; never null itself.
final class IsNullNode: ExpressionNode {
    init(_ child: ExpressionNode) { super.init(type: .bool, children: [child]) }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let operand = children[0].evaluate(evaluation)
        let result = Column(.bool, capacity: evaluation.count)
        let target = result.bools
        var row = 0
        if let validity = operand.validity {
            while row < evaluation.count {
                target[row] = validity[row] ^ 1
                row &+= 1
            }
        } else {
            while row < evaluation.count {
                target[row] = 0
                row &+= 1
            }
        }
        result.setCount(evaluation.count)
        return result
    }
}

/// `is true` and `is false`; never null.
final class IsTruthNode: ExpressionNode {
    private let truth: Bool

    init(_ child: ExpressionNode, truth: Bool) {
        self.truth = truth
        super.init(type: .bool, children: [child])
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let operand = children[0].evaluate(evaluation)
        let result = Column(.bool, capacity: evaluation.count)
        let target = result.bools
        let source = operand.bools
        let flip: UInt8 = truth ? 0 : 1
        var row = 0
        while row < evaluation.count {
            target[row] = source[row] ^ flip
            row &+= 1
        }
        if let validity = operand.validity {
            Validity.and(target, validity, evaluation.count)
        }
        result.setCount(evaluation.count)
        return result
    }
}

/// The first branch whose condition is true: `case`, `if`.
final class ChoiceNode: ExpressionNode {
    private let branches: Int

    /// - Precondition: `results` has one more than `conditions`, all of one type.
    init(conditions: [ExpressionNode], results: [ExpressionNode]) {
        precondition(results.count == conditions.count + 1, "a result for every branch and else")
        branches = conditions.count
        super.init(type: results[0].type, children: conditions + results)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let count = evaluation.count
        let chosen = RowChoice(count: count)
        var rest = evaluation
        var results: [Column] = []
        for branch in 0..<branches {
            let condition = children[branch].evaluate(rest)
            let taken = rest.narrowed(to: condition)
            chosen.mark(taken, as: UInt8(truncatingIfNeeded: branch + 1))
            results.append(children[branches + branch].evaluate(evaluation.masked(taken)))
            rest = evaluation.masked(rest.excluding(taken))
        }
        chosen.mark(rest.mask, as: UInt8(truncatingIfNeeded: branches + 1))
        results.append(children[branches * 2].evaluate(rest))
        return chosen.merge(results, type: type)
    }
}

/// The first of its operands that has a value; later ones are evaluated only where it is needed.
final class CoalesceNode: ExpressionNode {
    init(_ operands: [ExpressionNode]) {
        super.init(type: operands[0].type, children: operands)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let count = evaluation.count
        let chosen = RowChoice(count: count)
        var rest = evaluation
        var results: [Column] = []
        for (index, child) in children.enumerated() {
            let value = child.evaluate(rest)
            if index == 0, value.validity == nil { return value }
            results.append(value)
            let taken = RowMask(count: count)
            if let validity = value.validity { Validity.and(taken.bytes, validity, count) }
            if let mask = rest.mask?.bytes { Validity.and(taken.bytes, mask, count) }
            chosen.mark(taken, as: UInt8(truncatingIfNeeded: index + 1))
            rest = evaluation.masked(rest.excluding(taken))
            if rest.mask?.isEmpty == true { break }
        }
        return chosen.merge(results, type: type)
    }
}

/// Which of several columns each row's value comes from.
final class RowChoice {
    private let count: Int
    /// 0 for none, else one more than the column's index.
    let picks: RowMask

    /// Branches a row may be picked from.
    static let branchesMax = 254

    init(count: Int) {
        self.count = count
        picks = RowMask(count: count, filledWith: 0)
    }

    func mark(_ mask: RowMask?, as pick: UInt8) {
        let bytes = picks.bytes
        var row = 0
        while row < count {
            if mask == nil || mask!.bytes[row] != 0 { bytes[row] = pick }
            row &+= 1
        }
    }

    /// The picked values; null where nothing was picked.
    func merge(_ columns: [Column], type: ColumnType) -> Column {
        let result = Column(type, capacity: count)
        let picks = picks.bytes
        switch type.stride {
        case 1: copy(UInt8.self, columns, result, picks)
        case 8 where !type.isBytes && !type.isList: copy(Int64.self, columns, result, picks)
        case 16: copy(Int128.self, columns, result, picks)
        case 8 where type.isBytes: mergeText(columns, result, picks)
        default:
            for row in 0..<count {
                if picks[row] == 0 || Int(picks[row]) > columns.count {
                    result.appendNull()
                } else {
                    result.append(from: columns[Int(picks[row]) - 1], row: row)
                }
            }
        }
        return result
    }

    /// Strings or bytes, copied behind each other.
    private func mergeText(_ columns: [Column], _ result: Column, _ picks: UnsafePointer<UInt8>) {
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        let views = result.views
        let validity = result.ensureValidity()
        var row = 0
        while row < count {
            views[row] = 0
            validity[row] = 0
            row &+= 1
        }
        for (index, column) in columns.enumerated() {
            guard let from = column.arena?.base else { continue }
            let pick = UInt8(truncatingIfNeeded: index + 1)
            let sources = column.views
            let valid = column.validity
            // Rows that have the same text behind each other, as a constant's, share it.
            var last: UInt64 = .max
            var copy: UInt64 = 0
            row = 0
            while row < count {
                if picks[row] == pick, valid == nil || valid.unsafelyUnwrapped[row] != 0 {
                    let view = sources[row]
                    if view != last {
                        last = view
                        copy = arena.append(from + ByteView.start(view), ByteView.length(view))
                    }
                    views[row] = copy
                    validity[row] = 1
                }
                row &+= 1
            }
        }
        result.setCount(count)
    }

    @inline(__always)
    private func copy<Value: ExpressibleByIntegerLiteral>(
        _: Value.Type, _ columns: [Column], _ result: Column, _ picks: UnsafePointer<UInt8>
    ) {
        let validity = result.ensureValidity()
        let target = result.values.assumingMemoryBound(to: Value.self)
        var row = 0
        while row < count {
            target[row] = 0
            validity[row] = 0
            row &+= 1
        }
        for (index, column) in columns.enumerated() {
            let pick = UInt8(truncatingIfNeeded: index + 1)
            let source = column.values.assumingMemoryBound(to: Value.self)
            let valid = column.validity
            row = 0
            while row < count {
                if picks[row] == pick {
                    target[row] = source[row]
                    validity[row] = valid == nil ? 1 : valid.unsafelyUnwrapped[row]
                }
                row &+= 1
            }
        }
        result.setCount(count)
    }
}

extension ColumnType {
    var isList: Bool {
        if case .list = self { return true }
        return false
    }
    var isNumeric: Bool {
        switch self {
        case .int64, .float64, .decimal: true
        default: false
        }
    }
}
