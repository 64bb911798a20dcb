import Glibc
import StreamRuntime

/// Where a left row of an interval join is kept, for the note that it has a partner.
struct HeldLeft {
    let entry: StateEntry
    /// Where in the blob of left rows it begins.
    let offset: Int
}

/// The place in the order of a row that an interval join makes.
struct PairPlace {
    let eventTime: Int64
    let watermark: Int64
    let origin: Int64
    let offset: Int64
    let element: Int64
}

/// Pairs of an interval join on their way out: tests the condition on many at once, notes which left
/// rows have a partner, and hands out what the type of the join asks for.
final class IntervalPairs {
    private let form: JoinForm
    private let leftPacking: RowPacking
    private let rightPacking: RowPacking
    private let held: StateLayout
    private var rejection: Rejection
    private let pairSchema: Schema
    private let outputSchema: Schema

    private var arena = ByteArena()
    private let lefts: UnsafeMutablePointer<Int>
    private let rights: UnsafeMutablePointer<Int>
    private let sources: UnsafeMutablePointer<HeldLeft>
    private let kept: UnsafeMutablePointer<Int32>
    private var order = RowOrder(capacity: 1)
    private var elements = Column(.int64, capacity: 1)
    private(set) var count = 0

    /// Pairs tested at once.
    static let pairsMax = 4096
    private static let bytesMax = 4 << 20
    /// What stands for a left row's right one where there is none.
    private static let nobody = -1

    init(_ form: JoinForm, left: RowPacking, right: RowPacking, held: StateLayout) {
        self.form = form
        self.held = held
        leftPacking = left
        rightPacking = right
        rejection = Rejection(policy: form.onError)
        pairSchema = form.pairSchema
        outputSchema = form.outputSchema
        lefts = .allocate(capacity: IntervalPairs.pairsMax)
        rights = .allocate(capacity: IntervalPairs.pairsMax)
        sources = .allocate(capacity: IntervalPairs.pairsMax)
        kept = .allocate(capacity: IntervalPairs.pairsMax)
    }

    deinit {
        lefts.deallocate()
        rights.deallocate()
        sources.deallocate()
        kept.deallocate()
    }

    func open(_ context: OperatorContext) { rejection.open(context) }

    var isFull: Bool { count == IntervalPairs.pairsMax || arena.count > IntervalPairs.bytesMax }

    /// Adds a pair.
    func add(
        _ left: UnsafeBufferPointer<UInt8>, _ source: HeldLeft,
        _ right: UnsafeBufferPointer<UInt8>, _ place: PairPlace, into output: any Output
    ) throws(JobFailure) {
        if form.condition == nil, !form.type.showsRight {
            if isMatched(source) { return }
            match(source)
            if form.type == .anti { return }
        }
        append(left, place)
        sources[count] = source
        rights[count] = arena.count
        if let base = right.baseAddress { arena.append(base, right.count) }
        count &+= 1
        if isFull { try test(into: output) }
    }

    /// Adds a left row that has no partner; hand such rows out with `emitUnmatched`.
    func addUnmatched(_ left: UnsafeBufferPointer<UInt8>, _ place: PairPlace) {
        append(left, place)
        rights[count] = IntervalPairs.nobody
        count &+= 1
    }

    private func append(_ left: UnsafeBufferPointer<UInt8>, _ place: PairPlace) {
        lefts[count] = arena.count
        if let base = left.baseAddress { arena.append(base, left.count) }
        order.append(
            eventTime: place.eventTime, watermark: place.watermark, origin: place.origin,
            offset: place.offset)
        elements.append(place.element)
    }

    private func isMatched(_ left: HeldLeft) -> Bool {
        left.entry.blob(0, of: held)[left.offset + 4] != 0
    }

    private func match(_ left: HeldLeft) {
        let length = left.entry.blob(0, of: held).count
        left.entry.resizeBlob(0, to: length, of: held)[left.offset + 4] = 1
    }

    // MARK: handing out

    /// Hands out left rows without partner.
    func emitUnmatched(into output: any Output) {
        if count == 0 { return }
        for slot in 0..<count { kept[slot] = Int32(truncatingIfNeeded: slot) }
        emit(pairs(withRight: form.type.showsRight), count, into: output)
        clear()
    }

    /// Tests the pairs at hand and hands out those that are wanted.
    func test(into output: any Output) throws(JobFailure) {
        if count == 0 { return }
        let pairs = pairs(withRight: form.type.showsRight || form.condition != nil)
        var wanted = 0
        if let condition = form.condition {
            var errors = RejectedRows()
            let truths = condition.evaluate(pairs, errors: &errors)
            _ = try rejection.settle(errors, of: pairs, into: output)
            wanted = select(truths)
        } else {
            for slot in 0..<count {
                kept[slot] = Int32(truncatingIfNeeded: slot)
                if form.type == .left { match(sources[slot]) }
            }
            wanted = count
        }
        emit(pairs, wanted, into: output)
        clear()
    }

    private func select(_ truths: Column) -> Int {
        let values = truths.bools
        var found = 0
        for slot in 0..<count where values[slot] != 0 && truths.isValid(slot) {
            let source = sources[slot]
            kept[found] = Int32(truncatingIfNeeded: slot)
            switch form.type {
            case .inner, .right: found += 1
            case .left, .full:
                found += 1
                match(source)
            case .semi:
                found += isMatched(source) ? 0 : 1
                match(source)
            case .anti: match(source)
            }
        }
        return found
    }

    private func pairs(withRight: Bool) -> ColumnBatch {
        var columns = leftPacking.unpack(arena, lefts, count: count)
        if withRight {
            let column = Column(.structure(form.right), capacity: 1)
            column.children = rightPacking.unpack(arena, rights, count: count)
            column.reserve(count)
            column.setCount(count)
            for slot in 0..<count where rights[slot] < 0 { column.ensureValidity()[slot] = 0 }
            columns.append(column)
        }
        var order = order
        order.elements = elements
        return ColumnBatch(
            schema: withRight ? pairSchema : Schema(Array(form.input.fields.dropLast())),
            columns: columns, order: order, count: count)
    }

    private func emit(_ pairs: ColumnBatch, _ wanted: Int, into output: any Output) {
        if wanted == 0 { return }
        var columns = pairs.columns
        if columns.count > outputSchema.count { columns.removeLast() }
        let isWhole = wanted == count
        output.emit(
            ColumnBatch(
                schema: outputSchema,
                columns: isWhole ? columns : columns.map { $0.gathered(kept, count: wanted) },
                order: isWhole ? pairs.order : pairs.order.gathered(kept, count: wanted),
                count: wanted))
    }

    private func clear() {
        // What was handed out has views into the old ones.
        arena = ByteArena(capacity: arena.count)
        order = RowOrder(capacity: count)
        elements = Column(.int64, capacity: count)
        count = 0
    }
}
