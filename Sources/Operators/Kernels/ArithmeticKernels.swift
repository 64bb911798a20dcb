import Glibc
import StreamRuntime

/// The four operations, `//` and `%`, on columns of one type.
final class ArithmeticNode: ExpressionNode {
    enum Operation: String {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case quotient = "//"
        case remainder = "%"
    }
    private let operation: Operation

    /// - Precondition: both operands have the type of the result, save that the scales of a decimal
    ///   product's factors add up to the result's.
    init(
        _ operation: Operation, type: ColumnType, _ left: ExpressionNode, _ right: ExpressionNode
    ) {
        self.operation = operation
        let divides = operation == .divide || operation == .quotient || operation == .remainder
        super.init(type: type, children: [left, right], canFail: type != .float64 || divides)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let (left, leftIsConstant) = children[0].operand(evaluation)
        let (right, rightIsConstant) = children[1].operand(evaluation)
        let count = evaluation.count
        let result = Column(type, capacity: count)
        if !leftIsConstant { Validity.merge([left], into: result, count: count) }
        if !rightIsConstant { Validity.merge([right], into: result, count: count) }
        result.setCount(count)
        switch type {
        case .int64:
            let a = Operand(left.int64s, leftIsConstant)
            let b = Operand(right.int64s, rightIsConstant)
            if ArithmeticKernels.int64(operation, a, b, result.int64s, count) {
                ArithmeticKernels.recheck(operation, a, b, result, evaluation)
            }
        case .float64:
            let a = Operand(left.float64s, leftIsConstant)
            let b = Operand(right.float64s, rightIsConstant)
            if ArithmeticKernels.float64(operation, a, b, result.float64s, count) {
                ArithmeticKernels.recheck(operation, a, b, result, evaluation)
            }
        case .decimal(let precision, _):
            let a = Operand(left.decimals, leftIsConstant)
            let b = Operand(right.decimals, rightIsConstant)
            let limit = precision == 38 ? Decimals.limit : Int128.max
            if ArithmeticKernels.decimal(operation, a, b, result.decimals, count, limit) {
                ArithmeticKernels.recheck(operation, a, b, result, evaluation)
            }
        default: preconditionFailure("arithmetic is on numbers")
        }
        return result
    }
}

/// A column's values, or one value for every row.
struct Operand<Value> {
    let values: UnsafeMutablePointer<Value>
    let isConstant: Bool

    @inline(__always)
    init(_ values: UnsafeMutablePointer<Value>, _ isConstant: Bool) {
        self.values = values
        self.isConstant = isConstant
    }

    @inline(__always)
    subscript(row: Int) -> Value { values[isConstant ? 0 : row] }
}

/// Writes `operation` of each pair of values to `target`, with loops of their own for constants.
@inline(__always)
func forEachPair<A, B, Value>(
    _ left: Operand<A>, _ right: Operand<B>, _ target: UnsafeMutablePointer<Value>, _ count: Int,
    _ operation: (A, B) -> Value
) {
    var row = 0
    if right.isConstant {
        let constant = right.values[0]
        let values = left.values
        while row < count {
            target[row] = operation(values[left.isConstant ? 0 : row], constant)
            row &+= 1
        }
    } else if left.isConstant {
        let constant = left.values[0]
        let values = right.values
        while row < count {
            target[row] = operation(constant, values[row])
            row &+= 1
        }
    } else {
        let lefts = left.values
        let rights = right.values
        while row < count {
            target[row] = operation(lefts[row], rights[row])
            row &+= 1
        }
    }
}

enum ArithmeticKernels {
    typealias Operation = ArithmeticNode.Operation

    /// - Returns: whether some row, null ones included, overflowed or divided by zero.
    static func int64(
        _ operation: Operation, _ a: Operand<Int64>, _ b: Operand<Int64>,
        _ target: UnsafeMutablePointer<Int64>, _ count: Int
    ) -> Bool {
        var seen: Int64 = 0
        var failed = false
        switch operation {
        case .add:
            forEachPair(a, b, target, count) { left, right in
                let sum = left &+ right
                seen |= (left ^ sum) & (right ^ sum)
                return sum
            }
        case .subtract:
            forEachPair(a, b, target, count) { left, right in
                let difference = left &- right
                seen |= (left ^ right) & (left ^ difference)
                return difference
            }
        case .multiply:
            forEachPair(a, b, target, count) { left, right in
                let (product, overflow) = left.multipliedReportingOverflow(by: right)
                failed = failed || overflow
                return product
            }
        case .quotient, .divide:
            forEachPair(a, b, target, count) { left, right in
                let (quotient, overflow) = left.dividedReportingOverflow(by: right)
                failed = failed || overflow
                return quotient
            }
        case .remainder:
            forEachPair(a, b, target, count) { left, right in
                if right == -1 { return 0 }
                let (remainder, overflow) = left.remainderReportingOverflow(dividingBy: right)
                failed = failed || overflow
                return remainder
            }
        }
        return failed || seen < 0
    }

    static func float64(
        _ operation: Operation, _ a: Operand<Double>, _ b: Operand<Double>,
        _ target: UnsafeMutablePointer<Double>, _ count: Int
    ) -> Bool {
        var failed = false
        switch operation {
        case .add: forEachPair(a, b, target, count) { $0 + $1 }
        case .subtract: forEachPair(a, b, target, count) { $0 - $1 }
        case .multiply: forEachPair(a, b, target, count) { $0 * $1 }
        case .divide:
            forEachPair(a, b, target, count) { left, right in
                failed = failed || right == 0
                return left / right
            }
        case .quotient:
            forEachPair(a, b, target, count) { left, right in
                failed = failed || right == 0
                return left / right
            }
        case .remainder:
            forEachPair(a, b, target, count) { left, right in
                failed = failed || right == 0
                return fmod(left, right)
            }
        }
        return failed
    }

    static func decimal(
        _ operation: Operation, _ a: Operand<Int128>, _ b: Operand<Int128>,
        _ target: UnsafeMutablePointer<Int128>, _ count: Int, _ limit: Int128
    ) -> Bool {
        var failed = false
        forEachPair(a, b, target, count) { left, right in
            let (value, overflow) = decimalValue(operation, left, right)
            failed = failed || overflow || value >= limit || value <= -limit
            return value
        }
        return failed
    }

    @inline(__always)
    private static func decimalValue(
        _ operation: Operation, _ left: Int128, _ right: Int128
    ) -> (Int128, Bool) {
        switch operation {
        case .add: left.addingReportingOverflow(right)
        case .subtract: left.subtractingReportingOverflow(right)
        case .multiply: left.multipliedReportingOverflow(by: right)
        case .remainder: left.remainderReportingOverflow(dividingBy: right)
        case .quotient, .divide: left.dividedReportingOverflow(by: right)
        }
    }

    // MARK: the slow pass that says which rows failed

    static func recheck(
        _ operation: Operation, _ a: Operand<Int64>, _ b: Operand<Int64>, _ result: Column,
        _ evaluation: Evaluation
    ) {
        recheck(operation, result, evaluation) { row in
            let left = a[row]
            let right = b[row]
            let overflows =
                switch operation {
                case .add: left.addingReportingOverflow(right).overflow
                case .subtract: left.subtractingReportingOverflow(right).overflow
                case .multiply: left.multipliedReportingOverflow(by: right).overflow
                default: right == 0 || (right == -1 && left == .min && operation != .remainder)
                }
            return overflows ? ("\(left)", "\(right)", right == 0) : nil
        }
    }

    static func recheck(
        _ operation: Operation, _ a: Operand<Double>, _ b: Operand<Double>, _ result: Column,
        _ evaluation: Evaluation
    ) {
        recheck(operation, result, evaluation) { row in
            b[row] == 0 ? (ValueText.of(a[row]), ValueText.of(b[row]), true) : nil
        }
    }

    static func recheck(
        _ operation: Operation, _ a: Operand<Int128>, _ b: Operand<Int128>, _ result: Column,
        _ evaluation: Evaluation
    ) {
        guard case .decimal(let precision, _) = result.type else { return }
        let limit = precision == 38 ? Decimals.limit : Int128.max
        recheck(operation, result, evaluation) { row in
            let (value, overflow) = decimalValue(operation, a[row], b[row])
            guard overflow || value >= limit || value <= -limit else { return nil }
            return ("a \(result.type)", "its operand", b[row] == 0 && operation != .multiply)
        }
    }

    /// Fails the rows that matter, have a value and for which `check` names the operands.
    private static func recheck(
        _ operation: Operation, _ result: Column, _ evaluation: Evaluation,
        _ check: (Int) -> (left: String, right: String, byZero: Bool)?
    ) {
        let validity = result.ensureValidity()
        for row in 0..<evaluation.count where validity[row] != 0 {
            guard let (left, right, byZero) = check(row) else { continue }
            validity[row] = 0
            guard evaluation.isActive(row) else { continue }
            let divides = operation != .add && operation != .subtract && operation != .multiply
            evaluation.failures.add(
                row,
                divides && byZero
                    ? "division by zero" : "overflow in \(left) \(operation.rawValue) \(right)")
        }
    }
}

/// Powers of ten and the bounds of decimals.
enum Decimals {
    static let powers: [Int128] = {
        var powers: [Int128] = [1]
        for _ in 0..<38 { powers.append(powers[powers.count - 1] * 10) }
        return powers
    }()
    /// One more than the largest decimal of 38 digits.
    static let limit = powers[38]

    /// How many digits the number has.
    static func digits(_ value: Int128) -> Int {
        var digits = 1
        while digits < 38, value.magnitude >= powers[digits].magnitude { digits += 1 }
        return digits
    }

    /// `value / 10^digits`, rounded half away from zero.
    @inline(__always)
    static func rounded(_ value: Int128, droppingDigits power: Int128) -> Int128 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: power)
        guard remainder.magnitude >= power.magnitude - remainder.magnitude else { return quotient }
        return value < 0 ? quotient - 1 : quotient + 1
    }

    static func double(_ value: Int128, scale: Int) -> Double {
        // Both parts are exact doubles, so the quotient is the nearest one.
        if value.magnitude < 1 << 53, scale <= 22 {
            return Double(Int64(truncatingIfNeeded: value)) / powersDouble[scale]
        }
        var text: [UInt8] = []
        ValueText.append(value, scale: scale, to: &text)
        return Double(String(decoding: text, as: UTF8.self)) ?? .nan
    }

    private static let powersDouble = powers.map { Double($0) }
}
