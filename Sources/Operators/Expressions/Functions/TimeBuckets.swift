import StreamRuntime

/// Equal stretches of time that timestamps fall into.
enum TimeBuckets {
    /// 2000-01-03, a Monday: where buckets of days and shorter ones begin.
    private static let dayOrigin: Int64 = 10_959 * CivilDate.microsPerDay
    /// 2000-01-01: where buckets of months begin.
    private static let monthOrigin: Int64 = 10_957 * CivilDate.microsPerDay

    static let function = ScalarFunction(
        "time_bucket", "time_bucket(width, t, origin)",
        "The start of the bucket of that width that t lies in; buckets are aligned to an origin, or moved by an interval.",
        "time_bucket(interval 15 minutes, timestamp '2024-01-01 10:20')", "2024-01-01 10:15:00"
    ) { (arguments, range) throws(ExpressionError) in
        try ConditionFunctions.require(
            arguments, range, 2...3, "time_bucket(width, t, origin)")
        // A day whose buckets begin at a time of day is a timestamp.
        let isDate =
            arguments[1].node.type == .date
            && (arguments.count < 3 || arguments[2].node.type != .timestamp)
        var nodes = [
            try Coercion.implicit(arguments[0].node, as: .interval, at: arguments[0].range),
            try Coercion.implicit(arguments[1].node, as: .timestamp, at: arguments[1].range),
        ]
        var isOffset = false
        if arguments.count == 3 {
            isOffset = arguments[2].node.type == .interval
            nodes.append(
                try Coercion.implicit(
                    arguments[2].node, as: isOffset ? .interval : .timestamp,
                    at: arguments[2].range))
        }
        let moves = isOffset
        let node = KernelNode(type: .timestamp, nodes) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let width = call.arguments[0].intervals[row]
                let time = call.arguments[1].int64s[row]
                var start: Int64?
                if call.arguments.count == 3, moves {
                    let offset = call.arguments[2].intervals[row]
                    start = TimeArithmetic.shifted(time, offset, sign: -1)
                        .flatMap { bucket($0, width, origin: nil) }
                        .flatMap { TimeArithmetic.shifted($0, offset, sign: 1) }
                } else {
                    let origin = call.arguments.count == 3 ? call.arguments[2].int64s[row] : nil
                    start = bucket(time, width, origin: origin)
                }
                if let start {
                    result.int64s[row] = start
                } else {
                    call.fail(
                        row, live, "a bucket is of months, or of days and less, and above zero")
                }
            }
            return result
        }.folded
        return isDate ? CastKernels.node(node, as: .date) : node
    }

    static func bucket(_ time: Int64, _ width: Interval, origin: Int64?) -> Int64? {
        if width.months != 0 {
            guard width.months > 0, width.days == 0, width.micros == 0 else { return nil }
            let from = CivilDate(days: CivilDate.day(ofMicros: origin ?? monthOrigin))
            let date = CivilDate(days: CivilDate.day(ofMicros: time))
            let first = from.year * 12 + from.month - 1
            let difference = date.year * 12 + date.month - 1 - first
            let months = Int64(width.months)
            let index = difference / months - (difference % months < 0 ? 1 : 0)
            let start = first + index * months
            let year = start / 12 - (start % 12 < 0 ? 1 : 0)
            return CivilDate(year: year, month: start - year * 12 + 1, day: 1).days
                * CivilDate.microsPerDay
        }
        let (days, overflow) = Int64(width.days)
            .multipliedReportingOverflow(by: CivilDate.microsPerDay)
        let (size, tooLarge) = days.addingReportingOverflow(width.micros)
        guard !overflow, !tooLarge, size > 0 else { return nil }
        let base = (origin ?? dayOrigin) % size
        let (difference, tooFar) = time.subtractingReportingOverflow(base)
        guard !tooFar else { return nil }
        let rest = difference % size
        return time - (rest < 0 ? rest + size : rest)
    }

    /// The difference in years and months, days, and microseconds, counted as PostgreSQL does.
    static func age(_ later: Int64, _ earlier: Int64) -> Interval? {
        if later < earlier { return age(earlier, later).flatMap { TimeArithmetic.times($0, -1) } }
        let fromDay = CivilDate.day(ofMicros: earlier)
        let toDay = CivilDate.day(ofMicros: later)
        let from = CivilDate(days: fromDay)
        let to = CivilDate(days: toDay)
        var months = (to.year - from.year) * 12 + to.month - from.month
        var days = to.day - from.day
        var micros =
            (later - toDay * CivilDate.microsPerDay) - (earlier - fromDay * CivilDate.microsPerDay)
        if micros < 0 {
            micros += CivilDate.microsPerDay
            days -= 1
        }
        if days < 0 {
            days += CivilDate.length(ofMonth: from.month, year: from.year)
            months -= 1
        }
        guard let wholeMonths = Int32(exactly: months) else { return nil }
        return Interval(months: wholeMonths, days: Int32(days), micros: micros)
    }
}
