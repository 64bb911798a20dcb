import CPlatform
import Glibc

/// One row of one of several batches.
public struct RowPick: BitwiseCopyable {
    /// Which batch.
    public var batch: Int32
    /// Which of its rows.
    public var row: Int32

    /// Row `row` of batch `batch`.
    public init(batch: Int32, row: Int32) {
        self.batch = batch
        self.row = row
    }
}

/// Builds batches of rows picked from several others.
public enum BatchBuilder {
    /// A batch of the picked rows in the order of `picks`, with memory of its own.
    ///
    /// - Shape: all `batches` have the schema `schema`. The result has keys if every batch has, and
    ///   changes and raw records if any has.
    public static func gather(
        _ picks: UnsafePointer<RowPick>, count: Int, from batches: [ColumnBatch], schema: Schema
    ) -> ColumnBatch {
        let columns = gatherColumns(picks, count: count, from: batches, schema: schema)
        var order = RowOrder(capacity: count)
        pickPlaces(picks, count, batches, into: order)
        if batches.contains(where: { $0.order.elements != nil }) {
            let elements = Column(.int64, capacity: count)
            copy(picks, count, batches.map { $0.order.elements ?? zeros($0.count) }, into: elements)
            order.elements = elements
        }
        let result = ColumnBatch(schema: schema, columns: columns, order: order, count: count)
        if batches.allSatisfy({ $0.keys != nil }) {
            let hashes = Column(.int64, capacity: count)
            copy(picks, count, batches.map { $0.keys!.hashes }, into: hashes)
            result.keys = KeyColumn(
                bytes: gather(picks, count, .bytes, batches.map { $0.keys!.bytes }), hashes: hashes)
        }
        if batches.contains(where: { $0.changes != nil }) {
            let changes = batches.map { $0.changes ?? RowChange.inserts($0.count) }
            result.changes = gather(picks, count, .bool, changes)
        }
        if batches.contains(where: { $0.raw != nil }) {
            result.raw = gather(picks, count, .bytes, batches.map { $0.raw ?? nulls($0.count) })
        }
        return result
    }

    /// The columns of the picked rows, with memory of their own.
    public static func gatherColumns(
        _ picks: UnsafePointer<RowPick>, count: Int, from batches: [ColumnBatch], schema: Schema
    ) -> [Column] {
        (0..<schema.count).map { field in
            gather(picks, count, schema.fields[field].type, batches.map { $0.columns[field] })
        }
    }

    /// The event times of the picked rows.
    public static func gatherEventTimes(
        _ picks: UnsafePointer<RowPick>, count: Int, from batches: [ColumnBatch]
    ) -> Column {
        let times = Column(.timestamp, capacity: count)
        copy(picks, count, batches.map(\.order.eventTimes), into: times)
        return times
    }

    private static func zeros(_ count: Int) -> Column {
        let column = Column(.int64, capacity: count)
        for _ in 0..<count { column.append(Int64(0)) }
        return column
    }

    private static func nulls(_ count: Int) -> Column {
        let column = Column(.bytes, capacity: count)
        for _ in 0..<count { column.appendNull() }
        return column
    }

    private static func copy(
        _ picks: UnsafePointer<RowPick>, _ count: Int, _ sources: [Column], into target: Column
    ) {
        pick(Int64.self, picks, count, sources, into: target)
        target.setCount(count)
    }

    private static func gather(
        _ picks: UnsafePointer<RowPick>, _ count: Int, _ type: ColumnType, _ sources: [Column]
    ) -> Column {
        let target = Column(type, capacity: count)
        switch type {
        case .string, .bytes: pickBytes(picks, count, sources, into: target)
        case .list:
            for slot in 0..<count {
                let pick = picks[slot]
                target.append(from: sources[Int(pick.batch)], row: Int(pick.row))
            }
            return target
        case .structure(let fields):
            target.children = fields.indices.map { field in
                gather(picks, count, fields[field].type, sources.map { $0.children[field] })
            }
        default:
            switch type.stride {
            case 1: pick(UInt8.self, picks, count, sources, into: target)
            case 8: pick(Int64.self, picks, count, sources, into: target)
            default: pick(Int128.self, picks, count, sources, into: target)
            }
        }
        pickValidity(picks, count, sources, into: target)
        target.setCount(count)
        return target
    }

    @inline(__always)
    private static func pick<Value: BitwiseCopyable>(
        _: Value.Type, _ picks: UnsafePointer<RowPick>, _ count: Int, _ sources: [Column],
        into target: Column
    ) {
        let to = target.values.assumingMemoryBound(to: Value.self)
        withUnsafeTemporaryAllocation(of: UnsafePointer<Value>.self, capacity: sources.count) {
            from in
            for (index, source) in sources.enumerated() {
                from[index] = UnsafePointer(source.values.assumingMemoryBound(to: Value.self))
            }
            let bases = from.baseAddress!
            var slot = 0
            while slot < count {
                let pick = picks[slot]
                to[slot] = bases[Int(pick.batch)][Int(pick.row)]
                slot &+= 1
            }
        }
    }

    /// Where the four parts of one batch's order begin.
    private struct Places: BitwiseCopyable {
        let times: UnsafePointer<Int64>
        let watermarks: UnsafePointer<Int64>
        let origins: UnsafePointer<Int64>
        let offsets: UnsafePointer<Int64>

        init(_ order: RowOrder) {
            times = UnsafePointer(order.eventTimes.int64s)
            watermarks = UnsafePointer(order.watermarks.int64s)
            origins = UnsafePointer(order.origins.int64s)
            offsets = UnsafePointer(order.offsets.int64s)
        }
    }

    private static func pickPlaces(
        _ picks: UnsafePointer<RowPick>, _ count: Int, _ batches: [ColumnBatch],
        into order: RowOrder
    ) {
        let times = order.eventTimes.int64s
        let watermarks = order.watermarks.int64s
        let origins = order.origins.int64s
        let offsets = order.offsets.int64s
        withUnsafeTemporaryAllocation(of: Places.self, capacity: batches.count) { from in
            for (index, batch) in batches.enumerated() { from[index] = Places(batch.order) }
            let places = UnsafePointer(from.baseAddress!)
            var slot = 0
            while slot < count {
                let row = Int(picks[slot].row)
                let place = places + Int(picks[slot].batch)
                times[slot] = place.pointee.times[row]
                watermarks[slot] = place.pointee.watermarks[row]
                origins[slot] = place.pointee.origins[row]
                offsets[slot] = place.pointee.offsets[row]
                slot &+= 1
            }
        }
        for column in [order.eventTimes, order.watermarks, order.origins, order.offsets] {
            column.setCount(count)
        }
    }

    /// Copies strings; short ones as two whole words, which arenas' padding allows.
    private static func pickBytes(
        _ picks: UnsafePointer<RowPick>, _ count: Int, _ sources: [Column], into target: Column
    ) {
        guard let arena = target.arena else { return }
        pick(UInt64.self, picks, count, sources, into: target)
        let views = target.views
        var total = 0
        for slot in 0..<count { total &+= ByteView.length(views[slot]) }
        arena.reserve(total)
        let to = arena.base
        withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>.self, capacity: sources.count) {
            from in
            for (index, source) in sources.enumerated() {
                from[index] = UnsafePointer(source.arena?.base ?? to)
            }
            let bases = from.baseAddress!
            var end = 0
            var slot = 0
            while slot < count {
                if slot &+ ahead < count {
                    // The rows picked lie anywhere in megabytes of records.
                    let next = bases[Int(picks[slot &+ ahead].batch)]
                    millrace_prefetch(next + ByteView.start(views[slot &+ ahead]))
                }
                let view = views[slot]
                let length = ByteView.length(view)
                let source = UnsafeRawPointer(bases[Int(picks[slot].batch)] + ByteView.start(view))
                if length <= 16 {
                    let words = source.loadUnaligned(as: (UInt64, UInt64).self)
                    UnsafeMutableRawPointer(to + end).storeBytes(
                        of: words, as: (UInt64, UInt64).self)
                } else {
                    memcpy(to + end, source, length)
                }
                views[slot] = ByteView.pack(start: end, length: length)
                end &+= length
                slot &+= 1
            }
        }
        arena.count = total
    }

    /// How many strings before its turn one is asked for from memory.
    private static let ahead = 16

    private static func pickValidity(
        _ picks: UnsafePointer<RowPick>, _ count: Int, _ sources: [Column], into target: Column
    ) {
        guard sources.contains(where: { $0.validity != nil }) else { return }
        let validity = target.ensureValidity()
        var slot = 0
        while slot < count {
            let pick = picks[slot]
            validity[slot] = sources[Int(pick.batch)].isValid(Int(pick.row)) ? 1 : 0
            slot &+= 1
        }
    }
}
