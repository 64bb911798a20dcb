import StreamRuntime

/// Functions of dates, timestamps and intervals, all in UTC.
enum TimeFunctions {
    static let all: [ScalarFunction] =
        parts + truncating + texts + making + intervals + more

    typealias Argument = ScalarFunction.Argument

    private static func part(_ argument: Argument) throws(ExpressionError) -> DatePart {
        guard let constant = argument.node as? ConstantNode, constant.type == .string,
            !constant.isNull
        else {
            throw ExpressionError(
                "the part must be a constant text, like 'year'", at: argument.range)
        }
        let name = constant.value.string(0)
        guard let part = DatePart(name: name) else {
            throw Names.unknown("part", name, among: DatePart.names, at: argument.range)
        }
        return part
    }

    private static func unit(_ argument: Argument) throws(ExpressionError) -> DatePart {
        let part = try part(argument)
        guard part.isUnit else {
            throw ExpressionError("\(part.rawValue) is not a unit of time", at: argument.range)
        }
        return part
    }

    static func timestamp(_ argument: Argument) throws(ExpressionError) -> ExpressionNode {
        try Coercion.implicit(argument.node, as: .timestamp, at: argument.range)
    }

    private static func extraction(
        _ part: DatePart, _ argument: Argument
    ) throws(ExpressionError) -> ExpressionNode {
        if argument.node.type == .interval, part == .epoch {
            return KernelNode(type: .float64, [argument.node], canFail: false) { call in
                let values = call.arguments[0].intervals
                return call.mapRowsToDouble { seconds(values[$0]) }
            }.folded
        }
        if argument.node.type == .interval {
            guard part.value(of: Interval()) != nil else {
                throw ExpressionError("an interval has no \(part.rawValue)", at: argument.range)
            }
            return KernelNode(type: .int64, [argument.node], canFail: false) { call in
                let values = call.arguments[0].intervals
                return call.mapRowsToInteger { part.value(of: values[$0]) ?? 0 }
            }.folded
        }
        let node = try timestamp(argument)
        if part.isFractional {
            return KernelNode(type: .float64, [node], canFail: false) { call in
                let values = call.arguments[0].int64s
                return call.mapRowsToDouble { part.fraction(of: values[$0]) }
            }.folded
        }
        return KernelNode(type: .int64, [node], canFail: false) { call in
            let values = call.arguments[0].int64s
            return call.mapRowsToInteger { part.value(of: values[$0]) }
        }.folded
    }

    /// A part under its own name: `year(t)`.
    private static func named(
        _ names: String, _ part: DatePart, _ meaning: String, _ result: String
    ) -> ScalarFunction {
        let name = String(names.prefix { $0 != " " })
        return ScalarFunction(
            names, "\(name)(t)", meaning, "\(name)(timestamp '2024-02-29 13:45:30.25')", result
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "\(name)(t)")
            return try extraction(part, arguments[0])
        }
    }

    private static let parts: [ScalarFunction] = [
        ScalarFunction(
            "date_part datepart", "date_part(part, t)",
            "A part of a date, timestamp or interval. Also extract(part from t).",
            "date_part('year', date '2024-02-29')", "2024"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "date_part(part, t)")
            return try extraction(try part(arguments[0]), arguments[1])
        },
        named("year", .year, "The year.", "2024"),
        named("quarter", .quarter, "The quarter, 1 to 4.", "1"),
        named("month", .month, "The month, 1 to 12.", "2"),
        named("week weekofyear", .week, "The ISO week, 1 to 53.", "9"),
        named("day dayofmonth", .day, "The day of the month.", "29"),
        named("hour", .hour, "The hour, 0 to 23.", "13"),
        named("minute", .minute, "The minute, 0 to 59.", "45"),
        named("second", .second, "The second, 0 to 59.", "30"),
        named("millisecond", .millisecond, "The seconds in milliseconds.", "30250"),
        named("microsecond", .microsecond, "The seconds in microseconds.", "30250000"),
        named("dayofweek weekday", .dayofweek, "The weekday, 0 for Sunday to 6.", "4"),
        named("isodow", .isodow, "The weekday, 1 for Monday to 7.", "4"),
        named("dayofyear", .dayofyear, "The day of the year.", "60"),
        named("isoyear", .isoyear, "The year the ISO week belongs to.", "2024"),
        named("yearweek", .yearweek, "ISO year and week as one number.", "202409"),
        named("decade", .decade, "The year in tens.", "202"),
        named("century", .century, "The century.", "21"),
        named("millennium", .millennium, "The millennium.", "3"),
        named("era", .era, "1, or 0 before the year 1.", "1"),
        named("epoch", .epoch, "Seconds since 1970-01-01.", "1709214330.25"),
        named("julian", .julian, "The Julian day.", "2460370.5732667823"),
        epochs("epoch_us", "Microseconds", "1709214330250000", 1),
        ScalarFunction(
            "epoch_ms", "epoch_ms(x)",
            "Milliseconds since 1970, or the timestamp so many after it.",
            "epoch_ms(timestamp '2024-01-01 00:00:01.5')", "1704067201500",
            [
                Overload([.timestamp], .int64) { $0.mapInteger { floored($0, 1000) } },
                Overload([.int64], canFail: true, .timestamp) { call in
                    call.tryInteger("no timestamp is at milliseconds") { value in
                        let (micros, overflow) = value.multipliedReportingOverflow(by: 1000)
                        return overflow ? nil : micros
                    }
                },
                length(unit: 1000),
            ]),
        ScalarFunction(
            "epoch_ns", "epoch_ns(t)", "Nanoseconds since 1970-01-01.",
            "epoch_ns(timestamp '1970-01-01 00:00:01')", "1000000000",
            [
                Overload([.timestamp], canFail: true, .int64) { call in
                    call.tryInteger("overflow in epoch_ns of") { value in
                        let (nanos, overflow) = value.multipliedReportingOverflow(by: 1000)
                        return overflow ? nil : nanos
                    }
                },
                length(unit: 1, times: 1000),
            ]),
        ScalarFunction(
            "dayname", "dayname(t)", "The weekday's English name.", "dayname(date '2024-02-29')",
            "Thursday",
            [
                Overload([.timestamp], .string) { call in
                    call.buildText { row, arena in
                        let day = DatePart.dayofweek.value(of: call.arguments[0].int64s[row])
                        arena.add(TimeFormat.weekdays[Int(day)])
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "monthname", "monthname(t)", "The month's English name.",
            "monthname(date '2024-02-29')", "February",
            [
                Overload([.timestamp], .string) { call in
                    call.buildText { row, arena in
                        let month = DatePart.month.value(of: call.arguments[0].int64s[row])
                        arena.add(TimeFormat.months[Int(month) - 1])
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "last_day", "last_day(t)", "The last day of the month.", "last_day(date '2024-02-03')",
            "2024-02-29",
            [
                Overload([.timestamp], .date) { call in
                    call.mapInteger { micros in
                        var date = CivilDate(days: CivilDate.day(ofMicros: micros))
                        date.day = CivilDate.length(ofMonth: date.month, year: date.year)
                        return date.days
                    }
                }
            ]),
    ]

    private static func floored(_ value: Int64, _ unit: Int64) -> Int64 {
        value / unit - (value % unit < 0 ? 1 : 0)
    }

    private static func epochs(
        _ name: String, _ what: String, _ result: String, _ unit: Int64
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(t)", "\(what) since 1970-01-01.",
            "\(name)(timestamp '2024-02-29 13:45:30.25')", result,
            [
                Overload([.timestamp], .int64) { $0.mapInteger { floored($0, unit) } },
                length(unit: unit),
            ])
    }

    /// A function of a unit and two timestamps.
    private static func between(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ body: @escaping (DatePart, Int64, Int64) -> Int64?
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 3...3, signature)
            let unit = try unit(arguments[0])
            let nodes = [try timestamp(arguments[1]), try timestamp(arguments[2])]
            return KernelNode(type: .int64, nodes) { call in
                call.tryInteger2("overflow between") { body(unit, $0, $1) }
            }.folded
        }
    }

    private static let truncating: [ScalarFunction] = [
        ScalarFunction(
            "date_trunc datetrunc", "date_trunc(unit, t)", "The start of the unit that t lies in.",
            "date_trunc('month', date '2024-02-29')", "2024-02-01 00:00:00"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "date_trunc(unit, t)")
            let unit = try unit(arguments[0])
            let node = try timestamp(arguments[1])
            return KernelNode(type: .timestamp, [node], canFail: false) { call in
                call.mapInteger { unit.truncated($0) }
            }.folded
        },
        between(
            "date_diff datediff", "date_diff(unit, from, to)",
            "How many starts of the unit lie between two times.",
            "date_diff('month', date '2024-01-31', date '2024-02-01')", "1"
        ) { $0.boundaries($1, $2) },
        between(
            "date_sub datesub", "date_sub(unit, from, to)",
            "How many whole units lie between two times.",
            "date_sub('month', date '2024-01-31', date '2024-02-01')", "0"
        ) { $0.wholes($1, $2) },
        ScalarFunction(
            "date_add", "date_add(t, interval)",
            "The time moved by an interval. Also t + interval.",
            "date_add(date '2024-01-31', interval 1 month)", "2024-02-29 00:00:00"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "date_add(t, interval)")
            return try Arithmetic.bind(
                "+", arguments[0].node, arguments[1].node, arguments[0].range, arguments[1].range)
        },
        TimeBuckets.function,
        ScalarFunction(
            "age", "age(t, from)",
            "The time from one to the other in years, months, days and hours.",
            "age(timestamp '2024-03-01', timestamp '2023-01-31')", "1 year 1 month 1 day",
            [
                Overload([.timestamp, .timestamp], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let later = call.arguments[0].int64s[row]
                        let earlier = call.arguments[1].int64s[row]
                        if let age = TimeBuckets.age(later, earlier) {
                            result.intervals[row] = age
                        } else {
                            call.fail(row, live, "overflow in age")
                        }
                    }
                    return result
                }
            ]),
        ScalarFunction(
            "now get_current_timestamp transaction_timestamp", "now()",
            "The event time of the row, never the clock's. Also current_timestamp.", "now()",
            "1970-01-01 00:00:00"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 0...0, "now()")
            return KernelNode(type: .timestamp, [], canFail: false, readsRow: true) { call in
                guard let batch = call.evaluation.batch else {
                    preconditionFailure("now() is never folded")
                }
                return batch.order.eventTimes
            }
        },
        ScalarFunction(
            "today current_date", "today()", "The day of the row's event time.", "today()",
            "1970-01-01"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 0...0, "today()")
            return KernelNode(type: .date, [], canFail: false, readsRow: true) { call in
                guard let batch = call.evaluation.batch else {
                    preconditionFailure("today() is never folded")
                }
                return CastKernels.cast(
                    batch.order.eventTimes, to: .date,
                    KernelCall(
                        arguments: [batch.order.eventTimes], count: call.count, type: .date,
                        evaluation: call.evaluation))
            }
        },
    ]
}
