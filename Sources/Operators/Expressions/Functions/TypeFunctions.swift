import StreamRuntime

/// Functions that tell of types and of what must hold.
enum TypeFunctions {
    static let all: [ScalarFunction] =
        [
            ScalarFunction(
                "typeof pg_typeof get_type", "typeof(x)", "The name of the type of the argument.",
                "typeof([1.5])", "list<decimal(2,1)>"
            ) { (arguments, range) throws(ExpressionError) in
                try ConditionFunctions.require(arguments, range, 1...1, "typeof(x)")
                let type = Coercion.common([arguments[0].node]) ?? arguments[0].node.type
                return Constants.text("\(type)")
            },
            ScalarFunction(
                "constant_or_null", "constant_or_null(x, y, …)",
                "The first argument where no other one is null.", "constant_or_null(1, null)",
                "NULL"
            ) { (arguments, range) throws(ExpressionError) in
                try ConditionFunctions.require(
                    arguments, range, 2...RowChoice.branchesMax, "constant_or_null(x, y, …)")
                let value = try Coercion.implicit(
                    arguments[0].node, as: Coercion.common([arguments[0].node]) ?? .int64,
                    at: arguments[0].range)
                let null = ConstantNode.null(value.type)
                return ChoiceNode(
                    conditions: arguments.dropFirst().map { IsNullNode($0.node).folded },
                    results: arguments.dropFirst().map { _ in null } + [value]
                ).folded
            },
            ScalarFunction(
                "error", "error(text)", "Fails the row with the text as the reason.",
                "try(error('no such store'))", "NULL",
                [
                    Overload([.string], canFail: true, .int64) { call in
                        let (result, live) = call.result()
                        for row in 0..<call.count where live[row] != 0 {
                            call.fail(row, live, call.arguments[0].string(row))
                        }
                        return result
                    }
                ]),
            ScalarFunction(
                "assert_true", "assert_true(condition, text)",
                "True, or a failed row where the condition is not true.",
                "assert_true(1 < 2, 'odd')",
                "true"
            ) { (arguments, range) throws(ExpressionError) in
                try ConditionFunctions.require(
                    arguments, range, 1...2, "assert_true(condition, text)")
                let condition = try Coercion.implicit(
                    arguments[0].node, as: .bool, at: arguments[0].range)
                var text: ExpressionNode = Constants.text("the condition does not hold")
                if arguments.count == 2 {
                    text = try Coercion.implicit(
                        arguments[1].node, as: .string, at: arguments[1].range)
                }
                return KernelNode(type: .bool, [condition, text]) { call in
                    let result = Column(.bool, capacity: call.count)
                    for row in 0..<call.count {
                        let holds =
                            call.arguments[0].isValid(row) && call.arguments[0].bools[row] != 0
                        if !holds, call.evaluation.isActive(row) {
                            call.evaluation.failures.add(row, call.arguments[1].string(row))
                        }
                        result.append(holds)
                    }
                    return result
                }.folded
            },
        ] + operators

    /// An arithmetic operator under a name.
    private static func named(
        _ name: String, _ symbol: String, _ meaning: String, _ example: String, _ result: String
    ) -> ScalarFunction {
        ScalarFunction(name, "\(name)(x, y)", meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "\(name)(x, y)")
            return try Arithmetic.bind(
                symbol, arguments[0].node, arguments[1].node, arguments[0].range,
                arguments[1].range)
        }
    }

    private static let operators: [ScalarFunction] = [
        named("add", "+", "x + y.", "add(1, 2)", "3"),
        named("subtract", "-", "x - y.", "subtract(5, 3)", "2"),
        named("multiply", "*", "x * y.", "multiply(2, 3)", "6"),
        ScalarFunction(
            "divide", "divide(x, y)", "x / y, of whole numbers cut to a whole number; also x // y.",
            "divide(7, 2)", "3"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "divide(x, y)")
            let isWhole = arguments.allSatisfy { $0.node.type == .int64 }
            return try Arithmetic.bind(
                isWhole ? "//" : "/", arguments[0].node, arguments[1].node, arguments[0].range,
                arguments[1].range)
        },
        ScalarFunction(
            "fdiv", "fdiv(x, y)", "The largest whole double not above x / y.", "fdiv(-7, 2)",
            "-4.0",
            [
                Overload([.float64, .float64], .float64) { call in
                    call.mapDouble2 { ($0 / $1).rounded(.down) }
                }
            ]),
        ScalarFunction(
            "binom", "binom(n, k)", "How many sets of k there are of n things, exactly.",
            "binom(10, 3)", "120",
            [
                Overload([.int64, .int64], canFail: true, .decimal(precision: 38, scale: 0)) {
                    call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let n = call.arguments[0].int64s[row]
                        let k = call.arguments[1].int64s[row]
                        if n < 0 || k < 0 {
                            call.fail(row, live, "binom of a number below 0")
                        } else if let value = combinations(n, k) {
                            result.decimals[row] = value
                        } else {
                            call.fail(row, live, "overflow in binom of \(n), \(k)")
                        }
                    }
                    return result
                }
            ]),
    ]

    private static func combinations(_ n: Int64, _ k: Int64) -> Int128? {
        guard k <= n else { return 0 }
        var value: Int128 = 1
        for step in 0..<min(k, n - k) {
            let (product, overflow) = value.multipliedReportingOverflow(by: Int128(n - step))
            guard !overflow else { return nil }
            value = product / Int128(step + 1)
            guard value < Decimals.limit else { return nil }
        }
        return value
    }
}
