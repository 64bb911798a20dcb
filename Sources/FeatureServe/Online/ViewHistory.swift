import Glibc
import StreamRuntime
import Synchronization

/// The versions a view had, for lookups about a past moment.
///
/// - Shape: rows at rest beside the online rows: key = the byte FE, table id and view id (u16 big-endian each), length
///   of the entity key (u16 big-endian), entity key, event time and visible time inverted (u64 big-endian
///   each), so that a key's newest version comes first. Value = a version as online rows have it.
final class ViewHistory: Sendable {
    /// How far back answers are given, in microseconds.
    let retentionMicros: Int64
    private let prefix: [UInt8]
    private let codec: OnlineRowCodec
    private let rows: any OnlineRows
    private let state = Mutex(State())

    private struct State {
        var pending: [(key: [UInt8], value: [UInt8])] = []
        var pendingBytes = 0
        /// Where trimming goes on.
        var trimmed: [UInt8]?
        var written = 0
        var removed = 0
    }

    /// Bytes of versions that wait to be put at rest.
    private static let pendingMax = 1 << 20
    private static let timeBytes = 16

    init(
        tableId: UInt16, viewId: UInt16, retentionMicros: Int64, codec: OnlineRowCodec,
        rows: any OnlineRows
    ) {
        self.retentionMicros = retentionMicros
        self.codec = codec
        self.rows = rows
        prefix = [
            0xFE, UInt8(tableId >> 8), UInt8(tableId & 255), UInt8(viewId >> 8),
            UInt8(viewId & 255),
        ]
    }

    /// Versions written and trimmed since the store was opened.
    var figures: (written: Int, removed: Int) {
        state.withLock { ($0.written, $0.removed) }
    }

    /// Keeps a version.
    func append(
        key: UnsafePointer<UInt8>, keyLength: Int, _ version: ViewVersion,
        payload: UnsafePointer<UInt8>?, length: Int
    ) throws(JobFailure) {
        let place =
            start(key, keyLength) + inverted(version.eventTime) + inverted(version.visibleTime)
        let arena = ByteArena(capacity: length + 64)
        codec.append(version, payload, length, hasOlder: false, to: arena)
        let value = [UInt8](UnsafeBufferPointer(start: arena.base, count: arena.count))
        let isFull = state.withLock { state in
            state.pending.append((place, value))
            state.pendingBytes += place.count + value.count
            state.written += 1
            return state.pendingBytes > ViewHistory.pendingMax
        }
        if isFull { try flush() }
    }

    /// Hands what is pending to the rows at rest.
    func flush() throws(JobFailure) {
        let pending = state.withLock { state in
            let pending = state.pending
            state.pending = []
            state.pendingBytes = 0
            return pending
        }
        guard !pending.isEmpty else { return }
        let batch = OnlineRowBatch()
        for (key, value) in pending { batch.append(key, value) }
        try rows.put(batch, durable: false)
    }

    /// What serving would have said at `moment`: the newest version that had happened and was visible.
    ///
    /// - Shape: rendered to the end of `arena`.
    func read(
        key: UnsafePointer<UInt8>, keyLength: Int, asOf moment: Int64, features: [Field],
        withPayload: Bool = false, asValues: Bool = false, into arena: ByteArena
    ) throws(JobFailure) -> ViewRead {
        try flush()
        let start = start(key, keyLength)
        var found = ViewRead.absent
        try rows.scan(prefix: start, after: start + inverted(moment)) {
            (key, value) throws(JobFailure) -> Bool in
            guard time(key, at: key.count - 8) <= moment else { return true }
            let base = value.baseAddress!.assumingMemoryBound(to: UInt8.self)
            var reader = CompactReader(base, from: 0, to: value.count)
            guard let record = codec.record(&reader, generation: codec.epochs.generation) else {
                throw codec.damaged("a version whose lengths do not add up")
            }
            if record.version.state == .value {
                found = ViewRead(record.version, rendered: arena.count)
                if asValues {
                    RenderedValues.append(
                        payload: record.payload, eventMicros: record.version.eventTime,
                        features: features, to: arena, scratch: ByteArena(capacity: 256))
                } else {
                    _ = RenderedView.append(
                        block: record.payload, eventMicros: record.version.eventTime,
                        features: features, to: arena)
                }
                if withPayload {
                    found.payload = arena.count
                    arena.append(record.payload, record.length)
                    arena.reserve(3)
                    arena.count = (arena.count + 3) & ~3
                }
            }
            return false
        }
        return found
    }

    /// Removes versions that no moment within the retention can be answered with, a bounded number at a
    /// time.
    func trim(now: Int64, scanned limit: Int = 4096) throws(JobFailure) {
        let horizon = now - retentionMicros
        var place = state.withLock { $0.trimmed } ?? prefix
        let batch = OnlineRowBatch()
        var left = limit
        var current: [UInt8] = []
        var hasBase = false
        var isWhole = true
        try rows.scan(prefix: prefix, after: place) { (key, value) throws(JobFailure) -> Bool in
            left -= 1
            let entity = [UInt8](key[..<(key.count - ViewHistory.timeBytes)])
            if entity != current {
                // A key is trimmed whole, or the base would be forgotten between two calls.
                guard left > 0 else {
                    place = entity
                    isWhole = false
                    return false
                }
                current = entity
                hasBase = false
            }
            guard time(key, at: key.count - 16) <= horizon, time(key, at: key.count - 8) <= horizon
            else { return true }
            // The newest of them answers for the oldest moment.
            if hasBase { batch.remove([UInt8](key)) }
            hasBase = true
            return true
        }
        if batch.count > 0 { try rows.put(batch, durable: false) }
        let removed = batch.count
        let next: [UInt8]? = isWhole ? nil : place
        state.withLock { state in
            state.trimmed = next
            state.removed += removed
        }
    }

    private func start(_ key: UnsafePointer<UInt8>, _ length: Int) -> [UInt8] {
        prefix + [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
            + UnsafeBufferPointer(start: key, count: length)
    }

    private func inverted(_ micros: Int64) -> [UInt8] {
        // Signed times in byte order, the largest first.
        let word = ~(UInt64(bitPattern: micros) ^ (1 << 63))
        return withUnsafeBytes(of: word.bigEndian) { [UInt8]($0) }
    }

    private func time(_ key: UnsafeRawBufferPointer, at: Int) -> Int64 {
        let word = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: at, as: UInt64.self))
        return Int64(bitPattern: ~word ^ (1 << 63))
    }
}
