import Glibc
import StreamRuntime

/// Lets a row pass when it is the first of its key by an order: it takes the place of the one before.
///
/// - Shape: rows in total order, with keys. The first row of a key is an `insert`, others an `updateAfter`;
///   what they replace is not told, so only the sort keys are kept.
public final class FirstRow: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private var input: TopInput
    private let buffer = EntryBuffer()
    private let showsRank: Bool
    private let fingerprint: Int64 = 1
    private var kept: KeyedState?
    private var sweep: TopSweep

    /// What is first depends on the rows before.
    public var needsOrderedInput: Bool { true }

    init(_ spec: TopSpec, schema: Schema) {
        input = TopInput(spec)
        outputSchema = spec.outputSchema(schema)
        showsRank = spec.rankName != nil
        sweep = TopSweep(spec.timeToLive)
    }

    /// Opens the sort keys of the rows that passed last.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        input.open(context)
        kept = try context.state.state(
            "newest", of: context.stepId, layout: TopList.layout())
    }

    /// Hands on the rows that are first.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let kept else { preconditionFailure("opened first") }
        let (rows, sortKeys) = try input.take(batch, into: output)
        guard rows.count > 0, let keys = rows.keys else { return }
        let count = rows.count
        buffer.reserve(count)
        let entries = buffer.entries
        let picks = buffer.rows
        try kept.table(0).resolve(keys, rows: nil, count: count, into: entries)
        let layout = kept.layout
        var slot = 0
        while slot < count {
            entries[slot].prefetchBlob(0, of: layout)
            slot &+= 1
        }
        let views = sortKeys.views
        let base = UnsafePointer(sortKeys.arena!.base)
        let changes = Column(.bool, capacity: count)
        let kinds = changes.bools
        var passed = 0
        var row = 0
        while row < count {
            let entry = entries[row]
            let key = base + ByteView.start(views[row])
            let length = ByteView.length(views[row])
            let fixed = entry.value.assumingMemoryBound(to: Int64.self)
            var kind = RowChange.updateAfter
            if entry.isNew || sweep.isOver(fixed[3], rows.order, row) {
                entry.settle()
                fixed[2] = fingerprint
                kind = .insert
            } else {
                let held = entry.blob(0, of: layout)
                if SortKeys.compare(key, length, held.baseAddress.unsafelyUnwrapped, held.count)
                    >= 0
                {
                    row &+= 1
                    continue
                }
            }
            memcpy(entry.resizeBlob(0, to: length, of: layout), key, length)
            fixed[3] = rows.order.time(row)
            picks[passed] = Int32(truncatingIfNeeded: row)
            kinds[passed] = kind.rawValue
            passed &+= 1
            row &+= 1
        }
        if passed == 0 { return }
        changes.setCount(passed)
        var columns = rows.columns
        if passed < count { columns = columns.map { $0.gathered(picks, count: passed) } }
        if showsRank {
            let ranks = Column(.int64, capacity: passed)
            ranks.int64s.update(repeating: 1, count: passed)
            ranks.setCount(passed)
            columns.append(ranks)
        }
        let result = ColumnBatch(
            schema: outputSchema, columns: columns,
            order: passed < count ? rows.order.gathered(picks, count: passed) : rows.order,
            count: passed)
        result.changes = changes
        output.emit(result)
    }

    /// Once in a time to live, forgets the keys whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        if let kept { try sweep.run(kept, watermark, buffer.entries) }
        return .done
    }
}
