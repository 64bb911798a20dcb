import Glibc
import StreamRuntime

/// Changes on their way out of a `top`: packed rows with their numbers, until there is a batch of them.
final class TopChanges {
    let outputSchema: Schema
    private let packing: RowPacking
    private let changesMax: Int64
    private let showsRank: Bool
    private let showsBefore: Bool
    private(set) var count = 0
    /// Where packed rows are copied to.
    private(set) var arena = ByteArena()
    private var capacity = 4096
    private var starts: UnsafeMutablePointer<Int>
    private var ranks: UnsafeMutablePointer<Int64>
    private var causes: UnsafeMutablePointer<Int32>
    private var elements: UnsafeMutablePointer<Int64>
    private var kinds: UnsafeMutablePointer<UInt8>
    private var lastCause: Int32 = -1
    private var element: Int64 = 0

    /// Rows and bytes after which changes are handed out.
    private static let rowsMax = 4096
    private static let bytesMax = 1 << 20

    init(_ spec: TopSpec, schema: Schema, packing: RowPacking) {
        outputSchema = spec.outputSchema(schema)
        self.packing = packing
        changesMax = spec.changesMax
        showsRank = spec.rankName != nil
        showsBefore = spec.changes == .full
        starts = .allocate(capacity: capacity)
        ranks = .allocate(capacity: capacity)
        causes = .allocate(capacity: capacity)
        elements = .allocate(capacity: capacity)
        kinds = .allocate(capacity: capacity)
    }

    deinit {
        starts.deallocate()
        ranks.deallocate()
        causes.deallocate()
        elements.deallocate()
        kinds.deallocate()
    }

    /// Whether there is enough for a batch.
    var isFull: Bool { count >= TopChanges.rowsMax || arena.count >= TopChanges.bytesMax }

    /// Copies a packed row and returns where it lies.
    @inline(__always)
    func copy(_ bytes: UnsafePointer<UInt8>, _ length: Int) -> Int {
        let start = arena.count
        arena.append(bytes, length)
        return start
    }

    /// Adds a change of the row that was copied to `start`, caused by row `cause`.
    func add(_ start: Int, rank: Int, _ kind: RowChange, cause: Int32) {
        if cause != lastCause {
            lastCause = cause
            element = 0
        } else {
            element &+= 1
        }
        if kind == .updateBefore, !showsBefore { return }
        if count == capacity { grow() }
        starts[count] = start
        ranks[count] = Int64(rank)
        causes[count] = cause
        elements[count] = element
        kinds[count] = kind.rawValue
        count &+= 1
    }

    /// Rows of one batch follow.
    func begin() { lastCause = -1 }

    /// Hands out what there is, each change in the place of the row of `order` that caused it.
    func emit(_ order: RowOrder, into output: any Output) {
        if count > 0 {
            var places = order.gathered(causes, count: count)
            let numbers = Column(.int64, capacity: count)
            let outer = places.elements?.int64s
            for slot in 0..<count {
                numbers.int64s[slot] = (outer?[slot] ?? 0) &* changesMax &+ elements[slot]
            }
            numbers.setCount(count)
            places.elements = numbers
            let batch = made(places)
            let changes = Column(.bool, capacity: count)
            memcpy(changes.bools, kinds, count)
            changes.setCount(count)
            batch.changes = changes
            output.emit(batch)
        }
        reset()
    }

    /// Hands out what there is as rows that stay, in places of their own.
    ///
    /// - Shape: `places` gets the cause of each row and its element among those of it.
    func emitInserts(
        into output: any Output, places: (UnsafePointer<Int32>, UnsafePointer<Int64>) -> RowOrder
    ) {
        if count > 0 { output.emit(made(places(causes, elements))) }
        reset()
    }

    private func made(_ order: RowOrder) -> ColumnBatch {
        var columns = packing.unpack(arena, starts, count: count)
        if showsRank {
            let column = Column(.int64, capacity: count)
            column.int64s.update(from: ranks, count: count)
            column.setCount(count)
            columns.append(column)
        }
        return ColumnBatch(schema: outputSchema, columns: columns, order: order, count: count)
    }

    private func reset() {
        // What was handed out has views into the old one.
        if arena.count > 0 { arena = ByteArena(capacity: arena.count) }
        count = 0
    }

    private func grow() {
        let more = capacity * 2
        starts = TopChanges.grown(starts, count, more)
        ranks = TopChanges.grown(ranks, count, more)
        causes = TopChanges.grown(causes, count, more)
        elements = TopChanges.grown(elements, count, more)
        kinds = TopChanges.grown(kinds, count, more)
        capacity = more
    }

    private static func grown<Value: BitwiseCopyable>(
        _ old: UnsafeMutablePointer<Value>, _ count: Int, _ capacity: Int
    ) -> UnsafeMutablePointer<Value> {
        let made = UnsafeMutablePointer<Value>.allocate(capacity: capacity)
        made.update(from: old, count: count)
        old.deallocate()
        return made
    }
}
