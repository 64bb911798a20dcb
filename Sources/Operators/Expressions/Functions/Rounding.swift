import StreamRuntime

/// Rounding of whole numbers, decimals and doubles to a number of digits.
enum Rounding {
    enum Rule {
        case halfAway
        case halfEven
        case towardZero
        case up
        case down
    }

    /// Applies `body` to the unscaled values.
    @inline(__always)
    static func decimals(_ call: KernelCall, _ body: (Int128) -> Int128) -> Column {
        let (result, _) = call.result()
        let source = call.arguments[0].decimals
        let target = result.decimals
        var row = 0
        while row < call.count {
            target[row] = body(source[row])
            row &+= 1
        }
        return result
    }

    static func function(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ rule: Rule
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            let digitsAllowed = rule != .up && rule != .down
            try ConditionFunctions.require(
                arguments, range, 1...(digitsAllowed ? 2 : 1), signature)
            return try bind(arguments, range, rule, signature).folded
        }
    }

    private static func bind(
        _ arguments: [ScalarFunction.Argument], _ range: Range<Int>, _ rule: Rule,
        _ signature: String
    ) throws(ExpressionError) -> ExpressionNode {
        var node = arguments[0].node
        if Coercion.isUntyped(node) {
            node = try Coercion.implicit(node, as: .float64, at: arguments[0].range)
        }
        guard node.type.isNumeric else {
            throw ExpressionError(
                "a number is needed here, and this is \(node.type)", at: arguments[0].range,
                fix: "write cast(… as double) around it")
        }
        var digits: Int64?
        var digitsNode: ExpressionNode?
        if arguments.count == 2 {
            let bound = try Coercion.implicit(
                arguments[1].node, as: .int64, at: arguments[1].range)
            digitsNode = bound
            if let constant = bound as? ConstantNode {
                guard !constant.isNull else {
                    return ConstantNode.null(node.type, beside: [node])
                }
                digits = constant.value.int64s[0]
            }
        } else {
            digits = 0
        }
        if let digits {
            switch node.type {
            case .int64: return wholeNumber(node, digits, rule)
            case .decimal(let precision, let scale):
                return decimal(node, precision, scale, digits, rule)
            default: return double(node, Constants.int64(digits), rule)
            }
        }
        return double(
            CastKernels.node(node, as: .float64), digitsNode ?? Constants.int64(0), rule)
    }

    private static func wholeNumber(
        _ node: ExpressionNode, _ digits: Int64, _ rule: Rule
    ) -> ExpressionNode {
        guard digits < 0 else { return node }
        let power = Decimals.powers[Int(min(-digits, 30))]
        return KernelNode(type: .int64, [node]) { call in
            call.tryInteger("overflow in rounding") { value in
                Int64(exactly: quotient(Int128(value), power, rule) * power)
            }
        }
    }

    private static func decimal(
        _ node: ExpressionNode, _ precision: Int, _ scale: Int, _ digits: Int64, _ rule: Rule
    ) -> ExpressionNode {
        guard digits < scale else { return node }
        let kept = max(0, Int(max(digits, -38)))
        let type = ColumnType.decimal(precision: precision, scale: kept)
        let dropped = min(scale - Int(max(digits, -38)), 38)
        let power = Decimals.powers[dropped]
        let back = Decimals.powers[max(0, min(38, -Int(max(digits, -38))))]
        return KernelNode(type: type, [node]) { call in
            let (result, live) = call.result()
            let source = call.arguments[0].decimals
            let limit = Decimals.powers[precision]
            for row in 0..<call.count where live[row] != 0 {
                let (value, overflow) = quotient(source[row], power, rule)
                    .multipliedReportingOverflow(by: back)
                result.decimals[row] = value
                if overflow || value.magnitude >= limit.magnitude {
                    call.fail(row, live, "overflow in rounding to \(type)")
                }
            }
            return result
        }
    }

    /// `value / power`, rounded.
    @inline(__always)
    private static func quotient(_ value: Int128, _ power: Int128, _ rule: Rule) -> Int128 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: power)
        guard remainder != 0 else { return quotient }
        let away: Int128 = value < 0 ? -1 : 1
        let rest = power.magnitude - remainder.magnitude
        switch rule {
        case .halfAway: return remainder.magnitude >= rest ? quotient + away : quotient
        case .halfEven:
            let up =
                remainder.magnitude > rest || (remainder.magnitude == rest && quotient % 2 != 0)
            return up ? quotient + away : quotient
        case .towardZero: return quotient
        case .up: return value > 0 ? quotient + 1 : quotient
        case .down: return value < 0 ? quotient - 1 : quotient
        }
    }

    private static func double(
        _ node: ExpressionNode, _ digits: ExpressionNode, _ rule: Rule
    ) -> ExpressionNode {
        let rounding: FloatingPointRoundingRule =
            switch rule {
            case .halfAway: .toNearestOrAwayFromZero
            case .halfEven: .toNearestOrEven
            case .towardZero: .towardZero
            case .up: .up
            case .down: .down
            }
        return KernelNode(type: .float64, [node, digits], canFail: false) { call in
            let values = call.arguments[0].float64s
            let digits = call.arguments[1].int64s
            return call.mapRowsToDouble { row in
                let count = Int(max(-308, min(308, digits[row])))
                if count == 0 { return values[row].rounded(rounding) }
                let power = count > 0 ? pow10(count) : pow10(-count)
                let scaled = count > 0 ? values[row] * power : values[row] / power
                guard scaled.isFinite else { return values[row] }
                let whole = scaled.rounded(rounding)
                return count > 0 ? whole / power : whole * power
            }
        }
    }

    private static func pow10(_ exponent: Int) -> Double {
        if exponent <= 22 { return Double(Decimals.powers[exponent]) }
        var power = 1.0
        for _ in 0..<exponent { power *= 10 }
        return power
    }
}
