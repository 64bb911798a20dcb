import StreamRuntime

/// The rows of one key that may still be part of a match.
///
/// - Shape: rows `head` on are kept; `head` is where the next match may begin.
final class MatchRows {
    private(set) var batch: ColumnBatch
    private(set) var times: [Int64] = []
    private(set) var names: [UInt64] = []
    var head = 0
    let key: [UInt8]
    let hash: Int64
    /// The time for which the key is in the queue; the end of time when it is not.
    var queued = Int64.max
    var isTouched = false
    /// The search that waits for more rows, and the first row of what it looks for.
    var search: MatchSearch?
    var searchedFrom = 0
    /// Whether rows are here, and not only in state.
    private(set) var isLoaded = true
    /// The bytes of it that the worker counts, and those of them that are rows.
    var counted = 0
    var countedRows = 0
    /// Whether the bytes may be others than those that are counted.
    var isVisited = false

    init(schema: Schema, key: [UInt8], hash: Int64) {
        batch = ColumnBatch(schema: schema, capacity: 1)
        self.key = key
        self.hash = hash
    }

    var count: Int { times.count }
    var isEmpty: Bool { head == times.count }

    /// Appends row `row` of `input`, which may have these names.
    func append(_ input: ColumnBatch, _ row: Int, _ kept: [Int], names bits: UInt64) {
        for (slot, column) in kept.enumerated() {
            batch.columns[slot].append(from: input.columns[column], row: row)
        }
        batch.columns[kept.count].append(Int64(bitPattern: bits))
        batch.order.append(from: input.order, row: row)
        batch.count += 1
        times.append(input.order.time(row))
        names.append(bits)
    }

    /// Bytes of memory that its rows take, about.
    var rowBytes: Int {
        isLoaded ? batch.byteCount + 16 * times.count + (search?.bytes ?? 0) : 0
    }

    /// Bytes of memory that it takes besides them, about.
    var keyBytes: Int { 256 + key.count }

    /// Lets go of the rows, which state has.
    func unload(schema: Schema) {
        batch = ColumnBatch(schema: schema, capacity: 1)
        times = []
        names = []
        head = 0
        // What is looked for begins anew, as it does after a restart.
        search = nil
        searchedFrom = 0
        isLoaded = false
    }

    /// Takes over rows that were kept in state.
    func restore(_ rows: ColumnBatch) {
        isLoaded = true
        batch = rows
        let bits = rows.columns[rows.columns.count - 1].int64s
        times = (0..<rows.count).map { rows.order.time($0) }
        names = (0..<rows.count).map { UInt64(bitPattern: bits[$0]) }
    }

    /// Lets go of the rows before `head`.
    func compact() {
        guard head > 0, head == count || (head >= 64 && head * 2 > count) else { return }
        batch = current()
        searchedFrom -= head
        times.removeFirst(head)
        names.removeFirst(head)
        head = 0
    }

    /// The rows from `head` on, with memory of their own.
    func current() -> ColumnBatch {
        let picks = (head..<count).map { RowPick(batch: 0, row: Int32($0)) }
        return BatchBuilder.gather(
            picks, count: picks.count, from: [batch], schema: batch.schema)
    }
}

extension MatchMeasure {
    /// Appends the value over rows `start..<end` of `rows`, called `called` from `start` on.
    ///
    /// - Parameter column: the position among the kept columns.
    func append(
        to target: Column, _ rows: MatchRows, _ start: Int, _ end: Int, _ called: [UInt8],
        column slot: Int?
    ) {
        let values = slot.map { rows.batch.columns[$0] }
        var tally = MatchTally()
        let named = (start..<end).filter { name == nil || Int(called[$0 - start]) == name }
        for row in named.dropLast(function == .last ? offset : 0) {
            tally.add(self, values, start, row - start)
        }
        tally.append(to: target, self, values, start)
    }
}
