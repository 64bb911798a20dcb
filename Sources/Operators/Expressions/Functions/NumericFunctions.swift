import Glibc
import StreamRuntime

/// Functions of numbers.
enum NumericFunctions {
    static let all: [ScalarFunction] = basic + powers + angles + whole

    /// A function of one double.
    private static func double(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, canFail: Bool = false, _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(
            names, signature, meaning, example, result,
            [Overload([.float64], canFail: canFail, .float64, kernel)])
    }

    private static func double2(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(
            names, signature, meaning, example, result,
            [Overload([.float64, .float64], .float64, kernel)])
    }

    private static func test(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(
            names, names + "(x)", meaning, example, result, [Overload([.float64], .bool, kernel)])
    }

    private static let basic: [ScalarFunction] = [
        ScalarFunction(
            "abs", "abs(x)", "The size of a number without its sign.", "abs(-2.5)", "2.5",
            [
                Overload([.int64], canFail: true, .int64) { call in
                    call.tryInteger("overflow in abs of") { $0 == .min ? nil : Swift.abs($0) }
                },
                Overload([.decimal], of: { $0[0] }) { Rounding.decimals($0) { $0 < 0 ? -$0 : $0 } },
                Overload([.float64], .float64) { $0.mapDouble { Swift.abs($0) } },
            ]),
        ScalarFunction(
            "negate", "-x", "The number or interval with the other sign.", "-(1 + 2)", "-3",
            [
                Overload([.int64], canFail: true, .int64) { call in
                    call.tryInteger("overflow in - of") { $0 == .min ? nil : -$0 }
                },
                Overload([.decimal], of: { $0[0] }) { Rounding.decimals($0) { -$0 } },
                Overload([.float64], .float64) { $0.mapDouble { -$0 } },
                Overload([.interval], canFail: true, .interval) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        if let value = TimeArithmetic.times(call.arguments[0].intervals[row], -1) {
                            result.intervals[row] = value
                        } else {
                            call.fail(row, live, "overflow in - of an interval")
                        }
                    }
                    return result
                },
            ]),
        ScalarFunction(
            "sign", "sign(x)", "-1, 0 or 1.", "sign(-2.5)", "-1",
            [
                Overload([.int64], .int64) { $0.mapInteger { $0.signum() } },
                Overload([.decimal], .int64) { call in
                    let values = call.arguments[0].decimals
                    return call.mapRowsToInteger { Int64(values[$0].signum()) }
                },
                Overload([.float64], .int64) { call in
                    let values = call.arguments[0].float64s
                    return call.mapRowsToInteger { values[$0] > 0 ? 1 : (values[$0] < 0 ? -1 : 0) }
                },
            ]),
        Rounding.function(
            "round", "round(x, digits)",
            "The nearest number with so many digits after the point, 0 if not given; halves go away from zero.",
            "round(2.345, 2)", "2.35", .halfAway),
        Rounding.function(
            "round_even roundbankers", "round_even(x, digits)",
            "Like round, but halves go to the even neighbour.",
            "round_even(2.5, 0)", "2", .halfEven),
        Rounding.function(
            "trunc", "trunc(x, digits)", "The number cut to so many digits after the point.",
            "trunc(-1.78, 1)", "-1.7", .towardZero),
        Rounding.function(
            "ceil ceiling", "ceil(x)", "The smallest whole number not below x.", "ceil(1.2)", "2",
            .up),
        Rounding.function(
            "floor", "floor(x)", "The largest whole number not above x.", "floor(-1.2)", "-2", .down
        ),
        double("even", "even(x)", "The next even number away from zero.", "even(2.3)", "4.0") {
            $0.mapDouble { value in
                var up = Swift.abs(value).rounded(.up)
                if up.truncatingRemainder(dividingBy: 2) != 0 { up += 1 }
                return value < 0 ? -up : up
            }
        },
        ScalarFunction(
            "mod", "mod(x, y)", "The remainder of x / y, with the sign of x; also written %.",
            "mod(7, 3)",
            "1"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "mod(x, y)")
            return try Arithmetic.bind(
                "%", arguments[0].node, arguments[1].node, arguments[0].range, arguments[1].range)
        },
        double2(
            "fmod", "fmod(x, y)", "The remainder of x / y as a double, with the sign of y.",
            "fmod(7.5, 2)", "1.5"
        ) {
            $0.mapDouble2 { $0 - $1 * ($0 / $1).rounded(.down) }
        },
        extreme(
            "greatest", "The largest of the arguments that are not null.", "greatest(1, null, 3)",
            "3", 1),
        extreme(
            "least", "The smallest of the arguments that are not null.", "least('b', 'a')", "a", -1),
    ]

    /// `greatest` and `least`.
    private static func extreme(
        _ name: String, _ meaning: String, _ example: String, _ result: String, _ sign: Int
    ) -> ScalarFunction {
        ScalarFunction(name, "\(name)(x, y, …)", meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 1...RowChoice.branchesMax, "\(name)(x, y, …)")
            let nodes = try ConditionFunctions.unified(arguments)
            return KernelNode(type: nodes[0].type, nodes, canFail: false) { call in
                let choice = RowChoice(count: call.count)
                for row in 0..<call.count {
                    var best: Int?
                    for index in call.arguments.indices where call.arguments[index].isValid(row) {
                        if let known = best,
                            RowComparison.compare(
                                call.arguments[index], row, call.arguments[known], row) * sign <= 0
                        {
                            continue
                        }
                        best = index
                    }
                    if let best { choice.mark(row: row, as: UInt8(best + 1)) }
                }
                return choice.merge(call.arguments, type: call.type)
            }.folded
        }
    }

    private static let powers: [ScalarFunction] = [
        double(
            "sqrt", "sqrt(x)", "The square root; a negative number is an error.", "sqrt(2)",
            "1.4142135623730951", canFail: true
        ) {
            $0.tryDouble("no square root of") { $0 < 0 ? nil : $0.squareRoot() }
        },
        double("cbrt", "cbrt(x)", "The cube root.", "cbrt(8)", "2.0") {
            $0.mapDouble { Glibc.cbrt($0) }
        },
        double("exp", "exp(x)", "e to the power of x.", "exp(0)", "1.0") {
            $0.mapDouble { Glibc.exp($0) }
        },
        double2(
            "pow power", "pow(x, y)", "x to the power of y; also written ^ or **.", "pow(2, 10)",
            "1024.0"
        ) {
            $0.mapDouble2 { Glibc.pow($0, $1) }
        },
        double(
            "ln", "ln(x)", "The natural logarithm; a number not above 0 is an error.", "ln(1)",
            "0.0",
            canFail: true
        ) {
            $0.tryDouble("no logarithm of") { $0 <= 0 ? nil : Glibc.log($0) }
        },
        ScalarFunction(
            "log log10", "log(x), log(base, x)", "The logarithm to base 10, or to the base given.",
            "log(1000)", "3.0",
            [
                Overload([.float64], canFail: true, .float64) {
                    $0.tryDouble("no logarithm of") { $0 <= 0 ? nil : Glibc.log10($0) }
                },
                Overload([.float64, .float64], canFail: true, .float64) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let base = call.arguments[0].float64s[row]
                        let value = call.arguments[1].float64s[row]
                        if base <= 0 || base == 1 || value <= 0 {
                            call.fail(row, live, "no logarithm of \(value) to base \(base)")
                        } else {
                            result.float64s[row] = Glibc.log2(value) / Glibc.log2(base)
                        }
                    }
                    return result
                },
            ]),
        double("log2", "log2(x)", "The logarithm to base 2.", "log2(8)", "3.0", canFail: true) {
            $0.tryDouble("no logarithm of") { $0 <= 0 ? nil : Glibc.log2($0) }
        },
        double("gamma", "gamma(x)", "The gamma function.", "gamma(5)", "24.0") {
            $0.mapDouble { Glibc.tgamma($0) }
        },
        double("lgamma", "lgamma(x)", "The logarithm of the gamma function.", "lgamma(2)", "0.0") {
            $0.mapDouble { value in
                var sign: Int32 = 0
                return lgamma_r(value, &sign)
            }
        },
        test("isnan", "Whether x is not a number.", "isnan('nan'::double)", "true") { call in
            let values = call.arguments[0].float64s
            return call.mapRowsToBool { values[$0].isNaN }
        },
        test("isinf", "Whether x is infinite.", "isinf('-inf'::double)", "true") { call in
            let values = call.arguments[0].float64s
            return call.mapRowsToBool { values[$0].isInfinite }
        },
        test("isfinite", "Whether x is neither infinite nor not a number.", "isfinite(1.5)", "true")
        { call in
            let values = call.arguments[0].float64s
            return call.mapRowsToBool { values[$0].isFinite }
        },
        test("signbit", "Whether the sign bit is set.", "signbit(-1.0)", "true") { call in
            let values = call.arguments[0].float64s
            return call.mapRowsToBool { values[$0].sign == .minus }
        },
        double2(
            "nextafter", "nextafter(x, y)", "The double next to x on the way to y.",
            "nextafter(1, 2)", "1.0000000000000002"
        ) { $0.mapDouble2 { Glibc.nextafter($0, $1) } },
    ]

    private static let angles: [ScalarFunction] = [
        ScalarFunction("pi", "pi()", "The number π.", "pi()", "3.141592653589793") {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 0...0, "pi()")
            return try Constants.number("3.141592653589793e0", at: range)
        },
        double("sin", "sin(x)", "The sine of an angle in radians.", "sin(0)", "0.0") {
            $0.mapDouble { Glibc.sin($0) }
        },
        double("cos", "cos(x)", "The cosine of an angle in radians.", "cos(0)", "1.0") {
            $0.mapDouble { Glibc.cos($0) }
        },
        double("tan", "tan(x)", "The tangent of an angle in radians.", "tan(0)", "0.0") {
            $0.mapDouble { Glibc.tan($0) }
        },
        double(
            "cot", "cot(x)", "The cotangent of an angle in radians.", "cot(1)", "0.6420926159343306"
        ) {
            $0.mapDouble { 1 / Glibc.tan($0) }
        },
        double(
            "asin", "asin(x)", "The angle whose sine is x.", "asin(1)", "1.5707963267948966",
            canFail: true
        ) {
            $0.tryDouble("no arc sine of") { Swift.abs($0) > 1 ? nil : Glibc.asin($0) }
        },
        double("acos", "acos(x)", "The angle whose cosine is x.", "acos(1)", "0.0", canFail: true) {
            $0.tryDouble("no arc cosine of") { Swift.abs($0) > 1 ? nil : Glibc.acos($0) }
        },
        double("atan", "atan(x)", "The angle whose tangent is x.", "atan(1)", "0.7853981633974483")
        {
            $0.mapDouble { Glibc.atan($0) }
        },
        double2(
            "atan2", "atan2(y, x)", "The angle of the point (x, y).", "atan2(1, 1)",
            "0.7853981633974483"
        ) {
            $0.mapDouble2 { Glibc.atan2($0, $1) }
        },
        double("sinh", "sinh(x)", "The hyperbolic sine.", "sinh(0)", "0.0") {
            $0.mapDouble { Glibc.sinh($0) }
        },
        double("cosh", "cosh(x)", "The hyperbolic cosine.", "cosh(0)", "1.0") {
            $0.mapDouble { Glibc.cosh($0) }
        },
        double("tanh", "tanh(x)", "The hyperbolic tangent.", "tanh(0)", "0.0") {
            $0.mapDouble { Glibc.tanh($0) }
        },
        double("asinh", "asinh(x)", "The inverse hyperbolic sine.", "asinh(0)", "0.0") {
            $0.mapDouble { Glibc.asinh($0) }
        },
        double(
            "acosh", "acosh(x)", "The inverse hyperbolic cosine.", "acosh(1)", "0.0", canFail: true
        ) {
            $0.tryDouble("no inverse hyperbolic cosine of") { $0 < 1 ? nil : Glibc.acosh($0) }
        },
        double(
            "atanh", "atanh(x)", "The inverse hyperbolic tangent.", "atanh(0)", "0.0", canFail: true
        ) {
            $0.tryDouble("no inverse hyperbolic tangent of") {
                Swift.abs($0) > 1 ? nil : Glibc.atanh($0)
            }
        },
        double("degrees", "degrees(x)", "Radians as degrees.", "degrees(pi())", "180.0") {
            $0.mapDouble { $0 * (180 / Double.pi) }
        },
        double("radians", "radians(x)", "Degrees as radians.", "radians(180)", "3.141592653589793")
        {
            $0.mapDouble { $0 * (Double.pi / 180) }
        },
    ]

    /// A function of two whole numbers.
    private static func whole2(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(
            names, signature, meaning, example, result,
            [Overload([.int64, .int64], canFail: true, .int64, kernel)])
    }

    private static func commonDivisor(_ a: Int64, _ b: Int64) -> Int64? {
        var (x, y) = (a.magnitude, b.magnitude)
        while y != 0 { (x, y) = (y, x % y) }
        return Int64(exactly: x)
    }

    private static let whole: [ScalarFunction] = [
        whole2(
            "gcd greatest_common_divisor", "gcd(x, y)", "The greatest common divisor.",
            "gcd(12, 18)", "6"
        ) {
            $0.tryInteger2("overflow in gcd of") { commonDivisor($0, $1) }
        },
        whole2(
            "lcm least_common_multiple", "lcm(x, y)", "The least common multiple.", "lcm(4, 6)",
            "12"
        ) {
            $0.tryInteger2("overflow in lcm of") { a, b in
                guard a != 0, b != 0 else { return 0 }
                guard let divisor = commonDivisor(a, b) else { return nil }
                let (product, overflow) = (a / divisor).multipliedReportingOverflow(by: b)
                return overflow || product == .min ? nil : Swift.abs(product)
            }
        },
        ScalarFunction(
            "factorial", "factorial(n)", "1 · 2 · … · n, exactly; n is at most 33.",
            "factorial(20)",
            "2432902008176640000",
            [
                Overload([.int64], canFail: true, .decimal(precision: 38, scale: 0)) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let n = call.arguments[0].int64s[row]
                        guard (0...33).contains(n) else {
                            call.fail(row, live, "factorial of \(n) is not between 0! and 33!")
                            continue
                        }
                        var product: Int128 = 1
                        for factor in 1...max(1, Int128(n)) { product *= factor }
                        result.decimals[row] = product
                    }
                    return result
                }
            ]),
        whole2("bit_and", "x & y", "Each bit that is set in both.", "5 & 3", "1") {
            $0.tryInteger2("") { $0 & $1 }
        },
        whole2("bit_or", "x | y", "Each bit that is set in either.", "5 | 3", "7") {
            $0.tryInteger2("") { $0 | $1 }
        },
        whole2("xor", "xor(x, y)", "Each bit that is set in one of both.", "xor(5, 3)", "6") {
            $0.tryInteger2("") { $0 ^ $1 }
        },
        ScalarFunction(
            "bit_not", "~x", "Each bit turned over.", "~5", "-6",
            [Overload([.int64], .int64) { $0.mapInteger { ~$0 } }]),
        whole2(
            "left_shift", "x << n", "The bits moved up; losing a set bit is an error.", "1 << 10",
            "1024"
        ) {
            $0.tryInteger2("bits are lost in left shift of") { value, bits in
                guard value >= 0, bits >= 0 else { return nil }
                guard value > 0 else { return 0 }
                guard bits < 63, (value << bits) >> bits == value else { return nil }
                return value << bits
            }
        },
        whole2(
            "right_shift", "x >> n", "The bits moved down; 0 if n is below 0 or above 63.",
            "1024 >> 3", "128"
        ) {
            $0.tryInteger2("no right shift of") { value, bits in
                bits < 0 || bits > 63 ? 0 : value >> bits
            }
        },
        ScalarFunction(
            "bit_count", "bit_count(x)", "How many bits are set.", "bit_count(7)", "3",
            [Overload([.int64], .int64) { $0.mapInteger { Int64($0.nonzeroBitCount) } }]),
    ]
}

extension RowChoice {
    /// Picks for one row.
    func mark(row: Int, as pick: UInt8) { picks.bytes[row] = pick }
}
