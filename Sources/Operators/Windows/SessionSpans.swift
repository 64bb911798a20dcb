import StreamRuntime

/// One session of a key.
///
/// - Units: microseconds; `end` is the last row's time plus the gap.
struct SessionSpan: BitwiseCopyable {
    var start: Int64
    var end: Int64
    /// The first row's time when the session was made: its name among those of the key.
    var id: Int64
    /// 1 once its result was given out.
    var hasFired: Int64
}

/// The sessions of one key in the blob of a state entry, ascending and apart.
struct SessionSpans {
    let entry: StateEntry
    let layout: StateLayout

    static let layout = StateLayout(fixedBytes: 0, blobs: 1)

    var count: Int { entry.blob(0, of: layout).count / MemoryLayout<SessionSpan>.stride }

    var all: [SessionSpan] {
        get {
            let bytes = UnsafeRawBufferPointer(entry.blob(0, of: layout))
            return (0..<count).map {
                bytes.loadUnaligned(
                    fromByteOffset: $0 * MemoryLayout<SessionSpan>.stride, as: SessionSpan.self)
            }
        }
        nonmutating set {
            let size = newValue.count * MemoryLayout<SessionSpan>.stride
            let base = entry.resizeBlob(0, to: size, of: layout)
            newValue.withUnsafeBytes {
                if let source = $0.baseAddress {
                    UnsafeMutableRawPointer(base).copyMemory(from: source, byteCount: size)
                }
            }
        }
    }

    /// The session called `id`, if it is there.
    func span(_ id: Int64) -> SessionSpan? {
        let bytes = UnsafeRawBufferPointer(entry.blob(0, of: layout))
        for index in 0..<count {
            let span = bytes.loadUnaligned(
                fromByteOffset: index * MemoryLayout<SessionSpan>.stride, as: SessionSpan.self)
            if span.id == id { return span }
        }
        return nil
    }

    /// Lengthens the only session there is if a row at `time` lies in it or close by; the usual case.
    @inline(__always) func extendOnly(_ time: Int64, gap: Int64) -> Bool {
        let bytes = entry.blob(0, of: layout)
        guard bytes.count == MemoryLayout<SessionSpan>.stride else { return false }
        let span = UnsafeMutableRawPointer(mutating: bytes.baseAddress!)
            .assumingMemoryBound(to: SessionSpan.self)
        guard span.pointee.hasFired == 0, time < span.pointee.end,
            time &+ gap > span.pointee.start
        else { return false }
        span.pointee.start = min(span.pointee.start, time)
        span.pointee.end = max(span.pointee.end, time &+ gap)
        return true
    }

    /// The session that a row at `time` lies in, which must be there.
    func id(of time: Int64) -> Int64 {
        let bytes = UnsafeRawBufferPointer(entry.blob(0, of: layout))
        for index in 0..<count {
            let span = bytes.loadUnaligned(
                fromByteOffset: index * MemoryLayout<SessionSpan>.stride, as: SessionSpan.self)
            if time >= span.start && time < span.end { return span.id }
        }
        preconditionFailure("a row that was placed lies in a session")
    }
}

/// Names of sessions as the tables of state know them, or keys alone, in memory that is used again.
final class SessionNames {
    /// Bytes of a session's id behind its key.
    static let idBytes = 8

    let bytes = Column(.bytes, capacity: 16)
    private let hashes = Column(.int64, capacity: 16)

    /// What was appended; good until `removeAll`.
    var keys: KeyColumn { KeyColumn(bytes: bytes, hashes: hashes) }

    func removeAll() {
        bytes.removeAll()
        hashes.removeAll()
    }

    /// Adds a session of a key, or with no id the key itself.
    func append(_ key: UnsafeBufferPointer<UInt8>, hash: Int64, id: Int64?) {
        if let id { append(key, id: id) } else { bytes.append(key) }
        hashes.append(hash)
    }

    /// Adds the bytes alone, for hashes that are elsewhere.
    @inline(__always)
    func append(_ key: UnsafeBufferPointer<UInt8>, id: Int64) {
        let arena = bytes.arena!
        let length = key.count + SessionNames.idBytes
        arena.reserve(length)
        let start = arena.count
        if let base = key.baseAddress { (arena.base + start).update(from: base, count: key.count) }
        UnsafeMutableRawPointer(arena.base + start + key.count)
            .storeBytes(of: id.bigEndian, as: Int64.self)
        arena.count = start + length
        bytes.reserve(1)
        bytes.views[bytes.count] = ByteView.pack(start: start, length: length)
        bytes.setCount(bytes.count + 1)
    }
}

/// The moments at which sessions are looked at: a heap, the earliest on top.
struct SessionAlarms {
    /// A moment and the session it is about.
    struct Alarm {
        let time: Int64
        let hash: Int64
        let key: [UInt8]
        let id: Int64
    }

    private var heap: [Alarm] = []

    var next: Int64? { heap.first?.time }

    mutating func push(_ alarm: Alarm) {
        heap.append(alarm)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].time <= heap[child].time { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    mutating func pop() -> Alarm {
        let top = heap[0]
        let last = heap.removeLast()
        if heap.isEmpty { return top }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].time < heap[least].time {
                least = child
            }
            if least == parent { return top }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
