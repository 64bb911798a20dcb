/// Holds rows back until the watermark has passed them and releases them in their total order.
///
/// - Shape: rows leave in order of (time, origin, offset as unsigned, element, arrival), each once a watermark
///   beyond its time has come. Batches that are already in order pass through whole.
/// - Note: an operator like any other, placed in front of one that `needsOrderedInput` and in front of
///   sinks. Buffered rows are state: by key group where batches have keys, else under one
///   group of the worker.
public final class RowSorter: Operator {
    private let schema: Schema
    private let name: String
    /// Rows handed on by one call, at least as many as one batch has.
    private let releaseRows: Int
    private var runs: [SortRun] = []
    private let due = DueRows()
    private let scratch = SortScratch()
    private var state: KeyedState?
    /// The store whose memory the rows count in, once it is open.
    private var store: StateStore?
    /// What the rows held back take, those that are due included.
    private var bytes = 0
    private var dueBytes = 0
    private let homeGroup: Int?
    private var firstGroup = 0
    private var writtenGroups: Set<Int> = []

    /// A sorter of rows of `schema`, whose state is called `name` among those of its step.
    ///
    /// - Parameter homeGroup: where rows without keys are kept; a group of the worker's. Nil for its first.
    public init(
        schema: Schema, name: String = "sorter", releaseRows: Int = 4096, homeGroup: Int? = nil
    ) {
        self.homeGroup = homeGroup
        self.schema = schema
        self.name = name
        self.releaseRows = releaseRows
    }

    /// Rows held back at the moment.
    public var count: Int { runs.reduce(due.count) { $0 + $1.left } }

    deinit { store?.wait(-bytes) }

    /// Opens the state and takes back the rows a checkpoint holds.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        firstGroup = homeGroup ?? context.keyGroups.lowerBound
        precondition(context.keyGroups.contains(firstGroup), "a sorter is at home on its worker")
        let state = try context.state.state(
            name, of: context.stepId, layout: StateLayout(fixedBytes: 0, blobs: 1))
        self.state = state
        store = context.state
        let cursor = try state.table(0).cursor()
        let chunk = UnsafeMutablePointer<StateEntry>.allocate(capacity: 64)
        defer { chunk.deallocate() }
        while true {
            let found = try cursor.next(64, into: chunk)
            if found == 0 { break }
            for slot in 0..<found {
                let bytes = chunk[slot].blob(0, of: state.layout)
                if bytes.count > 0 { push(try BatchBytes.decode(bytes, schema: schema)) }
                writtenGroups.insert(KeyGroup.of(hash: chunk[slot].hash))
            }
        }
    }

    /// Takes the rows of `batch`; nothing leaves before the watermark says so.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        push(batch)
    }

    /// Releases every row whose time is before `watermark`; at the end of time all of them.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        release(before: watermark, into: output)
    }

    /// Shows the rows a checkpoint held, before any of them leaves.
    func showHeld(_ look: (ColumnBatch) throws(JobFailure) -> Void) throws(JobFailure) {
        for run in runs { try look(run.batch) }
    }

    /// Writes the rows held back into the state.
    public func flush() throws(JobFailure) {
        guard let state else { return }
        let table = try state.table(0)
        var groups: Set<Int> = []
        if let held = snapshot() {
            for (group, rows) in grouped(held) {
                groups.insert(group)
                let entry = try RowSorter.entry(of: group, in: table)
                entry.settle()
                let part = rows.withUnsafeBufferPointer {
                    BatchBytes.encode(held.gathered($0.baseAddress!, count: $0.count))
                }
                entry.resizeBlob(0, to: part.count, of: state.layout)
                    .update(from: part.base, count: part.count)
            }
        }
        for group in writtenGroups.subtracting(groups).sorted() {
            try table.remove(RowSorter.entry(of: group, in: table))
        }
        writtenGroups = groups
    }

    /// Takes the rows of `batch`.
    public func push(_ batch: ColumnBatch) {
        guard batch.count > 0 else { return }
        let run = SortRun(batch, scratch)
        runs.append(run)
        hold(run.bytes)
    }

    private func hold(_ more: Int) {
        bytes += more
        store?.wait(more)
    }

    /// Lets go of the runs whose rows have all left or are due.
    ///
    /// - Returns: what they took.
    private func removeSpentRuns() -> Int {
        var spent = 0
        for run in runs where run.left == 0 { spent += run.bytes }
        runs.removeAll { $0.left == 0 }
        return spent
    }

    /// Hands on the rows with a time before `watermark`, about `releaseRows` of them.
    ///
    /// - Returns: `.more` when others are due too.
    public func release(before watermark: EventTime, into output: any Output) -> Progress {
        release(before: OrderPlace(watermark), into: output)
    }

    /// Hands on the rows before `place`, about `releaseRows` of them.
    ///
    /// - Returns: `.more` when others are due too.
    public func release(before place: OrderPlace, into output: any Output) -> Progress {
        if due.count == 0 {
            if collect(place, into: output) == .more { return .more }
        }
        due.emit(releaseRows, schema: schema, into: output)
        if due.count == 0, dueBytes > 0 {
            hold(-dueBytes)
            dueBytes = 0
        }
        return due.count > 0 ? .more : .done
    }

    // MARK: choosing

    /// Finds the slices that are due. Those that follow each other leave at once; others are merged
    /// into `due`.
    private func collect(_ place: OrderPlace, into output: any Output) -> Progress {
        var cuts: [Int] = []
        var ready = 0
        var slices = 0
        for run in runs {
            let cut = run.cut(before: place)
            cuts.append(cut)
            ready += cut - run.head
            slices += cut > run.head ? 1 : 0
        }
        guard ready > 0 else { return .done }
        let inSequence = isInSequence(cuts)
        if inSequence && (slices == 1 || ready >= slices * 64) {
            return emitInSequence(cuts, into: output)
        }
        var found: [DueRows.Slice] = []
        for (index, run) in runs.enumerated() where cuts[index] > run.head {
            found.append(DueRows.Slice(run: run, cut: cuts[index]))
        }
        due.load(found, isInSequence: inSequence, scratch)
        for slice in found { slice.run.head = slice.cut }
        dueBytes += removeSpentRuns()
        return .done
    }

    private func isInSequence(_ cuts: [Int]) -> Bool {
        var last: SortKey?
        for (index, run) in runs.enumerated() where cuts[index] > run.head {
            guard run.isIdentity else { return false }
            let first = run.key(run.head)
            if let last, first.precedes(last) { return false }
            last = run.key(cuts[index] - 1)
        }
        return true
    }

    private func emitInSequence(_ cuts: [Int], into output: any Output) -> Progress {
        let target = output as? any PickOutput
        var emitted = 0
        var progress = Progress.done
        for (index, run) in runs.enumerated() where cuts[index] > run.head {
            if emitted >= releaseRows {
                progress = .more
                break
            }
            emitted += cuts[index] - run.head
            if let target, cuts[index] - run.head < run.batch.count {
                target.emit(run.pick(upTo: cuts[index], scratch))
            } else {
                output.emit(run.take(upTo: cuts[index], scratch))
            }
        }
        hold(-removeSpentRuns())
        return progress
    }

    // MARK: state

    /// Everything held back as one batch in total order.
    private func snapshot() -> ColumnBatch? {
        let total = count
        guard total > 0 else { return nil }
        var held: [SortRun] = []
        if due.count > 0 { held.append(SortRun(due.rows(due.count, schema: schema), scratch)) }
        held += runs
        let all = DueRows()
        all.load(
            held.map { DueRows.Slice(run: $0, cut: $0.batch.count) }, isInSequence: false, scratch)
        return all.rows(total, schema: schema)
    }

    private func grouped(_ batch: ColumnBatch) -> [(Int, [Int32])] {
        guard let keys = batch.keys else {
            return [(firstGroup, (0..<Int32(batch.count)).map { $0 })]
        }
        var groups: [Int: [Int32]] = [:]
        for row in 0..<batch.count {
            groups[KeyGroup.of(hash: keys.hashes.int64s[row]), default: []].append(Int32(row))
        }
        return groups.sorted { $0.key < $1.key }
    }

    private static func entry(of group: Int, in table: StateTable) throws(JobFailure) -> StateEntry
    {
        let bytes = Column(.bytes, capacity: 1)
        withUnsafeBytes(of: UInt16(group).bigEndian) {
            $0.withMemoryRebound(to: UInt8.self) { bytes.append($0) }
        }
        let hashes = Column(.int64, capacity: 1)
        hashes.append(Int64(bitPattern: UInt64(group) << 54))
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
        defer { entries.deallocate() }
        try table.resolve(
            KeyColumn(bytes: bytes, hashes: hashes), rows: nil, count: 1, into: entries)
        return entries[0]
    }
}
