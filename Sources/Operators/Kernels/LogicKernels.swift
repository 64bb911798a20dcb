import StreamRuntime

/// Three-valued logic over bool columns.
///
/// - Shape: a null row's byte may be anything, so validity is always looked at where there is any.
enum LogicKernels {
    static func not(_ operand: Column, _ count: Int) -> Column {
        let result = Column(.bool, capacity: count)
        let target = result.bools
        let source = operand.bools
        var row = 0
        while row < count {
            target[row] = source[row] ^ 1
            row &+= 1
        }
        Validity.merge([operand], into: result, count: count)
        result.setCount(count)
        return result
    }

    static func and(_ left: Column, _ right: Column, _ count: Int) -> Column {
        let result = Column(.bool, capacity: count)
        let target = result.bools
        let a = left.bools
        let b = right.bools
        var row = 0
        while row < count {
            target[row] = a[row] & b[row]
            row &+= 1
        }
        result.setCount(count)
        guard left.validity != nil || right.validity != nil else { return result }
        let validity = knownWhereAnyIs(0, left, right, count, result)
        Validity.and(target, validity, count)
        return result
    }

    static func or(_ left: Column, _ right: Column, _ count: Int) -> Column {
        let result = Column(.bool, capacity: count)
        let target = result.bools
        let a = left.bools
        let b = right.bools
        result.setCount(count)
        guard left.validity != nil || right.validity != nil else {
            var row = 0
            while row < count {
                target[row] = a[row] | b[row]
                row &+= 1
            }
            return result
        }
        _ = knownWhereAnyIs(1, left, right, count, result)
        let ones = RowMask(count: count)
        withExtendedLifetime(ones) {
            let aValid = left.validity ?? ones.bytes
            let bValid = right.validity ?? ones.bytes
            var row = 0
            while row < count {
                target[row] = (a[row] & aValid[row]) | (b[row] & bValid[row])
                row &+= 1
            }
        }
        return result
    }

    /// Valid where both are, or where either is a known `deciding` value.
    private static func knownWhereAnyIs(
        _ deciding: UInt8, _ left: Column, _ right: Column, _ count: Int, _ result: Column
    ) -> UnsafeMutablePointer<UInt8> {
        let validity = result.ensureValidity()
        let a = left.bools
        let b = right.bools
        let ones = RowMask(count: count)
        withExtendedLifetime(ones) {
            let aValid = left.validity ?? ones.bytes
            let bValid = right.validity ?? ones.bytes
            let flip = deciding ^ 1
            var row = 0
            while row < count {
                let leftDecides = aValid[row] & (a[row] ^ flip)
                let rightDecides = bValid[row] & (b[row] ^ flip)
                validity[row] = (aValid[row] & bValid[row]) | leftDecides | rightDecides
                row &+= 1
            }
        }
        return validity
    }
}
