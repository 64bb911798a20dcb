import StreamRuntime

// Functions of intervals as lengths, and more ways to make times.
extension TimeFunctions {
    /// An interval in microseconds, a month of 30 days.
    private static func micros(_ interval: Interval) -> Int128 {
        let days = Int128(interval.months) * 30 + Int128(interval.days)
        return days * Int128(CivilDate.microsPerDay) + Int128(interval.micros)
    }

    /// An interval as a whole number of units of so many microseconds, cut.
    static func length(unit: Int64, times: Int64 = 1) -> Overload {
        Overload([.interval], canFail: true, .int64) { call in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let made = micros(call.arguments[0].intervals[row]) / Int128(unit) * Int128(times)
                if let made = Int64(exactly: made) {
                    result.int64s[row] = made
                } else {
                    call.fail(row, live, "the interval is too long")
                }
            }
            return result
        }
    }

    /// An interval in seconds: years have 365 days and a quarter, other months 30 days.
    static func seconds(_ interval: Interval) -> Double {
        let years = Double(interval.months / 12)
        let days = years * 365.25 + Double(interval.months % 12 * 30) + Double(interval.days)
        return days * 86_400 + Double(interval.micros) / 1_000_000
    }

    private static func larger(_ name: String, _ months: Int32, _ result: String)
        -> ScalarFunction
    {
        ScalarFunction(
            name, "\(name)(n)", "An interval of n \(name.dropFirst(3)).", "\(name)(3)", result,
            [
                Overload([.int64], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let number = call.arguments[0].int64s[row]
                        if let made = TimeArithmetic.times(Interval(months: months), number) {
                            result.intervals[row] = made
                        } else {
                            call.fail(row, live, "overflow in \(name)(\(number))")
                        }
                    }
                    return result
                }
            ])
    }

    static let more: [ScalarFunction] = [
        larger("to_quarters", 3, "9 months"), larger("to_decades", 120, "30 years"),
        larger("to_centuries", 1200, "300 years"), larger("to_millennia", 12_000, "3000 years"),
        ScalarFunction(
            "days_in_month", "days_in_month(t)", "How many days the month has.",
            "days_in_month(date '2024-02-05')", "29",
            [
                Overload([.timestamp], .int64) { call in
                    call.mapInteger { micros in
                        let date = CivilDate(days: CivilDate.day(ofMicros: micros))
                        return Int64(CivilDate.length(ofMonth: date.month, year: date.year))
                    }
                }
            ]),
        ScalarFunction(
            "nanosecond", "nanosecond(t)", "The seconds in nanoseconds.",
            "nanosecond(timestamp '2024-01-01 00:00:01.5')", "1500000000",
            [
                Overload([.timestamp], .int64) { call in
                    call.mapInteger { DatePart.microsecond.value(of: $0) * 1000 }
                }
            ]),
        ScalarFunction(
            "normalized_interval", "normalized_interval(interval)",
            "The interval with 24 hours as a day and 30 days as a month.",
            "normalized_interval(interval '40 days 30 hours')", "1 month 11 days 06:00:00",
            [
                Overload([.interval], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let value = call.arguments[0].intervals[row]
                        let day = CivilDate.day(ofMicros: value.micros)
                        let days = Int64(value.days) + day
                        let more = days / 30 - (days % 30 < 0 ? 1 : 0)
                        let months = Int64(value.months) + more
                        guard let whole = Int32(exactly: months) else {
                            call.fail(row, live, "the interval is too long")
                            continue
                        }
                        result.intervals[row] = Interval(
                            months: whole, days: Int32(days - more * 30),
                            micros: value.micros - day * CivilDate.microsPerDay)
                    }
                    return result
                }
            ]),
        ScalarFunction(
            "make_timestamp_ms", "make_timestamp_ms(n)",
            "The timestamp n milliseconds after 1970-01-01.", "make_timestamp_ms(1500)",
            "1970-01-01 00:00:01.5",
            [
                Overload([.int64], canFail: true, .timestamp) { call in
                    call.tryInteger("no timestamp is at milliseconds") { value in
                        let (micros, overflow) = value.multipliedReportingOverflow(by: 1000)
                        return overflow ? nil : micros
                    }
                }
            ]),
        ScalarFunction(
            "make_timestamp_ns", "make_timestamp_ns(n)",
            "The timestamp n nanoseconds after 1970-01-01, cut to microseconds.",
            "make_timestamp_ns(1500000000)", "1970-01-01 00:00:01.5",
            [
                Overload([.int64], .timestamp) { call in
                    call.mapInteger { $0 / 1000 - ($0 % 1000 < 0 ? 1 : 0) }
                }
            ]),
        ScalarFunction(
            "make_timestamptz", "make_timestamptz(year, month, day, hour, minute, seconds, zone)",
            "The moment at which clocks of the zone, or UTC, show these parts; or of microseconds since 1970.",
            "make_timestamptz(2024, 7, 1, 12, 0, 0, 'Europe/Berlin')", "2024-07-01 10:00:00"
        ) { (arguments, range) throws(ExpressionError) in
            let signature = "make_timestamptz(year, month, day, hour, minute, seconds, zone)"
            let parts = Array(arguments.prefix(6))
            guard let make = FunctionCatalogue.byName["make_timestamp"],
                [1, 6, 7].contains(arguments.count)
            else {
                throw ExpressionError("the parts are missing", at: range, fix: "write \(signature)")
            }
            let local = try make.bind(parts, range)
            guard arguments.count == 7, let zone = FunctionCatalogue.byName["from_local"] else {
                return local
            }
            return try zone.bind([(local, range), arguments[6]], range)
        },
    ]
}
