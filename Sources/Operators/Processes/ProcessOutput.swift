import StreamRuntime

/// The rows a step gives out in one call, in pieces of any order, and brings into the total order.
final class ProcessOutput {
    private struct Place {
        let time: Int64
        let origin: Int64
        let offset: UInt64
        let element: Int64
        let pick: RowPick
    }

    private let schema: Schema
    private var pieces: [ColumnBatch] = []
    private(set) var rows = 0

    init(schema: Schema) { self.schema = schema }

    /// Adds rows that were made after all those before them, as far as their key is the same.
    func add(_ piece: ColumnBatch) {
        guard piece.count > 0 else { return }
        pieces.append(piece)
        rows += piece.count
    }

    /// Hands all of it on.
    func emit(into output: any Output) {
        defer {
            pieces.removeAll(keepingCapacity: true)
            rows = 0
        }
        guard rows > 0 else { return }
        var places = ContiguousArray<Place>()
        places.reserveCapacity(rows)
        for (index, piece) in pieces.enumerated() {
            let order = piece.order
            for row in 0..<piece.count {
                places.append(
                    Place(
                        time: order.time(row), origin: order.origins.int64s[row],
                        offset: UInt64(bitPattern: order.offsets.int64s[row]),
                        element: order.elements?.int64s[row] ?? 0,
                        pick: RowPick(batch: Int32(index), row: Int32(row))))
            }
        }
        var isSorted = true
        for slot in 1..<max(places.count, 1)
        where ProcessOutput.precedes(places[slot], places[slot - 1]) {
            isSorted = false
            break
        }
        if isSorted, pieces.count == 1 { return output.emit(pieces[0]) }
        // Ties are rows of one key, which come in the order in which they were made.
        if !isSorted { places.sort(by: ProcessOutput.precedes) }
        let picks = places.map(\.pick)
        output.emit(BatchBuilder.gather(picks, count: picks.count, from: pieces, schema: schema))
    }

    private static func precedes(_ left: Place, _ right: Place) -> Bool {
        if left.time != right.time { return left.time < right.time }
        if left.origin != right.origin { return left.origin < right.origin }
        if left.offset != right.offset { return left.offset < right.offset }
        if left.element != right.element { return left.element < right.element }
        if left.pick.batch != right.pick.batch { return left.pick.batch < right.pick.batch }
        return left.pick.row < right.pick.row
    }
}
