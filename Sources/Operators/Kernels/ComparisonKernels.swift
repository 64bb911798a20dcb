import Glibc
import StreamRuntime

/// A comparison of two columns of one type.
final class ComparisonNode: ExpressionNode {
    enum Operation {
        case equal
        case notEqual
        case less
        case lessOrEqual
    }
    private let operation: Operation

    init(_ operation: Operation, _ left: ExpressionNode, _ right: ExpressionNode) {
        self.operation = operation
        super.init(type: .bool, children: [left, right])
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let left = children[0].operand(evaluation)
        let right = children[1].operand(evaluation)
        let count = evaluation.count
        let result = Column(.bool, capacity: count)
        if !left.isConstant { Validity.merge([left.column], into: result, count: count) }
        if !right.isConstant { Validity.merge([right.column], into: result, count: count) }
        ComparisonKernels.compare(
            operation, left.column, left.isConstant, right.column, right.isConstant, result.bools,
            count, result.validity)
        result.setCount(count)
        return result
    }
}

enum ComparisonKernels {
    typealias Operation = ComparisonNode.Operation

    static func compare(
        _ operation: Operation, _ left: Column, _ leftIsConstant: Bool, _ right: Column,
        _ rightIsConstant: Bool, _ target: UnsafeMutablePointer<UInt8>, _ count: Int,
        _ validity: UnsafePointer<UInt8>?
    ) {
        switch left.type {
        case .int64, .timestamp, .date:
            integers(
                operation, Operand(left.int64s, leftIsConstant),
                Operand(right.int64s, rightIsConstant), target, count)
        case .float64:
            doubles(
                operation, Operand(left.float64s, leftIsConstant),
                Operand(right.float64s, rightIsConstant), target, count)
        case .decimal:
            decimals(
                operation, Operand(left.decimals, leftIsConstant),
                Operand(right.decimals, rightIsConstant), target, count)
        case .string, .bytes:
            if operation == .equal || operation == .notEqual {
                StringKernels.equal(
                    left, leftIsConstant, right, rightIsConstant, target, count,
                    negated: operation == .notEqual, validity)
            } else {
                rows(
                    operation, left, leftIsConstant, right, rightIsConstant, target, count,
                    validity)
            }
        case .bool, .interval, .list, .structure:
            rows(
                operation, left, leftIsConstant, right, rightIsConstant, target, count, validity)
        }
    }

    private static func integers(
        _ operation: Operation, _ a: Operand<Int64>, _ b: Operand<Int64>,
        _ target: UnsafeMutablePointer<UInt8>, _ count: Int
    ) {
        switch operation {
        case .equal: forEachPair(a, b, target, count) { $0 == $1 ? 1 : 0 }
        case .notEqual: forEachPair(a, b, target, count) { $0 != $1 ? 1 : 0 }
        case .less: forEachPair(a, b, target, count) { $0 < $1 ? 1 : 0 }
        case .lessOrEqual: forEachPair(a, b, target, count) { $0 <= $1 ? 1 : 0 }
        }
    }

    /// NaN equals itself and is above everything, as in DuckDB.
    private static func doubles(
        _ operation: Operation, _ a: Operand<Double>, _ b: Operand<Double>,
        _ target: UnsafeMutablePointer<UInt8>, _ count: Int
    ) {
        switch operation {
        case .equal:
            forEachPair(a, b, target, count) { ($0 == $1) || ($0 != $0 && $1 != $1) ? 1 : 0 }
        case .notEqual:
            forEachPair(a, b, target, count) { ($0 == $1) || ($0 != $0 && $1 != $1) ? 0 : 1 }
        case .less: forEachPair(a, b, target, count) { $0 < $1 || ($1 != $1 && $0 == $0) ? 1 : 0 }
        case .lessOrEqual: forEachPair(a, b, target, count) { $0 <= $1 || $1 != $1 ? 1 : 0 }
        }
    }

    private static func decimals(
        _ operation: Operation, _ a: Operand<Int128>, _ b: Operand<Int128>,
        _ target: UnsafeMutablePointer<UInt8>, _ count: Int
    ) {
        switch operation {
        case .equal: forEachPair(a, b, target, count) { $0 == $1 ? 1 : 0 }
        case .notEqual: forEachPair(a, b, target, count) { $0 != $1 ? 1 : 0 }
        case .less: forEachPair(a, b, target, count) { $0 < $1 ? 1 : 0 }
        case .lessOrEqual: forEachPair(a, b, target, count) { $0 <= $1 ? 1 : 0 }
        }
    }

    private static func rows(
        _ operation: Operation, _ left: Column, _ leftIsConstant: Bool, _ right: Column,
        _ rightIsConstant: Bool, _ target: UnsafeMutablePointer<UInt8>, _ count: Int,
        _ validity: UnsafePointer<UInt8>?
    ) {
        var row = 0
        while row < count {
            if validity == nil || validity.unsafelyUnwrapped[row] != 0 {
                let order = RowComparison.compare(
                    left, leftIsConstant ? 0 : row, right, rightIsConstant ? 0 : row)
                let holds =
                    switch operation {
                    case .equal: order == 0
                    case .notEqual: order != 0
                    case .less: order < 0
                    case .lessOrEqual: order <= 0
                    }
                target[row] = holds ? 1 : 0
            } else {
                target[row] = 0
            }
            row &+= 1
        }
    }
}

/// Equality of strings.
enum StringKernels {
    /// The view, or an empty one for a null, whose own may point anywhere.
    @inline(__always)
    private static func visible(
        _ view: UInt64, _ row: Int, _ validity: UnsafePointer<UInt8>?
    ) -> UInt64 {
        guard let validity else { return view }
        return validity[row] == 0 ? 0 : view
    }

    static func equal(
        _ left: Column, _ leftIsConstant: Bool, _ right: Column, _ rightIsConstant: Bool,
        _ target: UnsafeMutablePointer<UInt8>, _ count: Int, negated: Bool,
        _ validity: UnsafePointer<UInt8>?
    ) {
        if leftIsConstant, !rightIsConstant {
            return equal(right, false, left, true, target, count, negated: negated, validity)
        }
        guard let leftArena = left.arena, let rightArena = right.arena else {
            preconditionFailure("strings have an arena")
        }
        let a = UnsafePointer(leftArena.base)
        let b = UnsafePointer(rightArena.base)
        let lefts = left.views
        let rights = right.views
        let yes: UInt8 = negated ? 0 : 1
        var row = 0
        if rightIsConstant {
            let length = ByteView.length(rights[0])
            let constant = b + ByteView.start(rights[0])
            if length <= 8, !leftIsConstant {
                // Arenas may be read 64 bytes past their end, so one word holds the whole string.
                let mask: UInt64 = length == 8 ? .max : (1 &<< (UInt64(length) &* 8)) &- 1
                let word = UnsafeRawPointer(constant).loadUnaligned(as: UInt64.self) & mask
                while row < count {
                    let view = visible(lefts[row], row, validity)
                    let there = UnsafeRawPointer(a + ByteView.start(view))
                        .loadUnaligned(as: UInt64.self)
                    let same = (there & mask) == word && ByteView.length(view) == length
                    target[row] = same ? yes : yes ^ 1
                    row &+= 1
                }
                return
            }
            while row < count {
                let view = visible(lefts[leftIsConstant ? 0 : row], row, validity)
                let same =
                    ByteView.length(view) == length
                    && memcmp(a + ByteView.start(view), constant, length) == 0
                target[row] = same ? yes : yes ^ 1
                row &+= 1
            }
            return
        }
        while row < count {
            let mine = visible(lefts[row], row, validity)
            let other = visible(rights[row], row, validity)
            let length = ByteView.length(mine)
            let same =
                length == ByteView.length(other)
                && memcmp(a + ByteView.start(mine), b + ByteView.start(other), length) == 0
            target[row] = same ? yes : yes ^ 1
            row &+= 1
        }
    }
}

/// The order of two values of one type, whatever it is.
enum RowComparison {
    /// Negative, zero or positive, as `left` is before, equal to or after `right`; nulls are equal to
    /// each other and after every value.
    static func compare(_ left: Column, _ i: Int, _ right: Column, _ j: Int) -> Int {
        let leftIsValid = left.isValid(i)
        guard leftIsValid, right.isValid(j) else {
            return leftIsValid == right.isValid(j) ? 0 : (leftIsValid ? -1 : 1)
        }
        switch left.type {
        case .bool: return Int(left.bools[i]) - Int(right.bools[j])
        case .int64, .timestamp, .date: return order(left.int64s[i], right.int64s[j])
        case .float64: return order(left.float64s[i], right.float64s[j])
        case .decimal: return order(left.decimals[i], right.decimals[j])
        case .interval: return order(span(left.intervals[i]), span(right.intervals[j]))
        case .string, .bytes: return order(left.bytes(i), right.bytes(j))
        case .list:
            let mine = left.views[i]
            let other = right.views[j]
            let shared = min(ByteView.length(mine), ByteView.length(other))
            for index in 0..<shared {
                let order = compare(
                    left.children[0], ByteView.start(mine) + index, right.children[0],
                    ByteView.start(other) + index)
                if order != 0 { return order }
            }
            return ByteView.length(mine) - ByteView.length(other)
        case .structure:
            for (mine, other) in zip(left.children, right.children) {
                let order = compare(mine, i, other, j)
                if order != 0 { return order }
            }
            return 0
        }
    }

    @inline(__always)
    private static func order<Value: Comparable>(_ left: Value, _ right: Value) -> Int {
        left < right ? -1 : (left == right ? 0 : 1)
    }

    static func order(_ left: Double, _ right: Double) -> Int {
        if left.isNaN || right.isNaN { return (left.isNaN ? 1 : 0) - (right.isNaN ? 1 : 0) }
        return left < right ? -1 : (left == right ? 0 : 1)
    }

    static func order(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>)
        -> Int
    {
        let shared = min(left.count, right.count)
        if shared > 0, let a = left.baseAddress, let b = right.baseAddress {
            let order = memcmp(a, b, shared)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    /// An interval in microseconds, a month being 30 days, as DuckDB compares them.
    static func span(_ interval: Interval) -> Int128 {
        (Int128(interval.months) * 30 + Int128(interval.days)) * 86_400_000_000
            + Int128(interval.micros)
    }
}
