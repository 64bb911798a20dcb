import Glibc
import StreamRuntime

/// The first rows of one key by an order, in that order, in the blob of a state entry.
///
/// - Shape: words: the rows, where the last one begins, the fingerprint of the columns, when a row last came
///   among them. The blob has them one after another: u32 size, u32 length of the sort key, that key, the
///   packed row. Rows equal by the order are in the order they came.
struct TopList {
    static let words = 4
    static let head = 8
    static func layout() -> StateLayout { StateLayout(fixedBytes: words * 8, blobs: 1) }

    let entry: StateEntry
    let layout: StateLayout

    @inline(__always) var fixed: UnsafeMutablePointer<Int64> {
        entry.value.assumingMemoryBound(to: Int64.self)
    }

    @inline(__always) var count: Int { Int(fixed[0]) }

    /// The first byte of the rows.
    @inline(__always) var base: UnsafePointer<UInt8>? { entry.blob(0, of: layout).baseAddress }

    /// One row of a list.
    struct Row {
        let start: UnsafePointer<UInt8>

        @inline(__always) var size: Int {
            Int(UnsafeRawPointer(start).loadUnaligned(as: UInt32.self))
        }
        @inline(__always) var keyLength: Int {
            Int(UnsafeRawPointer(start).loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        }
        @inline(__always) var key: UnsafePointer<UInt8> { start + TopList.head }
        @inline(__always) var row: UnsafePointer<UInt8> { start + TopList.head + keyLength }
        @inline(__always) var rowLength: Int { size &- TopList.head &- keyLength }
    }

    /// Below, equal to or above 0, as `key` comes before, with or after the last row, of which there is one.
    @inline(__always)
    func compareToLast(_ key: UnsafePointer<UInt8>, _ length: Int) -> Int {
        let last = Row(start: base.unsafelyUnwrapped + Int(fixed[1]))
        return SortKeys.compare(key, length, last.key, last.keyLength)
    }

    /// Where a row of `key` belongs: behind those that come before it or are equal to it.
    ///
    /// - Returns: how many rows come before, and the byte it begins at.
    @inline(__always)
    func place(of key: UnsafePointer<UInt8>, _ length: Int) -> (index: Int, at: Int) {
        guard let base else { return (0, 0) }
        let count = count
        var at = 0
        var index = 0
        while index < count {
            let row = Row(start: base + at)
            if SortKeys.compare(key, length, row.key, row.keyLength) < 0 { break }
            at &+= row.size
            index &+= 1
        }
        return (index, at)
    }

    /// Puts a row in at byte `at`, before row `index`.
    func insert(
        _ key: UnsafePointer<UInt8>, _ keyLength: Int, _ row: UnsafePointer<UInt8>,
        _ rowLength: Int, at: Int, index: Int
    ) {
        let held = entry.blob(0, of: layout).count
        let size = TopList.head &+ keyLength &+ rowLength
        let base = entry.resizeBlob(0, to: held &+ size, of: layout)
        if at < held { memmove(base + at + size, base + at, held &- at) }
        TopList.write(key, keyLength, row, rowLength, to: base + at)
        let count = fixed[0]
        fixed[0] = count &+ 1
        if index == Int(count) { fixed[1] = Int64(at) } else { fixed[1] &+= Int64(size) }
    }

    /// Puts one row in the place of all.
    @inline(__always)
    func replaceAll(
        _ key: UnsafePointer<UInt8>, _ keyLength: Int, _ row: UnsafePointer<UInt8>,
        _ rowLength: Int
    ) {
        let base = entry.resizeBlob(
            0, to: TopList.head &+ keyLength &+ rowLength, of: layout)
        TopList.write(key, keyLength, row, rowLength, to: base)
        fixed[0] = 1
        fixed[1] = 0
    }

    @inline(__always)
    private static func write(
        _ key: UnsafePointer<UInt8>, _ keyLength: Int, _ row: UnsafePointer<UInt8>,
        _ rowLength: Int, to base: UnsafeMutablePointer<UInt8>
    ) {
        let target = UnsafeMutableRawPointer(base)
        target.storeBytes(
            of: UInt32(truncatingIfNeeded: head &+ keyLength &+ rowLength), as: UInt32.self)
        target.storeBytes(
            of: UInt32(truncatingIfNeeded: keyLength), toByteOffset: 4, as: UInt32.self)
        memcpy(target + head, key, keyLength)
        memcpy(target + head + keyLength, row, rowLength)
    }

    /// Keeps the first `kept` rows only.
    func cut(to kept: Int) {
        guard kept < count else { return }
        guard kept > 0, let base else {
            entry.resizeBlob(0, to: 0, of: layout)
            fixed[0] = 0
            fixed[1] = 0
            return
        }
        var at = 0
        var last = 0
        for _ in 0..<kept {
            last = at
            at += Row(start: base + at).size
        }
        entry.resizeBlob(0, to: at, of: layout)
        fixed[0] = Int64(kept)
        fixed[1] = Int64(last)
    }

    /// Takes the last row out; there is another before it.
    func cutLast(before: Int) {
        entry.resizeBlob(0, to: Int(fixed[1]), of: layout)
        fixed[0] &-= 1
        fixed[1] = Int64(before)
    }
}

/// Numbers rows that come in order, one after another.
struct TopNumbers {
    private let ties: TopTies
    private var seen = 0
    private var current = 0
    private var key: UnsafePointer<UInt8>?
    private var length = 0

    init(_ ties: TopTies) { self.ties = ties }

    /// The number of the next row, whose sort key is `key`.
    mutating func next(_ key: UnsafePointer<UInt8>, _ length: Int) -> Int {
        let isSame =
            self.key.map { SortKeys.compare($0, self.length, key, length) == 0 } ?? false
        self.key = key
        self.length = length
        return next(isSame: isSame)
    }

    /// The number of the next row, which is equal by the order to the one before or not.
    mutating func next(isSame: Bool) -> Int {
        seen += 1
        switch ties {
        case .rowNumber: current = seen
        case .rank: if !isSame { current = seen }
        case .denseRank: if !isSame { current += 1 }
        }
        return current
    }
}
