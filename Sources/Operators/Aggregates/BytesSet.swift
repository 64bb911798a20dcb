import Glibc
import StreamRuntime

/// A set of byte strings that knows how often each was put in.
///
/// - Shape: word 0 the members, word 1 the records of members that were taken out again. The first blob
///   holds records one after the other: hash (8), times (8), length (4), 4 unused, bytes padded to 8.
///   The second blob, once there are more than eight records, is a table of open addressing of u32: a
///   record's position / 8 + 1, or 0.
struct BytesSet {
    static let fixedBytes = 16
    private static let listed = 8
    private static let head = 24

    let words: UnsafeMutablePointer<Int64>
    let entry: StateEntry
    let place: AccumulatorPlace

    private struct Record {
        let at: UnsafeMutableRawPointer
        var hash: Int64 { at.load(as: Int64.self) }
        var times: UnsafeMutablePointer<Int64> { (at + 8).assumingMemoryBound(to: Int64.self) }
        var length: Int { Int((at + 16).load(as: UInt32.self)) }
        var bytes: UnsafeBufferPointer<UInt8> {
            UnsafeBufferPointer(
                start: (at + BytesSet.head).assumingMemoryBound(to: UInt8.self), count: length)
        }
        var size: Int { BytesSet.head + (length + 7) / 8 * 8 }
    }

    /// Puts `bytes` in `times` times.
    func insert(_ bytes: UnsafeBufferPointer<UInt8>, hash: Int64, times: Int64 = 1) {
        if let record = find(bytes, hash) {
            if record.times.pointee == 0 {
                words[0] &+= 1
                words[1] &-= 1
            }
            record.times.pointee &+= times
            return
        }
        let start = place.bytes(entry).count
        let size = BytesSet.head + (bytes.count + 7) / 8 * 8
        let base = UnsafeMutableRawPointer(place.resize(entry, to: start + size))
        let at = base + start
        memset(at, 0, size)
        at.storeBytes(of: hash, as: Int64.self)
        (at + 8).storeBytes(of: times, as: Int64.self)
        (at + 16).storeBytes(of: UInt32(bytes.count), as: UInt32.self)
        if let source = bytes.baseAddress { memcpy(at + BytesSet.head, source, bytes.count) }
        words[0] &+= 1
        index(start, hash)
    }

    /// Takes `bytes`, which are in at least so often, out `times` times.
    func remove(_ bytes: UnsafeBufferPointer<UInt8>, hash: Int64, times: Int64) {
        guard let record = find(bytes, hash), record.times.pointee > 0 else { return }
        record.times.pointee &-= times
        if record.times.pointee == 0 {
            words[0] &-= 1
            words[1] &+= 1
            if words[1] > words[0] &+ 16 { compact() }
        }
    }

    func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int64, Int64) -> Void) {
        let blob = place.bytes(entry)
        guard let start = blob.baseAddress else { return }
        let base = UnsafeMutableRawPointer(mutating: start)
        var at = 0
        while at < blob.count {
            let record = Record(at: base + at)
            if record.times.pointee > 0 { body(record.bytes, record.hash, record.times.pointee) }
            at += record.size
        }
    }

    func add(_ other: BytesSet) {
        other.forEach { bytes, hash, times in insert(bytes, hash: hash, times: times) }
    }

    func subtract(_ other: BytesSet) {
        other.forEach { bytes, hash, times in remove(bytes, hash: hash, times: times) }
    }

    private func find(_ bytes: UnsafeBufferPointer<UInt8>, _ hash: Int64) -> Record? {
        let blob = place.bytes(entry)
        guard blob.count > 0 else { return nil }
        let base = UnsafeMutableRawPointer(mutating: blob.baseAddress!)
        let table = place.bytes(entry, 1)
        if table.count == 0 {
            var at = 0
            while at < blob.count {
                let record = Record(at: base + at)
                if record.hash == hash, ValueBytes.compare(record.bytes, bytes) == 0 {
                    return record
                }
                at += record.size
            }
            return nil
        }
        let slots = UnsafeRawPointer(table.baseAddress!).assumingMemoryBound(to: UInt32.self)
        let mask = table.count / 4 - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let record = Record(at: base + Int(slots[slot] - 1) * 8)
            if record.hash == hash, ValueBytes.compare(record.bytes, bytes) == 0 { return record }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Enters the new record at `start` into the table, making or growing it when it is time.
    private func index(_ start: Int, _ hash: Int64) {
        let records = Int(words[0] + words[1])
        let slots = place.bytes(entry, 1).count / 4
        if records <= BytesSet.listed, slots == 0 { return }
        if records * 4 > slots * 3 { return rebuild(max(32, slots * 2)) }
        let table = UnsafeMutableRawPointer(place.mutableBytes(entry, 1))
            .assumingMemoryBound(to: UInt32.self)
        BytesSet.enter(start, hash, table, slots - 1)
    }

    private static func enter(
        _ start: Int, _ hash: Int64, _ table: UnsafeMutablePointer<UInt32>, _ mask: Int
    ) {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while table[slot] != 0 { slot = (slot + 1) & mask }
        table[slot] = UInt32(start / 8 + 1)
    }

    private func rebuild(_ slots: Int) {
        let table = UnsafeMutableRawPointer(place.resize(entry, 1, to: slots * 4))
            .assumingMemoryBound(to: UInt32.self)
        table.update(repeating: 0, count: slots)
        let blob = place.bytes(entry)
        guard let start = blob.baseAddress else { return }
        let base = UnsafeMutableRawPointer(mutating: start)
        var at = 0
        while at < blob.count {
            let record = Record(at: base + at)
            BytesSet.enter(at, record.hash, table, slots - 1)
            at += record.size
        }
    }

    /// Drops the records of what was taken out.
    private func compact() {
        let length = place.bytes(entry).count
        let base = UnsafeMutableRawPointer(place.mutableBytes(entry))
        var from = 0
        var to = 0
        while from < length {
            let record = Record(at: base + from)
            let size = record.size
            if record.times.pointee > 0 {
                if from != to { memmove(base + to, base + from, size) }
                to += size
            }
            from += size
        }
        place.resize(entry, to: to)
        words[1] = 0
        if words[0] <= BytesSet.listed {
            place.resize(entry, 1, to: 0)
        } else {
            var slots = 32
            while Int(words[0]) * 4 > slots * 2 { slots *= 2 }
            rebuild(slots)
        }
    }
}

/// `count(distinct x)` of strings, decimals, lists and structs, exact.
struct DistinctBytesAccumulator: Accumulator {
    var fixedBytes: Int { BytesSet.fixedBytes }
    var blobs: Int { 2 }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> BytesSet {
        BytesSet(words: place.words(entry), entry: entry, place: place)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        var prepared = PreparedArguments(columns: arguments)
        prepared.keys = DistinctBytesAccumulator.keys(arguments[0], count: count)
        return prepared
    }

    /// Key bytes and stable hashes of any column; nested values by their value bytes.
    static func keys(_ column: Column, count: Int) -> KeyColumn {
        if KeyEncoder.accepts(column.type) {
            return KeyEncoder(columns: []).encode([column], count: count)
        }
        let bytes = Column(.bytes, capacity: count)
        let arena = ByteArena()
        for row in 0..<count {
            arena.count = 0
            ValueBytes.append(column, row, to: arena)
            bytes.append(UnsafeBufferPointer(start: arena.base, count: arena.count))
        }
        return KeyEncoder(columns: []).encode([bytes], count: count)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let keys = rows.arguments.keys!
        for row in range where rows.counts(row) {
            set(rows.entries[row], place)
                .insert(keys.bytes.bytes(row), hash: keys.hashes.int64s[row])
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        set(target, place).add(set(source, place))
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        set(target, place).subtract(set(source, place))
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count { column.append(place.words(entries[slot])[0]) }
    }
}
