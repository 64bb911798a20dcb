import Glibc
import StreamRuntime

/// The answers that an instance of a lookup step has at hand: those of the newest questions, in two halves of which
/// the older one is given up as a whole.
///
/// - Shape: an entry is found by key, kind of answer and cell (`LookupTerms`). Row 0 of `young.columns` has no value.
/// - Note: what a row still to come has been found for stays, whatever its half.
struct LookupCache {
    /// One half.
    final class Half {
        struct Entry {
            let hash: Int64
            let cell: Int64
            let keyStart: Int
            let keyCount: Int
            let kind: LookupTerms.Kind
            /// The row of its values; 0 for none, of a failure the index of its reason.
            let row: Int32
            /// The time of the last row that was found to need it.
            var needed: Int64
        }

        private(set) var count = 0
        private(set) var entries: UnsafeMutablePointer<Entry>
        private var capacity: Int
        private var slots: UnsafeMutablePointer<Int32>
        private var mask: Int
        let keys = ByteArena(capacity: 1 << 12)
        var columns: [Column]
        var reasons: [String] = []
        /// For entries of what was found in whose cell rows were answered otherwise: those answers.
        var exceptions: [Int: [LookupException]] = [:]

        init(_ fields: [Field]) {
            capacity = 64
            entries = .allocate(capacity: capacity)
            mask = 255
            slots = .allocate(capacity: mask + 1)
            slots.initialize(repeating: -1, count: mask + 1)
            columns = fields.map { Column($0.type, capacity: 64) }
            for column in columns { column.appendNull() }
        }

        deinit {
            entries.deallocate()
            slots.deallocate()
        }

        @inline(__always)
        private static func start(_ hash: Int64, _ cell: Int64, _ kind: UInt8) -> Int {
            var mixed =
                UInt64(bitPattern: hash) &+ UInt64(bitPattern: cell) &* 0x9E37_79B9_7F4A_7C15
            mixed = (mixed ^ (mixed &>> 29)) &* 0xBF58_476D_1CE4_E5B9
            return Int(truncatingIfNeeded: (mixed &+ UInt64(kind)) &>> 8)
        }

        /// The entry of a key; -1 when there is none.
        func find(
            _ key: UnsafeBufferPointer<UInt8>, hash: Int64, kind: LookupTerms.Kind, cell: Int64
        ) -> Int {
            var slot = Half.start(hash, cell, kind.rawValue) & mask
            while true {
                let index = Int(slots[slot])
                if index < 0 { return -1 }
                let entry = entries + index
                if entry.pointee.hash == hash, entry.pointee.cell == cell,
                    entry.pointee.kind == kind, entry.pointee.keyCount == key.count,
                    key.count == 0
                        || memcmp(keys.base + entry.pointee.keyStart, key.baseAddress!, key.count)
                            == 0
                {
                    return index
                }
                slot = (slot &+ 1) & mask
            }
        }

        /// Adds an entry that is not there yet.
        func insert(
            _ key: UnsafeBufferPointer<UInt8>, hash: Int64, kind: LookupTerms.Kind, cell: Int64,
            row: Int32, needed: Int64
        ) -> Int {
            if count == capacity { grow() }
            let view = keys.append(key.baseAddress ?? UnsafePointer(keys.base), key.count)
            (entries + count).initialize(
                to: Entry(
                    hash: hash, cell: cell, keyStart: ByteView.start(view), keyCount: key.count,
                    kind: kind, row: row, needed: needed))
            place(count)
            count &+= 1
            return count &- 1
        }

        private func place(_ index: Int) {
            let entry = entries[index]
            var slot = Half.start(entry.hash, entry.cell, entry.kind.rawValue) & mask
            while slots[slot] >= 0 { slot = (slot &+ 1) & mask }
            slots[slot] = Int32(truncatingIfNeeded: index)
        }

        private func grow() {
            let moved = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
            moved.moveInitialize(from: entries, count: count)
            entries.deallocate()
            entries = moved
            capacity *= 2
            slots.deallocate()
            mask = capacity * 4 - 1
            slots = .allocate(capacity: mask + 1)
            slots.initialize(repeating: -1, count: mask + 1)
            for index in 0..<count { place(index) }
        }
    }

    let terms: LookupTerms
    private let fields: [Field]
    private let halfCount: Int
    private(set) var young: Half
    private var old: Half
    private var hasFailures = false

    /// What it is kept as that nothing is known of a key.
    let missingKind: LookupTerms.Kind

    /// Of about `rows` answers with these fields.
    init(_ fields: [Field], rows: Int, terms: LookupTerms) {
        self.fields = fields
        self.terms = terms
        halfCount = max(rows / 2, 32)
        young = Half(fields)
        old = Half(fields)
        missingKind = terms.missingMicros == terms.foundMicros ? .found : .missing
    }

    /// Gives the older half up when the younger one is full, but for what rows from `released` on need.
    mutating func turn(released: Int64) {
        guard young.count >= halfCount else { return }
        let dropped = old
        old = young
        young = Half(fields)
        for index in 0..<dropped.count where dropped.entries[index].needed >= released {
            _ = move(index, of: dropped)
        }
    }

    /// The entry in `young` that answers a row of `time`; -1 for none.
    ///
    /// A failure counts before a key that is not there, and that before values: so what is added later
    /// changes no answer that was given.
    mutating func resolve(
        _ key: UnsafeBufferPointer<UInt8>, hash: Int64, time: Int64
    ) -> Int {
        if hasFailures {
            let index = look(key, hash, .failed, time)
            if index >= 0 { return index }
        }
        if missingKind == .missing {
            let index = look(key, hash, .missing, terms.cell(.missing, hash: hash, time: time))
            if index >= 0 { return exception(to: index, key, hash, time) ?? index }
        }
        let index = look(key, hash, .found, terms.cell(.found, hash: hash, time: time))
        return index < 0 ? index : exception(to: index, key, hash, time) ?? index
    }

    /// The entry of the other answer that a row of `time` has in the cell of entry `index`, if it has one.
    private mutating func exception(
        to index: Int, _ key: UnsafeBufferPointer<UInt8>, _ hash: Int64, _ time: Int64
    ) -> Int? {
        if young.exceptions.isEmpty { return nil }
        guard let all = young.exceptions[index] else { return nil }
        if let failed = all.first(where: { $0.kind == .failed && $0.time == time }) {
            return addFailed(
                key, hash: hash, time: time, reason: failed.reason, needed: .min)
        }
        guard young.entries[index].kind == .found else { return nil }
        let cell = terms.cell(.missing, hash: hash, time: time)
        if all.contains(where: { $0.kind == .missing && $0.time == cell }) {
            return addMissing(key, hash: hash, time: time, needed: .min, exceptions: all)
        }
        return nil
    }

    private mutating func look(
        _ key: UnsafeBufferPointer<UInt8>, _ hash: Int64, _ kind: LookupTerms.Kind, _ cell: Int64
    ) -> Int {
        let index = young.find(key, hash: hash, kind: kind, cell: cell)
        if index >= 0 || old.count == 0 { return index }
        let older = old.find(key, hash: hash, kind: kind, cell: cell)
        return older < 0 ? -1 : move(older, of: old)
    }

    /// Copies an entry of an older half.
    private func move(_ index: Int, of half: Half) -> Int {
        let entry = half.entries[index]
        let key = UnsafeBufferPointer(
            start: UnsafePointer(half.keys.base) + entry.keyStart, count: entry.keyCount)
        let there = young.find(key, hash: entry.hash, kind: entry.kind, cell: entry.cell)
        if there >= 0 { return there }
        var row = entry.row
        if entry.kind == .failed {
            young.reasons.append(half.reasons[Int(row)])
            row = Int32(young.reasons.count - 1)
        } else if row > 0 {
            for (mine, theirs) in zip(young.columns, half.columns) {
                mine.append(from: theirs, row: Int(row))
            }
            row = Int32(newestRow)
        }
        let moved = young.insert(
            key, hash: entry.hash, kind: entry.kind, cell: entry.cell, row: row,
            needed: entry.needed)
        young.exceptions[moved] = half.exceptions[index]
        return moved
    }

    private var newestRow: Int { (young.columns.first?.count ?? 2) - 1 }

    /// Notes that a row of `time` needs an entry.
    @inline(__always)
    func need(_ index: Int, at time: Int64) {
        let entry = young.entries + index
        if entry.pointee.needed < time { entry.pointee.needed = time }
    }

    /// Adds the values in row `row` of `columns`; rows in `exceptions` have another answer.
    func addFound(
        _ key: UnsafeBufferPointer<UInt8>, hash: Int64, time: Int64, columns: [Column], row: Int,
        needed: Int64, exceptions: [LookupException]
    ) {
        for (mine, theirs) in zip(young.columns, columns) { mine.append(from: theirs, row: row) }
        let index = young.insert(
            key, hash: hash, kind: .found, cell: terms.cell(.found, hash: hash, time: time),
            row: Int32(newestRow), needed: needed)
        if !exceptions.isEmpty { young.exceptions[index] = exceptions }
    }

    /// Adds that nothing is known of a key; rows whose failure is among `exceptions` have that.
    @discardableResult
    func addMissing(
        _ key: UnsafeBufferPointer<UInt8>, hash: Int64, time: Int64, needed: Int64,
        exceptions: [LookupException]
    ) -> Int {
        let index = young.insert(
            key, hash: hash, kind: missingKind,
            cell: terms.cell(missingKind, hash: hash, time: time), row: 0, needed: needed)
        if !exceptions.isEmpty { young.exceptions[index] = exceptions }
        return index
    }

    /// Adds that a row of `time` has no answer.
    @discardableResult
    mutating func addFailed(
        _ key: UnsafeBufferPointer<UInt8>, hash: Int64, time: Int64, reason: String, needed: Int64
    ) -> Int {
        hasFailures = true
        young.reasons.append(reason)
        return young.insert(
            key, hash: hash, kind: .failed, cell: time, row: Int32(young.reasons.count - 1),
            needed: needed)
    }
}
