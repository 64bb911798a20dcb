import StreamRuntime

/// Functions that choose between values.
enum ConditionFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "coalesce ifnull nvl", "coalesce(x, y, …)", "The first argument that is not null.",
            "coalesce(null, 2, 3)", "2"
        ) { (arguments, range) throws(ExpressionError) in
            try require(arguments, range, 1...RowChoice.branchesMax, "coalesce(x, y, …)")
            return CoalesceNode(try unified(arguments)).folded
        },
        ScalarFunction(
            "nullif", "nullif(x, y)", "Null when both are equal, else the first.",
            "nullif(5, 5)", "NULL"
        ) { (arguments, range) throws(ExpressionError) in
            try require(arguments, range, 2...2, "nullif(x, y)")
            let binder = Binder(schema: Schema([]))
            let equal = try binder.compare(
                "=", arguments[0].node, arguments[1].node, arguments[0].range, arguments[1].range)
            let value = arguments[0].node
            return ChoiceNode(
                conditions: [equal], results: [ConstantNode.null(value.type), value]
            ).folded
        },
        ScalarFunction(
            "if", "if(condition, x, y)",
            "The second argument where the first is true, else the third.",
            "if(1 < 2, 'yes', 'no')", "yes"
        ) { (arguments, range) throws(ExpressionError) in
            try require(arguments, range, 3...3, "if(condition, x, y)")
            let condition = try Coercion.implicit(
                arguments[0].node, as: .bool, at: arguments[0].range)
            return ChoiceNode(
                conditions: [condition], results: try unified(Array(arguments[1...]))
            ).folded
        },
        ScalarFunction(
            "try", "try(x)", "Null where evaluating the argument fails.", "try(1 // 0)", "NULL"
        ) { (arguments, range) throws(ExpressionError) in
            try require(arguments, range, 1...1, "try(x)")
            return TryNode(arguments[0].node).folded
        },
    ]

    static func require(
        _ arguments: [ScalarFunction.Argument], _ range: Range<Int>, _ count: ClosedRange<Int>,
        _ signature: String
    ) throws(ExpressionError) {
        guard !count.contains(arguments.count) else { return }
        throw ExpressionError(
            "this call has \(arguments.count) arguments", at: range, fix: "write \(signature)")
    }

    static func unified(
        _ arguments: [ScalarFunction.Argument]
    ) throws(ExpressionError) -> [ExpressionNode] {
        try Binder(schema: Schema([])).unified(arguments, "arguments")
    }
}
