import StreamRuntime

// Functions between times and texts or numbers, and those that make intervals.
extension TimeFunctions {
    private static func format(_ argument: Argument) throws(ExpressionError) -> TimeFormat {
        guard let constant = argument.node as? ConstantNode, constant.type == .string,
            !constant.isNull
        else { throw ExpressionError("the format must be a constant text", at: argument.range) }
        do {
            return try TimeFormat(constant.value.string(0))
        } catch {
            throw ExpressionError(
                "there is no format specifier \"\(error.specifier)\"", at: argument.range,
                fix: "write %% for a percent sign; %Y %m %d %H %M %S are the usual ones")
        }
    }

    /// Times as text that is the same all day: it is written once for rows of the same day behind each other.
    private static func write(_ call: KernelCall, byDay format: TimeFormat) -> Column {
        let (result, live) = call.result(.string)
        let moments = call.arguments[0].int64s
        let views = result.views
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        var from: Int64 = 1
        var to: Int64 = 0
        var view: UInt64 = 0
        var row = 0
        while row < call.count {
            if live[row] != 0 {
                let moment = moments[row]
                if moment < from || moment >= to {
                    let start = arena.count
                    format.write(moment, to: arena)
                    view = ByteView.pack(start: start, length: arena.count &- start)
                    from = CivilDate.day(ofMicros: moment) &* CivilDate.microsPerDay
                    to = from &+ CivilDate.microsPerDay
                }
                views[row] = view
            }
            row &+= 1
        }
        return result
    }

    private static func reading(_ name: String, isTry: Bool) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(text, format)",
            isTry
                ? "The timestamp that a text is in a format, or null."
                : "The timestamp that a text is in a format.",
            isTry ? "try_strptime('soon', '%Y')" : "strptime('05/03/2024 14:07', '%d/%m/%Y %H:%M')",
            isTry ? "NULL" : "2024-03-05 14:07:00"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "\(name)(text, format)")
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            let format = try format(arguments[1])
            return KernelNode(type: .timestamp, [text], canFail: !isTry) { call in
                let (result, live) = call.result()
                for row in 0..<call.count where live[row] != 0 {
                    if let micros = format.read(call.arguments[0].bytes(row)) {
                        result.int64s[row] = micros
                    } else if isTry {
                        live[row] = 0
                    } else {
                        call.fail(
                            row, live,
                            "'\(call.arguments[0].string(row))' does not fit the time format")
                    }
                }
                return result
            }.folded
        }
    }

    static let texts: [ScalarFunction] = [
        ScalarFunction(
            "strftime", "strftime(t, format)", "The time as text in a format of % specifiers.",
            "strftime(timestamp '2024-03-05 14:07:09', '%d %b %Y, %I:%M %p')",
            "05 Mar 2024, 02:07 PM"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "strftime(t, format)")
            let format = try format(arguments[1])
            return KernelNode(type: .string, [try timestamp(arguments[0])], canFail: false) {
                call in
                if format.isByDay { return write(call, byDay: format) }
                return call.buildText { row, arena in
                    format.write(call.arguments[0].int64s[row], to: arena)
                    return nil
                }
            }.folded
        },
        reading("strptime", isTry: false),
        reading("try_strptime", isTry: true),
    ]

    static let making: [ScalarFunction] = [
        ScalarFunction(
            "make_date", "make_date(year, month, day)", "The date of these parts.",
            "make_date(2024, 2, 29)",
            "2024-02-29",
            [
                Overload([.int64], .date) { call in call.mapInteger { $0 } },
                Overload([.int64, .int64, .int64], canFail: true, .date) { call in
                    let (result, live) = call.result()
                    let years = call.arguments[0].int64s
                    let months = call.arguments[1].int64s
                    let days = call.arguments[2].int64s
                    for row in 0..<call.count where live[row] != 0 {
                        let parts = (years[row], months[row], days[row])
                        if let day = day(parts.0, parts.1, parts.2) {
                            result.int64s[row] = day
                        } else {
                            call.fail(row, live, "\(parts.0)-\(parts.1)-\(parts.2) is no date")
                        }
                    }
                    return result
                },
            ]),
        ScalarFunction(
            "make_timestamp", "make_timestamp(year, month, day, hour, minute, seconds)",
            "The timestamp of these parts, or of microseconds since 1970.",
            "make_timestamp(2024, 2, 29, 13, 45, 30.25)", "2024-02-29 13:45:30.25",
            [
                Overload([.int64], .timestamp) { $0.mapInteger { $0 } },
                Overload(
                    [.int64, .int64, .int64, .int64, .int64, .float64], canFail: true, .timestamp
                ) { call in
                    let (result, live) = call.result()
                    let parts = call.arguments[0..<5].map { UnsafePointer($0.int64s) }
                    for row in 0..<call.count where live[row] != 0 {
                        let hour = parts[3][row]
                        let minute = parts[4][row]
                        let seconds = call.arguments[5].float64s[row]
                        let micros = (seconds * 1_000_000).rounded()
                        // 24:00:00 is the midnight that ends the day.
                        let isEnd = hour == 24 && minute == 0 && micros == 0
                        guard let day = day(parts[0][row], parts[1][row], parts[2][row]),
                            (0..<24).contains(hour) || isEnd,
                            (0..<60).contains(minute), micros >= 0, seconds < 60
                        else {
                            call.fail(row, live, "these parts make no timestamp")
                            continue
                        }
                        result.int64s[row] =
                            day * CivilDate.microsPerDay + (hour * 60 + minute) * 60_000_000
                            + Int64(micros)
                    }
                    return result
                },
            ]),
        ScalarFunction(
            "to_timestamp", "to_timestamp(seconds)",
            "The timestamp so many seconds after 1970-01-01.",
            "to_timestamp(1709214330.25)", "2024-02-29 13:45:30.25",
            [
                Overload([.float64], canFail: true, .timestamp) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let micros = (call.arguments[0].float64s[row] * 1_000_000).rounded()
                        if micros >= -0x1p63, micros < 0x1p63 {
                            result.int64s[row] = Int64(micros)
                        } else {
                            call.fail(row, live, "no timestamp is so many seconds from 1970")
                        }
                    }
                    return result
                }
            ]),
    ]

    @inline(__always)
    private static func day(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
        guard year.magnitude <= 290_000, (1...12).contains(month), day >= 1,
            day <= CivilDate.length(ofMonth: month, year: year)
        else { return nil }
        return CivilDate(year: year, month: month, day: day).days
    }

    /// An interval of a whole number of units.
    private static func interval(
        _ name: String, _ unit: Interval, _ result: String
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(n)", "An interval of n \(name.dropFirst(3)).", "\(name)(3)", result,
            [
                Overload([.int64], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let number = call.arguments[0].int64s[row]
                        if let interval = TimeArithmetic.times(unit, number) {
                            result.intervals[row] = interval
                        } else {
                            call.fail(row, live, "overflow in \(name)(\(number))")
                        }
                    }
                    return result
                }
            ])
    }

    static let intervals: [ScalarFunction] = [
        interval("to_years", Interval(months: 12), "3 years"),
        interval("to_months", Interval(months: 1), "3 months"),
        interval("to_weeks", Interval(days: 7), "21 days"),
        interval("to_days", Interval(days: 1), "3 days"),
        interval("to_hours", Interval(micros: 3_600_000_000), "03:00:00"),
        interval("to_minutes", Interval(micros: 60_000_000), "00:03:00"),
        ScalarFunction(
            "to_seconds", "to_seconds(x)", "An interval of x seconds.", "to_seconds(1.5)",
            "00:00:01.5",
            [
                Overload([.float64], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let micros = (call.arguments[0].float64s[row] * 1_000_000)
                            .rounded(.toNearestOrEven)
                        if micros.magnitude < 0x1p63 {
                            result.intervals[row] = Interval(micros: Int64(micros))
                        } else {
                            call.fail(row, live, "overflow in to_seconds")
                        }
                    }
                    return result
                }
            ]),
        interval("to_milliseconds", Interval(micros: 1000), "00:00:00.003"),
        interval("to_microseconds", Interval(micros: 1), "00:00:00.000003"),
    ]
}
