import Glibc
import StreamRuntime

/// Where rows of tables begin in memory, one after another; a list that keeps its room.
final class FoundRows {
    private(set) var places: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private(set) var count = 0
    private var capacity = 256

    init() { places = .allocate(capacity: capacity) }

    deinit { places.deallocate() }

    func removeAll() { count = 0 }

    @inline(__always) func add(_ place: UnsafeMutableRawPointer) {
        if count == capacity { grow() }
        places[count] = place
        count &+= 1
    }

    private func grow() {
        let moved = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: capacity * 2)
        moved.update(from: places, count: count)
        places.deallocate()
        places = moved
        capacity *= 2
    }
}

/// Rows where they lie, and rows without a key: a bag, in the order they came.
///
/// - Shape: of a bag piece 0 has the newest rows; full, it becomes a piece of its own at the end of the directory.
extension JoinMap {
    /// Adds the rows of a key that came after `limit` to `found`, in order.
    ///
    /// - Parameter changing: whether what is noted of them may be written to.
    func collect(
        _ entry: StateEntry, after limit: Int64, isBag: Bool, changing: Bool,
        into found: FoundRows
    ) throws(JobFailure) {
        let own = entry.blob(form.blob + 1, of: directory.layout)
        let list = entry.blob(form.blob, of: directory.layout)
        if list.isEmpty { return JoinMap.collect(own, after: limit, into: found) }
        if !isBag { JoinMap.collect(own, after: limit, into: found) }
        var at = 0
        while at < list.count {
            let word = UnsafeRawPointer(list.baseAddress! + at)
            let number = word.loadUnaligned(as: UInt32.self)
            at += 8 + Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let piece = try self.piece(number, of: entry, changing: changing)
            JoinMap.collect(
                piece.entry.blob(piece.blob, of: piece.layout), after: limit, into: found)
        }
        if isBag { JoinMap.collect(own, after: limit, into: found) }
    }

    @inline(__always)
    private static func collect(
        _ content: UnsafeBufferPointer<UInt8>, after limit: Int64, into found: FoundRows
    ) {
        guard let start = content.baseAddress else { return }
        let base = UnsafeMutableRawPointer(mutating: start)
        let length = content.count
        var at = 0
        while at < length {
            let row = base + at
            if row.loadUnaligned(fromByteOffset: 8, as: Int64.self) > limit { found.add(row) }
            at &+= Int(row.loadUnaligned(as: UInt32.self))
        }
    }

    /// The row at `place`, without its head and key.
    @inline(__always)
    func content(at place: UnsafeMutableRawPointer) -> UnsafeBufferPointer<UInt8> {
        let before = head &+ Int(place.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        return UnsafeBufferPointer(
            start: UnsafePointer((place + before).assumingMemoryBound(to: UInt8.self)),
            count: Int(place.loadUnaligned(as: UInt32.self)) &- before)
    }

    // MARK: bags

    /// Adds a row to a bag.
    @inline(__always)
    func append(
        _ bytes: UnsafeBufferPointer<UInt8>, at time: Int64, note: Int64, to entry: StateEntry
    ) throws(JobFailure) {
        let layout = directory.layout
        let length = entry.blob(form.blob &+ 1, of: layout).count
        let size = head &+ bytes.count
        let base = entry.resizeBlob(form.blob &+ 1, to: length &+ size, of: layout)
        let row = UnsafeMutableRawPointer(base + length)
        row.storeBytes(of: UInt32(truncatingIfNeeded: size), as: UInt32.self)
        row.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        row.storeBytes(of: time, toByteOffset: 8, as: Int64.self)
        if head > 16 { row.storeBytes(of: note, toByteOffset: 16, as: Int64.self) }
        if let from = bytes.baseAddress { memcpy(row + head, from, bytes.count) }
        count(entry, 1)
        if length &+ size > JoinMap.pieceMax { try seal(entry) }
    }

    /// Makes piece 0 of a bag a piece of its own.
    private func seal(_ entry: StateEntry) throws(JobFailure) {
        let next = entry.value.load(fromByteOffset: form.count + 8, as: Int64.self) + 1
        entry.value.storeBytes(of: next, toByteOffset: form.count + 8, as: Int64.self)
        let content = entry.blob(form.blob + 1, of: directory.layout)
        let piece = try self.piece(UInt32(next), of: entry, changing: true)
        piece.entry.resizeBlob(piece.blob, to: content.count, of: piece.layout)
            .update(from: content.baseAddress!, count: content.count)
        let length = entry.blob(form.blob, of: directory.layout).count
        let base = entry.resizeBlob(form.blob, to: length + 8, of: directory.layout)
        let word = UnsafeMutableRawPointer(base + length)
        word.storeBytes(of: UInt32(next), as: UInt32.self)
        word.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        entry.resizeBlob(form.blob + 1, to: 0, of: directory.layout)
    }

    /// The oldest row of a bag equal to `bytes` that came after `limit`.
    func row(
        equal bytes: UnsafeBufferPointer<UInt8>, after limit: Int64, in entry: StateEntry
    ) throws(JobFailure) -> Row? {
        guard let (piece, place, size) = try find(equal: bytes, after: limit, in: entry) else {
            return nil
        }
        let content = piece.entry.blob(piece.blob, of: piece.layout)
        let row = UnsafeRawPointer(content.baseAddress! + place)
        return Row(
            note: head > 16 ? row.loadUnaligned(fromByteOffset: 16, as: Int64.self) : 0,
            time: row.loadUnaligned(fromByteOffset: 8, as: Int64.self),
            key: UnsafeBufferPointer(start: nil, count: 0),
            bytes: UnsafeBufferPointer(rebasing: content[(place + head)..<(place + size)]))
    }

    /// Takes that row away.
    func remove(
        equal bytes: UnsafeBufferPointer<UInt8>, after limit: Int64, from entry: StateEntry
    ) throws(JobFailure) {
        guard let (piece, place, size) = try find(equal: bytes, after: limit, in: entry) else {
            return
        }
        cut(place..<(place + size), of: piece)
        count(entry, -1)
        try dropIfEmpty(piece, of: entry)
    }

    private func find(
        equal bytes: UnsafeBufferPointer<UInt8>, after limit: Int64, in entry: StateEntry
    ) throws(JobFailure) -> (Piece, Int, Int)? {
        let list = entry.blob(form.blob, of: directory.layout)
        var at = 0
        while true {
            let isOwn = at >= list.count
            let number =
                isOwn ? 0 : UnsafeRawPointer(list.baseAddress! + at).loadUnaligned(as: UInt32.self)
            let piece = try self.piece(number, of: entry, changing: true)
            let content = piece.entry.blob(piece.blob, of: piece.layout)
            var place = 0
            while place < content.count {
                let row = UnsafeRawPointer(content.baseAddress! + place)
                let size = Int(row.loadUnaligned(as: UInt32.self))
                if size - head == bytes.count,
                    row.loadUnaligned(fromByteOffset: 8, as: Int64.self) > limit,
                    bytes.isEmpty || memcmp(row + head, bytes.baseAddress!, bytes.count) == 0
                {
                    return (piece, place, size)
                }
                place += size
            }
            if isOwn { return nil }
            at += 8
        }
    }
}
