import Glibc
import StreamRuntime

/// The bytes that a column of strings or nested values brings to packed rows: where each row's lie.
struct PackedText {
    /// Where in a packed row the start and length of its bytes stand.
    private let place: Int
    private let views: UnsafePointer<UInt64>
    private let base: UnsafePointer<UInt8>
    private let validity: UnsafeMutablePointer<UInt8>?
    /// What the pointers point into.
    private let owner: Column

    /// The bytes of `column`, a string, bytes or nested one; nil for others.
    init?(_ column: Column, place: Int, count: Int) {
        switch column.type {
        case .string, .bytes: self.init(views: column, place: place, count: count)
        case .list, .structure:
            let bytes = Column(.bytes, capacity: count)
            let arena = bytes.arena!
            for row in 0..<count {
                let start = arena.count
                if column.isValid(row) { ValueBytes.append(column, row, to: arena) }
                bytes.views[row] = ByteView.pack(start: start, length: arena.count - start)
            }
            bytes.setCount(count)
            self.init(views: bytes, place: place, count: count)
        default: return nil
        }
    }

    /// The bytes of `column`, which has an arena.
    init(views column: Column, place: Int = 0, count: Int) {
        precondition(column.count >= count, "a value for every row")
        self.place = place
        owner = column
        views = UnsafePointer(column.views)
        base = UnsafePointer(column.arena!.base)
        validity = column.validity
    }

    @inline(__always) private func length(_ row: Int) -> Int {
        if let validity, validity[row] == 0 { return 0 }
        return ByteView.length(views[row])
    }

    /// The bytes of all rows.
    func total(_ count: Int) -> Int {
        var total = 0
        var row = 0
        while row < count {
            total &+= length(row)
            row &+= 1
        }
        return total
    }

    /// Adds the length of each row's bytes to what is in `lengths`.
    func addLengths(to lengths: UnsafeMutablePointer<Int>, _ count: Int) {
        var row = 0
        while row < count {
            lengths[row] &+= length(row)
            row &+= 1
        }
    }

    /// Writes a row's bytes behind their u32 length; returns how many bytes that are.
    @inline(__always) func write(_ row: Int, to at: UnsafeMutableRawPointer) -> Int {
        let length = length(row)
        at.storeBytes(of: UInt32(truncatingIfNeeded: length), as: UInt32.self)
        memcpy(at + 4, base + ByteView.start(views[row]), length)
        return length &+ 4
    }

    /// Writes every row's bytes where its packed row, from `starts`, ends so far, and moves that end.
    func write(
        to starts: UnsafeMutablePointer<UnsafeMutableRawPointer>,
        ends: UnsafeMutablePointer<Int>, _ count: Int
    ) {
        var row = 0
        while row < count {
            let length = length(row)
            let start = starts[row]
            let end = ends[row]
            // Start and length as a view has them.
            start.storeBytes(
                of: ByteView.pack(start: end, length: length), toByteOffset: place,
                as: UInt64.self)
            if length > 0 { memcpy(start + end, base + ByteView.start(views[row]), length) }
            ends[row] = end &+ length
            row &+= 1
        }
    }
}
