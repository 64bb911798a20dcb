import StreamRuntime
import Synchronization

/// When records were appended to their topics, for some of them, from their reading until their rows are
/// features.
///
/// Every sixteenth offset of a partition is remembered, and the last 16,384 of those: rows may wait for the
/// watermark that long. So freshness is measured on the very rows that are served, without a word in each.
public final class AppendTimes: Sendable {
    private struct Cell: Sendable {
        var offset: Int64
        var micros: Int64
    }

    private static let every: Int64 = 16
    private static let cells = 1 << 14

    private let partitions = Mutex<[Int64: [Cell]]>([:])

    /// Nothing remembered yet.
    public init() {}

    /// Remembers records of a partition of the source number `source`, as they are decoded.
    public func note(_ records: RecordBatch, source: Int) {
        guard records.count > 0 else { return }
        let offsets = records.offsets.int64s
        let times = records.timestamps.int64s
        let count = records.count
        let origin = Int64(source) << 32 | Int64(records.partition)
        partitions.withLock { partitions in
            var cells = partitions.removeValue(forKey: origin) ?? []
            if cells.isEmpty {
                cells = [Cell](
                    repeating: Cell(offset: -1, micros: 0), count: AppendTimes.cells)
            }
            var row = 0
            while row < count {
                let offset = offsets[row]
                if offset & (AppendTimes.every - 1) == 0 {
                    let place = Int(offset / AppendTimes.every) & (AppendTimes.cells - 1)
                    cells[place] = Cell(offset: offset, micros: times[row])
                }
                row &+= 1
            }
            partitions[origin] = cells
        }
    }

    /// Calls `body` with the append time of each row of `order` that is remembered.
    func forEach(_ order: RowOrder, _ body: (Int64) -> Void) {
        let origins = order.origins.int64s
        let offsets = order.offsets.int64s
        let count = order.count
        partitions.withLock { partitions in
            guard !partitions.isEmpty else { return }
            var row = 0
            while row < count {
                let offset = offsets[row]
                if offset & (AppendTimes.every - 1) == 0, origins[row] < RowOrder.derived,
                    let cells = partitions[origins[row]]
                {
                    let place = Int(offset / AppendTimes.every) & (AppendTimes.cells - 1)
                    if cells[place].offset == offset, cells[place].micros > 0 {
                        body(cells[place].micros)
                    }
                }
                row &+= 1
            }
        }
    }
}

/// A decoder that remembers when its records were appended.
public final class TimedDecoder: RecordDecoder {
    private let inner: any RecordDecoder
    private let times: AppendTimes
    private let source: Int

    /// The decoder `inner` of the source number `source`.
    public init(_ inner: any RecordDecoder, source: Int, times: AppendTimes) {
        self.inner = inner
        self.source = source
        self.times = times
    }

    /// The columns of the decoder inside.
    public var schema: Schema { inner.schema }

    /// Decodes as the decoder inside does.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        times.note(records, source: source)
        inner.decode(records, into: rows, rejects: &rejects)
    }
}
