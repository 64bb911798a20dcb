import Glibc
import StreamRuntime

/// Pairs of packed rows on their way out: a left row, a right row, and what becomes of the pair.
///
/// - Shape: each row is copied once into the arena that the columns handed out have views into; a pair is
///   where its rows begin there, -1 for none. A right row alone has its values in the columns of the key.
final class JoinPairs {
    private let form: JoinForm
    private let left: RowPacking
    private let right: RowPacking
    private let readsRight: Bool
    private var arena = ByteArena()
    private var lefts: UnsafeMutablePointer<Int>
    private var rights: UnsafeMutablePointer<Int>
    /// Which row each pair is because of, and the how manieth of it it is.
    private(set) var causes: UnsafeMutablePointer<Int32>
    private(set) var elements: UnsafeMutablePointer<Int64>
    private(set) var kinds: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    /// Grows when what was copied is gone.
    private(set) var generation = 0
    private var capacity = JoinPairs.pairsMax + 2
    private var lastCause: Int32 = -1
    private var nextElement: Int64 = 0
    private var hasChanges = false
    private var hasLoneRight = false
    private var hasLoneLeft = false

    /// Pairs handed out at once.
    static let pairsMax = 4096
    private static let bytesMax = 4 << 20
    /// Elements of a row that is itself one, so that both numbers fit into one.
    private static let elementsMax: Int64 = 1 << 24

    /// Pairs of `form`, with the right rows in their columns when they come out or are to be read.
    init(_ form: JoinForm, left: RowPacking, right: RowPacking, readsRight: Bool) {
        self.form = form
        self.left = left
        self.right = right
        self.readsRight = readsRight
        lefts = .allocate(capacity: capacity)
        rights = .allocate(capacity: capacity)
        causes = .allocate(capacity: capacity)
        elements = .allocate(capacity: capacity)
        kinds = .allocate(capacity: capacity)
    }

    deinit {
        lefts.deallocate()
        rights.deallocate()
        causes.deallocate()
        elements.deallocate()
        kinds.deallocate()
    }

    /// Whether it is time to hand out what there is.
    var isFull: Bool { count >= JoinPairs.pairsMax || arena.count > JoinPairs.bytesMax }

    /// Begins with pairs of another batch.
    func begin() { lastCause = -1 }

    /// Copies a row and returns where it begins.
    @inline(__always) func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let start = arena.count
        if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        return start
    }

    /// Adds a pair that row `cause` brings about.
    @inline(__always) func add(_ left: Int, _ right: Int, _ kind: RowChange, cause: Int32) {
        if count == capacity { grow() }
        if cause != lastCause {
            lastCause = cause
            nextElement = 0
        }
        lefts[count] = left
        rights[count] = right
        causes[count] = cause
        elements[count] = nextElement
        kinds[count] = kind.rawValue
        nextElement &+= 1
        count &+= 1
        if left < 0 { hasLoneRight = true }
        if right < 0 { hasLoneLeft = true }
        if kind != .insert { hasChanges = true }
    }

    private func grow() {
        lefts = JoinPairs.moved(lefts, count, to: capacity * 2)
        rights = JoinPairs.moved(rights, count, to: capacity * 2)
        causes = JoinPairs.moved(causes, count, to: capacity * 2)
        elements = JoinPairs.moved(elements, count, to: capacity * 2)
        kinds = JoinPairs.moved(kinds, count, to: capacity * 2)
        capacity *= 2
    }

    private static func moved<Value: BitwiseCopyable>(
        _ values: UnsafeMutablePointer<Value>, _ count: Int, to capacity: Int
    ) -> UnsafeMutablePointer<Value> {
        let room = UnsafeMutablePointer<Value>.allocate(capacity: capacity)
        room.update(from: values, count: count)
        values.deallocate()
        return room
    }

    // MARK: handing out

    /// The pairs as rows, in places of their causes in `order`; from here on the columns have the copies.
    func take(order: RowOrder) -> ColumnBatch {
        var places = order.gathered(causes, count: count)
        let column = Column(.int64, capacity: count)
        let numbers = column.int64s
        let outer = places.elements?.int64s
        var slot = 0
        while slot < count {
            numbers[slot] =
                (outer == nil ? 0 : outer.unsafelyUnwrapped[slot]) &* JoinPairs.elementsMax
                &+ elements[slot]
            slot &+= 1
        }
        column.setCount(count)
        withExtendedLifetime(places) {}
        places.elements = column
        return take(places: places)
    }

    /// The pairs as rows in these places.
    func take(places: RowOrder) -> ColumnBatch {
        let result = ColumnBatch(
            schema: readsRight ? form.pairSchema : Schema(Array(form.input.fields.dropLast())),
            columns: columns(), order: places, count: count)
        if hasChanges {
            let changes = Column(.bool, capacity: count)
            memcpy(changes.bools, kinds, count)
            changes.setCount(count)
            result.changes = changes
        }
        clear()
        return result
    }

    /// Forgets the pairs.
    func clear() {
        arena = ByteArena(capacity: arena.count)
        generation += 1
        count = 0
        hasChanges = false
        hasLoneRight = false
        hasLoneLeft = false
    }

    private func columns() -> [Column] {
        var columns = left.unpack(arena, lefts, count: count)
        guard readsRight else { return columns }
        let column = Column(.structure(form.right), capacity: 1)
        column.children = right.unpack(arena, rights, count: count)
        column.reserve(count)
        column.setCount(count)
        if hasLoneLeft {
            let validity = column.ensureValidity()
            var slot = 0
            while slot < count {
                validity[slot] = rights[slot] < 0 ? 0 : 1
                slot &+= 1
            }
        }
        if hasLoneRight {
            for (mine, theirs) in zip(form.keys, form.rightKeys) {
                fill(columns[mine], from: column.children[theirs])
            }
        }
        columns.append(column)
        return columns
    }

    /// Gives right rows that are alone the values they are compared by.
    private func fill(_ column: Column, from other: Column) {
        let stride = column.type.stride
        let validity = column.ensureValidity()
        let theirs = other.validity
        var slot = 0
        while slot < count {
            if lefts[slot] < 0 {
                memcpy(column.values + slot &* stride, other.values + slot &* stride, stride)
                validity[slot] = theirs == nil ? 1 : theirs.unsafelyUnwrapped[slot]
            }
            slot &+= 1
        }
    }
}
