import StreamRuntime

/// The casts that arithmetic makes by itself and that cannot fail, as plain loops.
enum WideningKernels {
    /// The source in the wider type, or nil when the cast is another one or can fail.
    static func widened(_ source: Column, _ type: ColumnType, _ call: KernelCall) -> Column? {
        let canFail = CastKernels.canFail(source.type, type)
        guard !canFail else { return nil }
        let result = Column(type, capacity: call.count)
        switch (source.type, type) {
        case (.int64, .float64): doubles(source.int64s, result.float64s, call.count)
        case (.int64, .decimal(_, let scale)):
            decimals(source.int64s, result.decimals, Decimals.powers[scale], call.count)
        case (.decimal(_, let from), .decimal(_, let to)) where to >= from:
            decimals(source.decimals, result.decimals, Decimals.powers[to - from], call.count)
        default: return nil
        }
        Validity.merge([source], into: result, count: call.count)
        result.setCount(call.count)
        return result
    }

    private static func doubles(
        _ source: UnsafeMutablePointer<Int64>, _ target: UnsafeMutablePointer<Double>, _ count: Int
    ) {
        var row = 0
        while row < count {
            target[row] = Double(source[row])
            row &+= 1
        }
    }

    // Products wrap only in null rows, whose values may be anything.
    private static func decimals(
        _ source: UnsafeMutablePointer<Int64>, _ target: UnsafeMutablePointer<Int128>,
        _ power: Int128, _ count: Int
    ) {
        var row = 0
        while row < count {
            target[row] = Int128(source[row]) &* power
            row &+= 1
        }
    }

    private static func decimals(
        _ source: UnsafeMutablePointer<Int128>, _ target: UnsafeMutablePointer<Int128>,
        _ power: Int128, _ count: Int
    ) {
        var row = 0
        while row < count {
            target[row] = source[row] &* power
            row &+= 1
        }
    }
}
