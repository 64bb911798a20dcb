import Glibc
import StreamRuntime

/// The rows of a table, several for each key of a join, in the order of the table's own key.
///
/// A key's rows are in pieces of at most about 4 KiB, so that a change writes no more than that; the
/// directory of a key knows with which row each piece begins.
///
/// - Shape: state `table`, by the key of the join: the count of rows, the number of the next piece and the
///   fingerprint of the fields, 8 bytes each; blob 0 has the pieces after the first (u32 number, u32 length of
///   a key, the key), blob 1 is piece 0. State `pieces`, by that key and the number: the piece. A piece is
///   rows in order: u32 size, u32 length of the key, i64 time, the key, the row.
final class JoinMap {
    /// Where in an entry the map has its words and blobs, and how long the head of a row is.
    struct Form {
        /// The count of rows; the number of the next piece is behind it.
        var count = 0
        var fingerprint = 16
        /// The directory; piece 0 is behind it.
        var blob = 0
        /// 16, or 24 with a word for what the join notes of a row.
        var head = 16
    }

    let directory: KeyedState
    let form: Form
    private let pieces: KeyedState
    private let fingerprint: Int64
    private let keyBytes = Column(.bytes, capacity: 1)
    private let hashes = Column(.int64, capacity: 1)
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)

    static let pieceMax = 4096
    /// The bytes before the key of a row.
    var head: Int { form.head }

    init(
        _ context: OperatorContext, fingerprint: Int64, name: String = "table"
    ) throws(JobFailure) {
        self.fingerprint = fingerprint
        form = Form()
        directory = try context.state.state(
            name, of: context.stepId, layout: StateLayout(fixedBytes: 24, blobs: 2, version: 2))
        pieces = try context.state.state(
            name == "table" ? "pieces" : "\(name) pieces", of: context.stepId,
            layout: StateLayout(fixedBytes: 0, blobs: 1))
        try JoinMap.check(directory, at: 16, fingerprint, context)
    }

    /// A map that has part of the entries of `directory`.
    init(
        _ context: OperatorContext, in directory: KeyedState, form: Form, fingerprint: Int64,
        name: String
    ) throws(JobFailure) {
        self.fingerprint = fingerprint
        self.form = form
        self.directory = directory
        pieces = try context.state.state(
            "\(name) pieces", of: context.stepId, layout: StateLayout(fixedBytes: 0, blobs: 1))
    }

    deinit { found.deallocate() }

    /// Tells of state that was written for other fields.
    static func check(
        _ state: KeyedState, at offset: Int, _ fingerprint: Int64, _ context: OperatorContext
    ) throws(JobFailure) {
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
        defer { entries.deallocate() }
        for namespace in state.namespaces {
            guard try state.table(namespace).cursor().next(1, into: entries) == 1 else { continue }
            let there = entries[0].value.load(fromByteOffset: offset, as: Int64.self)
            guard there != fingerprint, there != 0 else { continue }
            throw JobFailure(
                .step, "the join has rows in its state that have other columns than now",
                at: "step \(context.stepId)",
                remedy:
                    "give the step a new id, so that it begins afresh, or bring the columns back")
        }
    }

    func isEmpty(_ entry: StateEntry) -> Bool {
        entry.value.load(fromByteOffset: form.count, as: Int64.self) == 0
    }

    // MARK: reading

    /// A row of the table.
    struct Row {
        /// What the join has noted of the row; 0 where there is no room for it.
        var note: Int64 = 0
        let time: Int64
        /// Its own key in the table.
        let key: UnsafeBufferPointer<UInt8>
        let bytes: UnsafeBufferPointer<UInt8>
    }

    /// The rows of one key, in order.
    struct Rows {
        fileprivate let map: JoinMap
        fileprivate let entry: StateEntry
        fileprivate var piece: UnsafeBufferPointer<UInt8>
        fileprivate var at = 0
        /// Where in the directory the next piece is.
        fileprivate var place = 0

        mutating func next() throws(JobFailure) -> Row? {
            while at >= piece.count {
                let directory = entry.blob(map.form.blob, of: map.directory.layout)
                if place >= directory.count { return nil }
                let word = UnsafeRawPointer(directory.baseAddress! + place)
                let number = word.loadUnaligned(as: UInt32.self)
                place += 8 + Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                let found = try map.piece(number, of: entry, changing: false)
                piece = found.entry.blob(found.blob, of: found.layout)
                at = 0
            }
            let row = UnsafeRawPointer(piece.baseAddress! + at)
            let size = Int(row.loadUnaligned(as: UInt32.self))
            let key = Int(row.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            at += size
            return Row(
                time: row.loadUnaligned(fromByteOffset: 8, as: Int64.self),
                key: UnsafeBufferPointer(
                    start: (row + map.head).assumingMemoryBound(to: UInt8.self), count: key),
                bytes: UnsafeBufferPointer(
                    start: (row + map.head + key).assumingMemoryBound(to: UInt8.self),
                    count: size - map.head - key))
        }
    }

    /// The rows of the key of `entry`.
    func rows(of entry: StateEntry) -> Rows {
        Rows(map: self, entry: entry, piece: entry.blob(form.blob + 1, of: directory.layout))
    }

    /// The row with the key in front of `bytes`, if there is one.
    func row(
        of bytes: UnsafeBufferPointer<UInt8>, in entry: StateEntry
    ) throws(JobFailure) -> Row? {
        let keyLength = Int(UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self))
        let key = UnsafeBufferPointer(rebasing: bytes[4..<(4 + keyLength)])
        let piece = try self.piece(holding: key, of: entry)
        let content = piece.entry.blob(piece.blob, of: piece.layout)
        let (place, size) = find(key, in: content)
        if size == 0 { return nil }
        let row = UnsafeRawPointer(content.baseAddress! + place)
        return Row(
            note: head > 16 ? row.loadUnaligned(fromByteOffset: 16, as: Int64.self) : 0,
            time: row.loadUnaligned(fromByteOffset: 8, as: Int64.self),
            key: key,
            bytes: UnsafeBufferPointer(
                start: (row + head + keyLength).assumingMemoryBound(to: UInt8.self),
                count: size - head - keyLength))
    }

    // MARK: changing

    /// Puts a row, which comes as u32 length of its key, the key and the row, in its place.
    ///
    /// - Returns: false: the key has a row.
    func put(
        _ bytes: UnsafeBufferPointer<UInt8>, at time: Int64, note: Int64 = 0,
        into entry: StateEntry
    ) throws(JobFailure) -> Bool {
        entry.value.storeBytes(
            of: fingerprint, toByteOffset: form.fingerprint, as: Int64.self)
        let keyLength = Int(UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self))
        let key = UnsafeBufferPointer(rebasing: bytes[4..<(4 + keyLength)])
        let piece = try self.piece(holding: key, of: entry)
        let content = piece.entry.blob(piece.blob, of: piece.layout)
        let (place, old) = find(key, in: content)
        let size = head + bytes.count - 4
        let length = content.count
        let base = piece.entry.resizeBlob(
            piece.blob, to: max(length, length - old + size), of: piece.layout)
        memmove(base + place + size, base + place + old, length - place - old)
        if size < old {
            piece.entry.resizeBlob(piece.blob, to: length - old + size, of: piece.layout)
        }
        let row = UnsafeMutableRawPointer(base + place)
        row.storeBytes(of: UInt32(size), as: UInt32.self)
        row.storeBytes(of: UInt32(keyLength), toByteOffset: 4, as: UInt32.self)
        row.storeBytes(of: time, toByteOffset: 8, as: Int64.self)
        if head > 16 { row.storeBytes(of: note, toByteOffset: 16, as: Int64.self) }
        memcpy(row + head, bytes.baseAddress! + 4, bytes.count - 4)
        if old == 0 { count(entry, 1) }
        if length - old + size > JoinMap.pieceMax { try split(piece, of: entry) }
        return false
    }

    /// Takes the row with the key in front of `bytes` away, if there is one.
    ///
    /// - Returns: whether the key has no row any more.
    func remove(
        _ bytes: UnsafeBufferPointer<UInt8>, from entry: StateEntry
    ) throws(JobFailure) -> Bool {
        let keyLength = Int(UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self))
        let key = UnsafeBufferPointer(rebasing: bytes[4..<(4 + keyLength)])
        let piece = try self.piece(holding: key, of: entry)
        let content = piece.entry.blob(piece.blob, of: piece.layout)
        let (place, old) = find(key, in: content)
        if old > 0 {
            cut(place..<(place + old), of: piece)
            count(entry, -1)
            try dropIfEmpty(piece, of: entry)
        }
        return isEmpty(entry)
    }

    /// Takes away the rows that came at `until` or before.
    ///
    /// - Returns: whether the key has no row any more.
    func expire(
        _ entry: StateEntry, until: Int64, forgotten: inout Int
    ) throws(JobFailure) -> Bool {
        var numbers: [UInt32] = [0]
        let list = entry.blob(form.blob, of: directory.layout)
        var at = 0
        while at < list.count {
            let word = UnsafeRawPointer(list.baseAddress! + at)
            numbers.append(word.loadUnaligned(as: UInt32.self))
            at += 8 + Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        }
        for number in numbers {
            let piece = try self.piece(number, of: entry, changing: true)
            var place = 0
            while true {
                let content = piece.entry.blob(piece.blob, of: piece.layout)
                if place >= content.count { break }
                let row = UnsafeRawPointer(content.baseAddress! + place)
                let size = Int(row.loadUnaligned(as: UInt32.self))
                if row.loadUnaligned(fromByteOffset: 8, as: Int64.self) <= until {
                    try directory.table(0).markChanged(entry)
                    cut(place..<(place + size), of: piece)
                    count(entry, -1)
                    forgotten += 1
                } else {
                    place += size
                }
            }
            try dropIfEmpty(piece, of: entry)
        }
        return isEmpty(entry)
    }

    func count(_ entry: StateEntry, _ more: Int64) {
        let count = entry.value.load(fromByteOffset: form.count, as: Int64.self)
        entry.value.storeBytes(of: count + more, toByteOffset: form.count, as: Int64.self)
    }

    func cut(_ range: Range<Int>, of piece: Piece) {
        let length = piece.entry.blob(piece.blob, of: piece.layout).count
        let base = piece.entry.resizeBlob(piece.blob, to: length, of: piece.layout)
        memmove(base + range.lowerBound, base + range.upperBound, length - range.upperBound)
        piece.entry.resizeBlob(piece.blob, to: length - range.count, of: piece.layout)
    }

    // MARK: pieces

    /// A piece: an entry of its own or, for piece 0, a blob of the directory's.
    struct Piece {
        let number: UInt32
        let entry: StateEntry
        let blob: Int
        let layout: StateLayout
    }

    func piece(
        _ number: UInt32, of entry: StateEntry, changing: Bool
    ) throws(JobFailure) -> Piece {
        if number == 0 {
            return Piece(
                number: 0, entry: entry, blob: form.blob + 1, layout: directory.layout)
        }
        keyBytes.removeAll()
        hashes.removeAll()
        let arena = keyBytes.arena!
        let key = entry.key
        arena.reserve(key.count + 4)
        if let base = key.baseAddress { memcpy(arena.base, base, key.count) }
        UnsafeMutableRawPointer(arena.base + key.count).storeBytes(
            of: number.bigEndian, as: UInt32.self)
        arena.count = key.count + 4
        keyBytes.views[0] = ByteView.pack(start: 0, length: key.count + 4)
        keyBytes.setCount(1)
        // The pieces of a key stay in its group.
        let own = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
        hashes.append(entry.hash ^ Int64(bitPattern: own >> 10))
        let keys = KeyColumn(bytes: keyBytes, hashes: hashes)
        let table = try pieces.table(0)
        if changing {
            try table.resolve(keys, rows: nil, count: 1, into: found)
            found[0].settle()
        } else {
            try table.find(keys, rows: nil, count: 1, into: found)
        }
        return Piece(number: number, entry: found[0], blob: 0, layout: pieces.layout)
    }

    /// The piece a row of `key` belongs to.
    private func piece(
        holding key: UnsafeBufferPointer<UInt8>, of entry: StateEntry
    ) throws(JobFailure) -> Piece {
        let list = entry.blob(form.blob, of: directory.layout)
        var number: UInt32 = 0
        var at = 0
        while at < list.count {
            let word = UnsafeRawPointer(list.baseAddress! + at)
            let length = Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let first = UnsafeBufferPointer(rebasing: list[(at + 8)..<(at + 8 + length)])
            if JoinMap.compare(key, first) < 0 { break }
            number = word.loadUnaligned(as: UInt32.self)
            at += 8 + length
        }
        return try piece(number, of: entry, changing: true)
    }

    /// Moves the upper half of a piece into a new one.
    private func split(_ piece: Piece, of entry: StateEntry) throws(JobFailure) {
        let content = piece.entry.blob(piece.blob, of: piece.layout)
        var at = 0
        while true {
            let size = UnsafeRawPointer(content.baseAddress! + at).loadUnaligned(as: UInt32.self)
            if at > 0, at + Int(size) > content.count / 2 { break }
            at += Int(size)
            if at >= content.count { return }
        }
        let next = entry.value.load(fromByteOffset: form.count + 8, as: Int64.self) + 1
        entry.value.storeBytes(of: next, toByteOffset: form.count + 8, as: Int64.self)
        let upper = try self.piece(UInt32(next), of: entry, changing: true)
        let rest = content.count - at
        upper.entry.resizeBlob(0, to: rest, of: upper.layout)
            .update(from: content.baseAddress! + at, count: rest)
        let moved = UnsafeRawPointer(content.baseAddress! + at)
        let keyLength = Int(moved.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        // A piece's place in the directory is behind that of the one it was cut from.
        let list = entry.blob(form.blob, of: directory.layout)
        var place = 0
        while place < list.count, piece.number != 0 {
            let word = UnsafeRawPointer(list.baseAddress! + place)
            place += 8 + Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            if word.loadUnaligned(as: UInt32.self) == piece.number { break }
        }
        let length = list.count
        let base = entry.resizeBlob(
            form.blob, to: length + 8 + keyLength, of: directory.layout)
        memmove(base + place + 8 + keyLength, base + place, length - place)
        let row = UnsafeMutableRawPointer(base + place)
        row.storeBytes(of: UInt32(next), as: UInt32.self)
        row.storeBytes(of: UInt32(keyLength), toByteOffset: 4, as: UInt32.self)
        memcpy(row + 8, moved + head, keyLength)
        piece.entry.resizeBlob(piece.blob, to: at, of: piece.layout)
    }

    /// Takes a piece without rows out of the directory; piece 0 stays.
    func dropIfEmpty(_ piece: Piece, of entry: StateEntry) throws(JobFailure) {
        guard piece.number != 0, piece.entry.blob(0, of: piece.layout).isEmpty else { return }
        try pieces.table(0).remove(piece.entry)
        let list = entry.blob(form.blob, of: directory.layout)
        var at = 0
        while at < list.count {
            let word = UnsafeRawPointer(list.baseAddress! + at)
            let size = 8 + Int(word.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            if word.loadUnaligned(as: UInt32.self) == piece.number {
                let length = list.count
                let base = entry.resizeBlob(form.blob, to: length, of: directory.layout)
                memmove(base + at, base + at + size, length - at - size)
                entry.resizeBlob(form.blob, to: length - size, of: directory.layout)
                return
            }
            at += size
        }
    }

    /// Where the row of `key` is in a piece, or belongs, and how long it is; 0 when it is not there.
    private func find(
        _ key: UnsafeBufferPointer<UInt8>, in content: UnsafeBufferPointer<UInt8>
    ) -> (place: Int, size: Int) {
        var at = 0
        while at < content.count {
            let row = UnsafeRawPointer(content.baseAddress! + at)
            let size = Int(row.loadUnaligned(as: UInt32.self))
            let length = Int(row.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let there = UnsafeBufferPointer(
                start: (row + head).assumingMemoryBound(to: UInt8.self), count: length)
            let comparison = JoinMap.compare(key, there)
            if comparison == 0 { return (at, size) }
            if comparison < 0 { break }
            at += size
        }
        return (at, 0)
    }

    static func compare(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let shared = min(left.count, right.count)
        let order = shared == 0 ? 0 : Int(memcmp(left.baseAddress!, right.baseAddress!, shared))
        return order != 0 ? order : left.count - right.count
    }
}
