import StreamRuntime

/// One aggregate's running value inside a state entry: how rows change it, how two of them merge, and
/// what comes of it.
///
/// - Note: whatever the order in which rows are added and parts are merged, the result is the same.
///   Where the aggregate depends on the order of rows, it keeps their place in the log beside the value.
protocol Accumulator: Sendable {
    /// Bytes it takes of the entry's fixed part, a multiple of 8.
    var fixedBytes: Int { get }
    /// Growable byte strings it takes of the entry.
    var blobs: Int { get }
    /// Its fixed bytes before any row.
    var initial: [UInt8] { get }
    /// Rows where an argument is null are passed over.
    var skipsNulls: Bool { get }

    /// Brings the arguments into the shape that `update` reads; called once a batch.
    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments

    /// Adds rows `range`, each to the entry of its slot.
    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace)

    /// Adds everything `source` holds to `target`.
    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace)

    /// Takes what `source` holds, which was merged before, out of `target` again.
    ///
    /// - Returns: false when that is not possible: `target` must be merged anew from its parts.
    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool

    /// Adds rows, or takes them back, each to the entry of its slot, and appends the result after each to
    /// `column`, which has those of the rows before.
    func trace(
        _ rows: AggregateRows, _ traced: TracedRows, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String)

    /// Takes back what row `row` added; `scratch` is an entry of the same layout.
    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace)

    /// Appends the result of each entry to `column`; lists results that cannot be represented.
    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String)
}

extension Accumulator {
    var blobs: Int { 0 }
    var initial: [UInt8] { [UInt8](repeating: 0, count: fixedBytes) }
    var skipsNulls: Bool { true }
    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: arguments)
    }
}

/// Where an accumulator's bytes and blobs begin in an entry.
struct AccumulatorPlace: Sendable {
    let offset: Int
    let blob: Int
    let layout: StateLayout

    @inline(__always) func words(_ entry: StateEntry) -> UnsafeMutablePointer<Int64> {
        (entry.value + offset).assumingMemoryBound(to: Int64.self)
    }

    /// The bytes of the accumulator's blob number `index`.
    func bytes(_ entry: StateEntry, _ index: Int = 0) -> UnsafeBufferPointer<UInt8> {
        entry.blob(blob + index, of: layout)
    }

    /// Gives the accumulator's blob number `index` another length.
    @discardableResult
    func resize(
        _ entry: StateEntry, _ index: Int = 0, to length: Int
    ) -> UnsafeMutablePointer<UInt8> {
        entry.resizeBlob(blob + index, to: length, of: layout)
    }

    /// Makes `source`'s bytes the content of the accumulator's blob number `index`.
    func copy(_ source: UnsafeBufferPointer<UInt8>, to entry: StateEntry, _ index: Int = 0) {
        let target = resize(entry, index, to: source.count)
        if let base = source.baseAddress { target.update(from: base, count: source.count) }
    }

    /// The blob's memory, to be written in place.
    func mutableBytes(_ entry: StateEntry, _ index: Int = 0) -> UnsafeMutablePointer<UInt8> {
        resize(entry, index, to: bytes(entry, index).count)
    }
}

/// The arguments of one aggregate for the rows of one batch.
struct PreparedArguments {
    let columns: [Column]
    /// The first argument as words whose order is the order of the values, where that is possible.
    var words: Column?
    /// The second argument likewise.
    var ranks: Column?
    /// The first argument as key bytes and hashes.
    var keys: KeyColumn?
    /// A byte a row, 1 where the row counts; nil when all do.
    var mask: Column?

    init(columns: [Column]) { self.columns = columns }
}

/// The rows of a batch on their way into entries.
struct AggregateRows {
    let arguments: PreparedArguments
    let order: RowOrder
    /// The entry of each row.
    let entries: UnsafePointer<StateEntry>
    /// The fixed bytes of the entry of each row.
    let values: UnsafePointer<UnsafeMutableRawPointer>

    var mask: UnsafePointer<UInt8>? { arguments.mask.map { UnsafePointer($0.bools) } }

    @inline(__always) func counts(_ row: Int) -> Bool {
        guard let mask = arguments.mask else { return true }
        return mask.bools[row] != 0
    }
}
