import StreamRuntime

/// The bytes of a batch's record values, and what a decoder makes of them besides.
///
/// Texts are views into the records' own arena. That arena may be shared with batches that are on their
/// way already, so it is never written: the first text that has to be made (one with its escapes
/// resolved) moves the columns to a copy of it, in which every view stays where it was.
final class RecordText {
    /// Where the texts are; another one after `makeRoom`.
    private(set) var arena: ByteArena
    private let columns: [Column]
    private var isOwn = false

    /// The text of `records`, viewed by `columns`.
    init(_ records: RecordBatch, columns: [Column]) {
        arena = records.values.arena!
        self.columns = columns
    }

    /// Makes room for `length` bytes behind the others; `arena` and its base may change.
    func makeRoom(_ length: Int) {
        if !isOwn {
            let copy = ByteArena(capacity: arena.count + length)
            copy.append(arena.base, arena.count)
            for column in columns { column.replace(arena, by: copy) }
            arena = copy
            isOwn = true
        }
        arena.reserve(length)
    }
}

extension Column {
    fileprivate func replace(_ old: ByteArena, by new: ByteArena) {
        if arena === old { arena = new }
        for child in children { child.replace(old, by: new) }
    }
}
