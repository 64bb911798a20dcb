/// A number as the double nearest to it and the double nearest to what that leaves: about 32 digits.
///
/// - Source: Dekker, "A floating-point technique for extending the available precision", 1971.
struct DoublePair {
    var high: Double
    var low: Double

    init(_ high: Double, _ low: Double = 0) {
        self.high = high
        self.low = low
    }

    init(_ parts: (high: Double, low: Double)) { self.init(parts.high, parts.low) }

    var value: Double { high + low }

    private static func normal(_ high: Double, _ low: Double) -> DoublePair {
        let sum = high + low
        return sum.isFinite ? DoublePair(sum, low - (sum - high)) : DoublePair(sum)
    }

    static func + (left: DoublePair, right: DoublePair) -> DoublePair {
        let sum = left.high + right.high
        guard sum.isFinite else { return DoublePair(sum) }
        let part = sum - left.high
        let rest = (left.high - (sum - part)) + (right.high - part)
        return normal(sum, rest + left.low + right.low)
    }

    static prefix func - (pair: DoublePair) -> DoublePair { DoublePair(-pair.high, -pair.low) }
    static func - (left: DoublePair, right: DoublePair) -> DoublePair { left + -right }

    static func * (left: DoublePair, right: DoublePair) -> DoublePair {
        let product = left.high * right.high
        guard product.isFinite else { return DoublePair(product) }
        let rest = (-product).addingProduct(left.high, right.high)
        return normal(product, rest + left.high * right.low + left.low * right.high)
    }

    static func / (left: DoublePair, right: Double) -> DoublePair {
        let quotient = left.high / right
        guard quotient.isFinite else { return DoublePair(quotient) }
        let rest =
            (-quotient * right).isFinite ? left - DoublePair(quotient) * DoublePair(right) : left
        return normal(quotient, rest.value / right)
    }
}
