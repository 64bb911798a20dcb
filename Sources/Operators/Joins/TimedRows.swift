import Glibc
import StreamRuntime

/// The rows of one side of an interval join under one key, in order of their event times: where each begins.
///
/// - Shape: a blob of 16 bytes a row: i64 event time, u32 where the row begins in the blob of rows, u32 0. Rows of one
///   event time are in the order they came.
struct TimedRows {
    let entry: StateEntry
    /// The blob with the places.
    let blob: Int
    let layout: StateLayout

    private static let stride = 16

    /// The number of rows.
    @inline(__always) var count: Int { entry.blob(blob, of: layout).count / TimedRows.stride }

    /// Where the first place is, good until the blob is changed.
    @inline(__always) var places: UnsafeRawPointer? {
        UnsafeRawPointer(entry.blob(blob, of: layout).baseAddress)
    }

    /// The event time of row `index`.
    @inline(__always) static func time(_ places: UnsafeRawPointer, _ index: Int) -> Int64 {
        places.loadUnaligned(fromByteOffset: index &* stride, as: Int64.self)
    }

    /// Where row `index` begins.
    @inline(__always) static func offset(_ places: UnsafeRawPointer, _ index: Int) -> Int {
        Int(places.loadUnaligned(fromByteOffset: index &* stride &+ 8, as: UInt32.self))
    }

    /// The first row at `time` or later, among those from `start` on.
    func first(at time: Int64) -> Int {
        guard let places else { return 0 }
        var low = 0
        var high = count
        while low < high {
            let middle = (low &+ high) >> 1
            if TimedRows.time(places, middle) < time { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// Adds a row that begins at `offset`, behind those of its time.
    func insert(_ time: Int64, offset: Int) {
        let held = count
        let isLast = held == 0 || TimedRows.time(places.unsafelyUnwrapped, held &- 1) <= time
        let place = isLast ? held : first(at: time &+ 1)
        let base = entry.resizeBlob(blob, to: (held &+ 1) &* TimedRows.stride, of: layout)
        let at = UnsafeMutableRawPointer(base + place &* TimedRows.stride)
        if place < held {
            memmove(at + TimedRows.stride, at, (held &- place) &* TimedRows.stride)
        }
        at.storeBytes(of: time, as: Int64.self)
        at.storeBytes(
            of: UInt64(UInt32(truncatingIfNeeded: offset)), toByteOffset: 8, as: UInt64.self)
    }

    /// Forgets all places.
    func removeAll() { entry.resizeBlob(blob, to: 0, of: layout) }
}
