import StreamRuntime

/// Arithmetic with dates, timestamps and intervals.
enum TimeArithmetic {
    /// The node for these operands, or nil when none of them is a time.
    static func bind(
        _ operation: ArithmeticNode.Operation, _ left: ExpressionNode, _ right: ExpressionNode
    ) throws(ExpressionError) -> ExpressionNode? {
        switch (operation, left.type, right.type) {
        case (.add, .date, .interval), (.add, .timestamp, .interval):
            return shift(left, by: right, sign: 1)
        case (.add, .interval, .date), (.add, .interval, .timestamp):
            return shift(right, by: left, sign: 1)
        case (.subtract, .date, .interval), (.subtract, .timestamp, .interval):
            return shift(left, by: right, sign: -1)
        case (.add, .date, .int64): return days(left, right, sign: 1)
        case (.add, .int64, .date): return days(right, left, sign: 1)
        case (.subtract, .date, .int64): return days(left, right, sign: -1)
        case (.subtract, .date, .date):
            return ArithmeticNode(
                .subtract, type: .int64, DaysNode(left), DaysNode(right))
        case (.subtract, .timestamp, .timestamp), (.subtract, .timestamp, .date),
            (.subtract, .date, .timestamp):
            return difference(
                CastKernels.node(left, as: .timestamp), CastKernels.node(right, as: .timestamp))
        case (.add, .interval, .interval): return sum(left, right, sign: 1)
        case (.subtract, .interval, .interval): return sum(left, right, sign: -1)
        case (.multiply, .interval, .int64): return scaled(left, right)
        case (.multiply, .int64, .interval): return scaled(right, left)
        default: return nil
        }
    }

    /// `micros` moved by months, then days and the rest, the day cut to the month's length; nil on
    /// overflow.
    @inline(__always)
    static func shifted(_ micros: Int64, _ interval: Interval, sign: Int64) -> Int64? {
        var base = micros
        if interval.months != 0 {
            let day = CivilDate.day(ofMicros: micros)
            let moved = shiftedMonths(day, sign &* Int64(interval.months))
            let (start, overflow) = moved.multipliedReportingOverflow(by: CivilDate.microsPerDay)
            guard !overflow else { return nil }
            let clock = micros &- day &* CivilDate.microsPerDay
            let (sum, tooLarge) = start.addingReportingOverflow(clock)
            guard !tooLarge else { return nil }
            base = sum
        }
        let days = sign &* Int64(interval.days) &* CivilDate.microsPerDay
        let (withDays, overflow) = base.addingReportingOverflow(days)
        let (rest, tooSmall) = interval.micros.multipliedReportingOverflow(by: sign)
        let (result, tooLarge) = withDays.addingReportingOverflow(rest)
        return overflow || tooLarge || tooSmall ? nil : result
    }

    static func shiftedMonths(_ day: Int64, _ months: Int64) -> Int64 {
        var date = CivilDate(days: day)
        let total = date.year * 12 + date.month - 1 + months
        date.year = total >= 0 ? total / 12 : (total - 11) / 12
        date.month = total - date.year * 12 + 1
        date.day = min(date.day, CivilDate.length(ofMonth: date.month, year: date.year))
        return date.days
    }

    private static func shift(
        _ time: ExpressionNode, by interval: ExpressionNode, sign: Int64
    ) -> ExpressionNode {
        let timestamps = CastKernels.node(time, as: .timestamp)
        return KernelNode(type: .timestamp, [timestamps, interval]) { call in
            let (result, live) = call.result()
            let times = call.arguments[0].int64s
            let intervals = call.arguments[1].intervals
            let target = result.int64s
            var row = 0
            while row < call.count {
                if live[row] != 0 {
                    if let moved = shifted(times[row], intervals[row], sign: sign) {
                        target[row] = moved
                    } else {
                        call.fail(
                            row, live, "the timestamp is out of range after adding an interval")
                    }
                }
                row &+= 1
            }
            return result
        }
    }

    private static func days(
        _ date: ExpressionNode, _ days: ExpressionNode, sign: Int64
    ) -> ExpressionNode {
        KernelNode(type: .date, [date, days]) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let (moved, overflow) = call.arguments[0].int64s[row]
                    .addingReportingOverflow(sign &* call.arguments[1].int64s[row])
                result.int64s[row] = moved
                if overflow || moved.magnitude > 1 << 40 {
                    call.fail(row, live, "the date is out of range after adding days")
                }
            }
            return result
        }
    }

    private static func difference(
        _ left: ExpressionNode, _ right: ExpressionNode
    ) -> ExpressionNode {
        KernelNode(type: .interval, [left, right]) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let (micros, overflow) = call.arguments[0].int64s[row]
                    .subtractingReportingOverflow(call.arguments[1].int64s[row])
                guard !overflow else {
                    call.fail(row, live, "overflow in timestamp - timestamp")
                    continue
                }
                result.intervals[row] = Interval(
                    days: Int32(truncatingIfNeeded: micros / CivilDate.microsPerDay),
                    micros: micros % CivilDate.microsPerDay)
            }
            return result
        }
    }

    private static func sum(
        _ left: ExpressionNode, _ right: ExpressionNode, sign: Int32
    ) -> ExpressionNode {
        KernelNode(type: .interval, [left, right]) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                if let other = times(call.arguments[1].intervals[row], Int64(sign)),
                    let sum = IntervalText.adding(call.arguments[0].intervals[row], other)
                {
                    result.intervals[row] = sum
                } else {
                    call.fail(row, live, "overflow in adding intervals")
                }
            }
            return result
        }
    }

    private static func scaled(
        _ interval: ExpressionNode, _ factor: ExpressionNode
    ) -> ExpressionNode {
        KernelNode(type: .interval, [interval, factor]) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let factor = call.arguments[1].int64s[row]
                if let product = times(call.arguments[0].intervals[row], factor) {
                    result.intervals[row] = product
                } else {
                    call.fail(row, live, "overflow in interval * \(factor)")
                }
            }
            return result
        }
    }

    static func times(_ interval: Interval, _ factor: Int64) -> Interval? {
        let months = Int64(interval.months).multipliedReportingOverflow(by: factor)
        let days = Int64(interval.days).multipliedReportingOverflow(by: factor)
        let micros = interval.micros.multipliedReportingOverflow(by: factor)
        guard !months.overflow, !days.overflow, !micros.overflow,
            let wholeMonths = Int32(exactly: months.partialValue),
            let wholeDays = Int32(exactly: days.partialValue)
        else { return nil }
        return Interval(months: wholeMonths, days: wholeDays, micros: micros.partialValue)
    }
}

/// A date as the number of days since 1970-01-01.
final class DaysNode: ExpressionNode {
    init(_ date: ExpressionNode) { super.init(type: .int64, children: [date]) }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let date = children[0].evaluate(evaluation)
        let result = Column(.int64, capacity: evaluation.count)
        result.int64s.update(from: date.int64s, count: evaluation.count)
        Validity.merge([date], into: result, count: evaluation.count)
        result.setCount(evaluation.count)
        return result
    }
}
