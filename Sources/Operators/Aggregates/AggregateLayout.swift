import StreamRuntime

/// The aggregates of a step laid out in the bytes of one state entry.
///
/// - Shape: each aggregate has its own fixed bytes and blobs, in the order of the calls. With
///   `countsRows` an int64 count of rows comes first.
/// - Note: the layout depends only on the calls, so a checkpoint of the same step fits it.
public final class AggregateLayout {
    /// The layout of the step's state entries.
    public let state: StateLayout
    let calls: [AggregateCall]
    private let accumulators: [any Accumulator]
    private let places: [AccumulatorPlace]
    /// Whether what was merged can always be taken out again.
    private let countsRows: Bool

    /// Lays out `calls`.
    ///
    /// - Throws: for an aggregate of a type it cannot be computed over.
    ///
    /// - Parameters:
    ///   - takesBack: whether rows are taken back one by one, for which some aggregates keep more.
    ///   - onlyGrows: whether neither rows nor what was merged are ever taken out, for which some keep less.
    public init(
        _ calls: [AggregateCall], countsRows: Bool = false, takesBack: Bool = false,
        onlyGrows: Bool = false
    ) throws(JobFailure) {
        self.calls = calls
        self.countsRows = countsRows
        var made: [any Accumulator] = []
        for call in calls {
            made.append(
                try AccumulatorCatalog.make(call, takesBack: takesBack, onlyGrows: onlyGrows))
        }
        var offset = countsRows ? 8 : 0
        var blob = 0
        var initial = [UInt8](repeating: 0, count: offset)
        var starts: [(Int, Int)] = []
        for accumulator in made {
            starts.append((offset, blob))
            offset += accumulator.fixedBytes
            blob += accumulator.blobs
            initial += accumulator.initial
        }
        let state = StateLayout(fixedBytes: offset, blobs: blob, initial: initial)
        self.state = state
        accumulators = made
        places = starts.map { AccumulatorPlace(offset: $0.0, blob: $0.1, layout: state) }
    }

    /// Evaluates the arguments and filters of every call on `batch`.
    ///
    /// - Shape: rows that an expression fails on are listed in `errors` and must not be added.
    func arguments(of batch: ColumnBatch, errors: inout RejectedRows) -> [PreparedArguments] {
        var prepared: [PreparedArguments] = []
        for (call, accumulator) in zip(calls, accumulators) {
            let columns = call.arguments.map { $0.evaluate(batch, errors: &errors) }
            var arguments = accumulator.prepare(columns, count: batch.count)
            var mask = call.filter.map { truths($0.evaluate(batch, errors: &errors)) }
            if accumulator.skipsNulls {
                for column in columns {
                    guard let validity = column.validity else { continue }
                    mask = AggregateLayout.and(mask, validity, batch.count)
                }
            }
            arguments.mask = mask
            prepared.append(arguments)
        }
        return prepared
    }

    /// Adds rows `range` of a batch to their entries.
    func update(
        _ arguments: [PreparedArguments], order: RowOrder, entries: UnsafePointer<StateEntry>,
        values: UnsafePointer<UnsafeMutableRawPointer>, range: Range<Int>
    ) {
        if countsRows { CountKernels.add(values, 0, mask: nil, range) }
        for call in accumulators.indices {
            let rows = AggregateRows(
                arguments: arguments[call], order: order, entries: entries, values: values)
            accumulators[call].update(rows, range, at: places[call])
        }
    }

    /// A column for the results of each call, with room for `count` of them.
    func resultColumns(_ count: Int) -> [Column] {
        calls.map { Column($0.resultType, capacity: count) }
    }

    /// Adds rows, or takes them back, one after another, and appends the result after each; the rows are
    /// counted already.
    func trace(
        _ arguments: [PreparedArguments], order: RowOrder, entries: UnsafePointer<StateEntry>,
        values: UnsafePointer<UnsafeMutableRawPointer>, _ traced: TracedRows,
        into columns: [Column], errors: inout RejectedRows
    ) {
        for call in accumulators.indices {
            let rows = AggregateRows(
                arguments: arguments[call], order: order, entries: entries, values: values)
            accumulators[call].trace(
                rows, traced, into: columns[call], at: places[call], errors: &errors,
                text: calls[call].text)
        }
    }

    /// The rows added to an entry; only with `countsRows`.
    func rows(of entry: StateEntry) -> Int64 {
        entry.value.assumingMemoryBound(to: Int64.self).pointee
    }

    /// Adds everything in `source` to `target`.
    func merge(_ source: StateEntry, into target: StateEntry) {
        if countsRows { add(source, to: target, sign: 1) }
        for call in accumulators.indices {
            accumulators[call].merge(source, into: target, at: places[call])
        }
    }

    /// Takes `source` out of `target`.
    ///
    /// - Returns: false when some aggregates of `target` must be merged anew with `reset` and `mend`.
    func subtract(_ source: StateEntry, from target: StateEntry) -> Bool {
        if countsRows { add(source, to: target, sign: -1) }
        var isWhole = true
        for call in accumulators.indices {
            let done = accumulators[call].subtract(source, from: target, at: places[call])
            isWhole = isWhole && done
        }
        return isWhole
    }

    /// Forgets every row of `entry`.
    func reset(_ entry: StateEntry) {
        state.initial.withUnsafeBytes {
            entry.value.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
        for blob in 0..<state.blobs { entry.resizeBlob(blob, to: 0, of: state) }
    }

    /// The results of `count` entries: a column for each call.
    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, errors: inout RejectedRows
    ) -> [Column] {
        var columns: [Column] = []
        for (index, call) in calls.enumerated() {
            let column = Column(call.resultType, capacity: count)
            accumulators[index].finish(
                entries, count: count, into: column, at: places[index], errors: &errors,
                text: call.text)
            precondition(column.count == count, "a result for every entry")
            columns.append(column)
        }
        return columns
    }

    private func add(_ source: StateEntry, to target: StateEntry, sign: Int64) {
        target.value.assumingMemoryBound(to: Int64.self).pointee &+= sign &* rows(of: source)
    }

    /// A filter's result as a mask: null is not true.
    private func truths(_ column: Column) -> Column {
        guard let validity = column.validity else { return column }
        return AggregateLayout.and(column, validity, column.count)
    }

    private static func and(
        _ mask: Column?, _ validity: UnsafePointer<UInt8>, _ count: Int
    ) -> Column {
        let result = Column(.bool, capacity: count)
        let bytes = result.bools
        if let mask = mask?.bools {
            var row = 0
            while row < count {
                bytes[row] = mask[row] & validity[row]
                row &+= 1
            }
        } else {
            bytes.update(from: validity, count: count)
        }
        result.setCount(count)
        return result
    }
}
