import StreamRuntime

/// What features are often made with.
enum FeatureFunctions {
    static let numbers: [ScalarFunction] = [
        ScalarFunction(
            "safe_divide", "safe_divide(x, y)",
            "x / y as a double; null where y is 0.", "safe_divide(1, 4)", "0.25",
            [
                Overload([.float64, .float64], .float64) { call in
                    let (result, live) = call.result()
                    let left = call.arguments[0].float64s
                    let right = call.arguments[1].float64s
                    var row = 0
                    while row < call.count {
                        if live[row] != 0 {
                            if right[row] == 0 {
                                live[row] = 0
                            } else {
                                result.float64s[row] = left[row] / right[row]
                            }
                        }
                        row &+= 1
                    }
                    return result
                }
            ]),
        ScalarFunction(
            "distinct_error", "distinct_error(n)",
            "The standard error of a result n of approx_count_distinct: 0 up to 128, above that 1.625 % of it.",
            "distinct_error(1000)", "16.25",
            [
                Overload([.int64], .float64) { call in
                    let (result, live) = call.result()
                    let counts = call.arguments[0].int64s
                    var row = 0
                    while row < call.count {
                        if live[row] != 0, counts[row] > SketchAccumulator.exactLimit {
                            result.float64s[row] =
                                Double(counts[row]) * SketchAccumulator.relativeError
                        }
                        row &+= 1
                    }
                    return result
                }
            ]),
    ]

    private static let hourMicros: Int64 = 3_600_000_000

    static let times: [ScalarFunction] = [
        ScalarFunction(
            "hour_of_week", "hour_of_week(t)",
            "The hour of the week, 0 from Monday 00:00 to 167.",
            "hour_of_week(timestamp '2024-02-29 13:45:30')", "85",
            [
                Overload([.timestamp], .int64) { call in
                    call.mapInteger { time in
                        // 1970-01-01 was a Thursday, the fourth day of its week.
                        let hour = TimeMath.bucket(time, hourMicros) &+ 72
                        let rest = hour % 168
                        return rest < 0 ? rest &+ 168 : rest
                    }
                }
            ])
    ]
}
