import StreamRuntime

/// Puts the left rows of a batch and their partners together, tests the condition on many pairs at once,
/// and hands out what the type of the join asks for.
///
/// - Shape: for each left row, in order, `add` for every partner and then `close`. Rows come out in the
///   order of the left ones, partners in the order they were added.
final class JoinedRows {
    private let form: JoinForm
    private let packing: RowPacking
    /// Whether a left row may have several partners: then they are elements of it in the order.
    private let isMany: Bool
    private var rejection: Rejection
    private let pairSchema: Schema
    private let outputSchema: Schema
    /// Whether the right row is looked at.
    private let readsRight: Bool

    /// The right rows of the pairs at hand.
    private var arena = ByteArena()
    private var starts: UnsafeMutablePointer<Int>
    private var rows: UnsafeMutablePointer<Int32>
    private var elements: UnsafeMutablePointer<Int64>
    private var kept: UnsafeMutablePointer<Int32>
    private var count = 0
    private var batch: ColumnBatch?
    /// The last left row for which a pair was found good.
    private var passedRow = -1
    /// The left row pairs are being added for, and how many.
    private var openRow = -1
    private var partners: Int64 = 0

    /// Pairs tested at once.
    private static let pairsMax = 4096
    private static let bytesMax = 4 << 20
    /// The start of a pair that stands for "no partner".
    private static let nobody = -1

    init(_ form: JoinForm, isMany: Bool) {
        self.form = form
        self.isMany = isMany
        packing = RowPacking(form.right)
        rejection = Rejection(policy: form.onError)
        pairSchema = form.pairSchema
        outputSchema = form.outputSchema
        readsRight = form.type.showsRight || form.condition != nil
        starts = .allocate(capacity: JoinedRows.pairsMax)
        rows = .allocate(capacity: JoinedRows.pairsMax)
        elements = .allocate(capacity: JoinedRows.pairsMax)
        kept = .allocate(capacity: JoinedRows.pairsMax)
    }

    deinit {
        starts.deallocate()
        rows.deallocate()
        elements.deallocate()
        kept.deallocate()
    }

    func open(_ context: OperatorContext) { rejection.open(context) }

    /// Begins with the left rows of `batch`.
    func begin(_ batch: ColumnBatch) {
        self.batch = batch
        passedRow = -1
        openRow = -1
    }

    /// Adds a pair: left row `row` and the packed right row `bytes`.
    func add(
        _ row: Int, _ bytes: UnsafeBufferPointer<UInt8>, into output: any Output
    ) throws(JobFailure) {
        if openRow != row {
            openRow = row
            partners = 0
        }
        if form.condition == nil {
            if passedRow == row, !form.type.showsRight { return }
            passedRow = row
            if form.type == .anti { return }
        }
        rows[count] = Int32(truncatingIfNeeded: row)
        elements[count] = partners
        partners &+= 1
        if readsRight {
            starts[count] = arena.count
            if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        } else {
            starts[count] = JoinedRows.nobody
        }
        count &+= 1
        if count == JoinedRows.pairsMax || arena.count > JoinedRows.bytesMax {
            try test(into: output)
        }
    }

    /// Says that left row `row` has no more partners.
    func close(_ row: Int, into output: any Output) throws(JobFailure) {
        guard form.type.showsUnmatched, passedRow != row else { return }
        rows[count] = Int32(truncatingIfNeeded: row)
        elements[count] = JoinedRows.last
        starts[count] = JoinedRows.nobody
        count &+= 1
        if count == JoinedRows.pairsMax { try test(into: output) }
    }

    /// The element of a row that stands for "no partner", before it is known whether there is one.
    private static let last = Int64.max

    /// Hands out what is left.
    func end(into output: any Output) throws(JobFailure) {
        try test(into: output)
        batch = nil
    }

    /// Tests the pairs at hand and hands out those that are wanted.
    private func test(into output: any Output) throws(JobFailure) {
        guard count > 0, let batch else { return }
        var columns = batch.columns.dropLast().map { $0.gathered(rows, count: count) }
        if readsRight { columns.append(rightRows()) }
        let order = batch.order.gathered(rows, count: count)
        let pairs = ColumnBatch(
            schema: readsRight ? pairSchema : outputSchema, columns: columns, order: order,
            count: count)
        if let condition = form.condition {
            var errors = RejectedRows()
            let truths = condition.evaluate(pairs, errors: &errors)
            try settle(errors, of: pairs, from: batch, into: output)
            select(truths)
        } else {
            selectAll()
        }
        emit(pairs, into: output)
        count = 0
        // What was handed out has views into the old one.
        if arena.count > 0 { arena = ByteArena(capacity: arena.count) }
    }

    private func rightRows() -> Column {
        let column = Column(.structure(form.right), capacity: 1)
        column.children = packing.unpack(arena, starts, count: count)
        column.reserve(count)
        column.setCount(count)
        var slot = 0
        while slot < count, starts[slot] >= 0 { slot &+= 1 }
        if slot == count { return column }
        let validity = column.ensureValidity()
        while slot < count {
            validity[slot] = starts[slot] < 0 ? 0 : 1
            slot &+= 1
        }
        return column
    }

    /// Settles the pairs the condition failed on; a row that stands for "no partner" is none.
    private func settle(
        _ errors: RejectedRows, of pairs: ColumnBatch, from batch: ColumnBatch,
        into output: any Output
    ) throws(JobFailure) {
        if errors.rejects.isEmpty { return }
        var real = RejectedRows()
        for reject in errors.rejects where elements[reject.row] != JoinedRows.last {
            real.append(row: reject.row, column: reject.column, reason: reject.reason)
        }
        pairs.raw = batch.raw?.gathered(rows, count: count)
        _ = try rejection.settle(real, of: pairs, into: output)
        pairs.raw = nil
    }

    private var keptCount = 0

    private func selectAll() {
        var slot = 0
        while slot < count {
            kept[slot] = Int32(truncatingIfNeeded: slot)
            slot &+= 1
        }
        keptCount = count
    }

    private func select(_ truths: Column) {
        let values = truths.bools
        let validity = truths.validity
        let type = form.type
        var found = 0
        var passed = passedRow
        var slot = 0
        while slot < count {
            let row = Int(rows[slot])
            var wanted = false
            if elements[slot] == JoinedRows.last {
                wanted = passed != row
            } else if values[slot] != 0, validity == nil || validity.unsafelyUnwrapped[slot] != 0 {
                wanted = type == .inner || type == .left || (type == .semi && passed != row)
                passed = row
            }
            kept[found] = Int32(truncatingIfNeeded: slot)
            found &+= wanted ? 1 : 0
            slot &+= 1
        }
        passedRow = passed
        keptCount = found
    }

    private func emit(_ pairs: ColumnBatch, into output: any Output) {
        if keptCount == 0 { return }
        let isWhole = keptCount == count
        var columns = pairs.columns
        if columns.count > outputSchema.count { columns.removeLast() }
        if !isWhole { columns = columns.map { $0.gathered(kept, count: keptCount) } }
        var order = isWhole ? pairs.order : pairs.order.gathered(kept, count: keptCount)
        if isMany, form.type.showsRight {
            let places = Column(.int64, capacity: keptCount)
            let outer = order.elements?.int64s
            for slot in 0..<keptCount {
                let element = elements[Int(kept[slot])]
                places.int64s[slot] =
                    (outer?[slot] ?? 0) &* JoinedRows.elementsMax
                    &+ (element == JoinedRows.last ? 0 : element)
            }
            places.setCount(keptCount)
            order.elements = places
        }
        output.emit(
            ColumnBatch(schema: outputSchema, columns: columns, order: order, count: keptCount))
    }

    /// Partners a row may have that is itself an element, so that both numbers fit into one.
    private static let elementsMax: Int64 = 1 << 24
}
