import StreamRuntime

/// Lets a row pass unless a newer one of its key has passed already, by an order of the rows' own.
///
/// A row passes iff its order value is at or after that of the last row that passed; others are stale.
/// A row without an order value cannot be placed and is settled by `onError`.
///
/// - Shape: rows are unchanged: those that pass on port 0, stale ones on `stalePort` or nowhere; stale
///   ones are counted. The batches must have keys.
/// - Note: with a time to live a key is forgotten that long after its last row that passed, in event
///   time; without one it is kept for good.
public final class Latest: StreamRuntime.Operator {
    private let order: CompiledExpression
    private let stalePort: Int?
    private let timeToLive: Int64?
    private let buffer = EntryBuffer()
    private let isBytes: Bool
    private var rejection: Rejection
    private var newest: KeyedState?
    private var nextSweep = Int64.min
    private var counters: StepCounters?

    /// The order of arrival decides among rows of one order value.
    public var needsOrderedInput: Bool { true }

    /// Keeps rows that are not older by `order`: a number, a time, a bool or a string.
    public init(
        order: CompiledExpression, stalePort: Int?, timeToLive: Duration? = nil,
        onError: FailurePolicy = .fail
    ) {
        precondition(KeyEncoder.accepts(order.type), "the planner refuses other orders")
        self.order = order
        self.stalePort = stalePort
        self.timeToLive = timeToLive?.micros
        isBytes = order.type.isBytes
        rejection = Rejection(policy: onError)
    }

    /// Opens the state: the order value last let through for each key, and when.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        counters = context.counters
        newest = try context.state.state(
            "newest", of: context.stepId,
            layout: StateLayout(fixedBytes: 24, blobs: isBytes ? 1 : 0))
    }

    /// Hands on the rows of `batch` that are not stale.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let newest, let keys = batch.keys else { preconditionFailure("opened, with keys") }
        var errors = RejectedRows()
        let values = order.evaluate(batch, errors: &errors)
        if let validity = values.validity {
            let failed = Set(errors.rejects.map(\.row))
            for row in 0..<batch.count where validity[row] == 0 && !failed.contains(row) {
                errors.append(row: row, column: order.text, reason: "the order value is null")
            }
        }
        let sound = try rejection.settle(errors, of: batch, into: output)
        let count = sound?.count ?? batch.count
        if count == 0 { return }
        buffer.reserve(batch.count)
        let rows = buffer.rows
        for slot in 0..<count { rows[slot] = sound?[slot] ?? Int32(truncatingIfNeeded: slot) }
        let entries = buffer.entries
        try newest.table(0).resolve(keys, rows: rows, count: count, into: entries)
        let stale = UnsafeMutablePointer<Int32>.allocate(capacity: count)
        defer { stale.deallocate() }
        let passed =
            isBytes
            ? selectBytes(values, batch.order, count, stale, newest.layout)
            : select(ranks(values), batch.order, count, stale)
        if passed < count {
            counters?.add(.stale, count - passed)
            if let stalePort {
                output.emit(batch.gathered(stale, count: count - passed), port: stalePort)
            }
        }
        if passed == batch.count { return output.emit(batch) }
        if passed > 0 { output.emit(batch.gathered(rows, count: passed)) }
    }

    /// Parts the rows by the numbers `ranks`; those that pass stay in the buffer.
    private func select(
        _ ranks: Column, _ order: RowOrder, _ count: Int, _ stale: UnsafeMutablePointer<Int32>
    ) -> Int {
        let rows = buffer.rows
        let entries = buffer.entries
        let ranks = ranks.decimals
        let timeToLive = timeToLive ?? .max
        var passed = 0
        var slot = 0
        while slot < count {
            let row = Int(rows[slot])
            let entry = entries[slot]
            let rank = ranks[row]
            let time = order.time(row)
            if isAbsent(entry, time, timeToLive)
                || rank >= entry.value.loadUnaligned(as: Int128.self)
            {
                entry.value.storeBytes(of: rank, as: Int128.self)
                entry.value.storeBytes(of: time, toByteOffset: 16, as: Int64.self)
                rows[passed] = Int32(truncatingIfNeeded: row)
                passed &+= 1
            } else {
                stale[slot &- passed] = Int32(truncatingIfNeeded: row)
            }
            slot &+= 1
        }
        return passed
    }

    /// Parts the rows by strings, compared byte by byte.
    private func selectBytes(
        _ values: Column, _ order: RowOrder, _ count: Int, _ stale: UnsafeMutablePointer<Int32>,
        _ layout: StateLayout
    ) -> Int {
        let rows = buffer.rows
        let timeToLive = timeToLive ?? .max
        var passed = 0
        for slot in 0..<count {
            let row = Int(rows[slot])
            let entry = buffer.entries[slot]
            let time = order.time(row)
            let bytes = values.bytes(row)
            if isAbsent(entry, time, timeToLive)
                || !bytes.lexicographicallyPrecedes(entry.blob(0, of: layout))
            {
                let copy = entry.resizeBlob(0, to: bytes.count, of: layout)
                if let base = bytes.baseAddress { copy.update(from: base, count: bytes.count) }
                entry.value.storeBytes(of: time, toByteOffset: 16, as: Int64.self)
                rows[passed] = Int32(row)
                passed += 1
            } else {
                stale[slot - passed] = Int32(row)
            }
        }
        return passed
    }

    /// Whether nothing has passed for the entry's key that still counts at `time`.
    @inline(__always)
    private func isAbsent(_ entry: StateEntry, _ time: Int64, _ timeToLive: Int64) -> Bool {
        if entry.isNew {
            entry.settle()
            return true
        }
        if timeToLive == .max { return false }
        let last = entry.value.load(fromByteOffset: 16, as: Int64.self)
        return time >= TimeMath.after(last, timeToLive)
    }

    /// The values as numbers of the same order, 16 bytes each.
    private func ranks(_ values: Column) -> Column {
        if case .decimal = values.type { return values }
        let count = values.count
        let ranks = Column(.decimal(precision: 38, scale: 0), capacity: count)
        let target = ranks.decimals
        switch values.type {
        case .bool: for row in 0..<count { target[row] = Int128(values.bools[row]) }
        case .float64:
            let numbers = values.float64s
            for row in 0..<count { target[row] = Int128(Latest.rank(numbers[row])) }
        default:
            let numbers = values.int64s
            for row in 0..<count { target[row] = Int128(numbers[row]) }
        }
        ranks.setCount(count)
        return ranks
    }

    /// A number of the same order as `value`; all NaNs are one, above infinity.
    private static func rank(_ value: Double) -> Int64 {
        if value.isNaN { return .max }
        let bits = Int64(bitPattern: (value == 0 ? 0.0 : value).bitPattern)
        return bits < 0 ? ~(bits & .max) : bits
    }

    /// Once in a time to live, forgets the keys whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let newest, let timeToLive, watermark != .endOfTime else { return .done }
        if watermark.micros < nextSweep { return .done }
        nextSweep = TimeMath.after(watermark.micros, timeToLive)
        let table = try newest.table(0)
        let cursor = try table.cursor()
        while true {
            let found = try cursor.next(4096, into: buffer.entries)
            if found == 0 { return .done }
            for slot in 0..<found {
                let entry = buffer.entries[slot]
                let last = entry.value.load(fromByteOffset: 16, as: Int64.self)
                if watermark.micros >= TimeMath.after(last, timeToLive) { try table.remove(entry) }
            }
        }
    }
}
