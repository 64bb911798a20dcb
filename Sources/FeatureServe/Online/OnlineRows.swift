import StreamRuntime
import Synchronization

/// Where rows rest under the hot table: bytes by bytes, in key order.
///
/// Called from the writer's and the server's threads at once. Files and locks are let go with the object.
public protocol OnlineRows: AnyObject, Sendable {
    /// The value of `key`, or nil.
    func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]?

    /// Puts every pair of `batch`, all or none; with `durable`, they and all earlier ones survive a power
    /// cut once this returns.
    func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure)

    /// Calls `body` with each pair whose key starts with `prefix`, in key order, until it returns false.
    func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure)

    /// Calls `body` with each pair whose key starts with `prefix` and is behind `after`, in key order, until it
    /// returns false.
    func scan(
        prefix: [UInt8], after: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure)
}

extension OnlineRows {
    /// The same by reading over what is not behind `after`; where rows rest on disk there is a shorter way.
    public func scan(
        prefix: [UInt8], after: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        try scan(prefix: prefix) { (key, value) throws(JobFailure) -> Bool in
            try after.lexicographicallyPrecedes(key) ? body(key, value) : true
        }
    }
}

/// Pairs on their way to `OnlineRows.put`, in one block of memory.
public final class OnlineRowBatch {
    private let arena = ByteArena(capacity: 1 << 16)
    private var bounds: [(start: Int, keyLength: Int, valueLength: Int)] = []
    /// Keys whose pairs go.
    public private(set) var removed: [[UInt8]] = []

    /// An empty batch.
    public init() {}

    /// The number of pairs, and of keys whose pairs go.
    public var count: Int { bounds.count + removed.count }
    /// Bytes of all keys and values.
    public var byteCount: Int { arena.count }

    /// Adds a pair whose bytes `write` appends: the key first, returning its length, then the value.
    func append(_ write: (ByteArena) -> Int) {
        let start = arena.count
        let keyLength = write(arena)
        bounds.append((start, keyLength, arena.count - start - keyLength))
    }

    /// Adds a pair.
    func append(_ key: [UInt8], _ value: [UInt8]) {
        append { arena in
            key.withUnsafeBufferPointer { _ = arena.append($0.baseAddress!, $0.count) }
            value.withUnsafeBufferPointer { _ = arena.append($0.baseAddress!, $0.count) }
            return key.count
        }
    }

    /// Takes the pair of `key` away; it is in no batch with that pair itself.
    func remove(_ key: [UInt8]) { removed.append(key) }

    /// Calls `body` with each pair in turn.
    public func forEach(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        for pair in bounds {
            let key = UnsafeRawPointer(arena.base) + pair.start
            body(
                UnsafeRawBufferPointer(start: key, count: pair.keyLength),
                UnsafeRawBufferPointer(start: key + pair.keyLength, count: pair.valueLength))
        }
    }

    /// Forgets the pairs and keeps the memory.
    func removeAll() {
        arena.count = 0
        bounds.removeAll(keepingCapacity: true)
        removed.removeAll(keepingCapacity: true)
    }
}

/// Rows in memory only: for tests and for jobs whose features need not survive.
public final class MemoryRows: OnlineRows {
    private let table = Mutex<[[UInt8]: [UInt8]]>([:])

    /// No rows.
    public init() {}

    /// The value of `key`, or nil.
    public func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? {
        let key = [UInt8](key)
        return table.withLock { $0[key] }
    }

    /// Puts every pair of `batch`.
    public func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure) {
        var pairs: [([UInt8], [UInt8])] = []
        batch.forEach { pairs.append(([UInt8]($0), [UInt8]($1))) }
        let taken = pairs
        let removed = batch.removed
        table.withLock { table in
            for (key, value) in taken { table[key] = value }
            for key in removed { table[key] = nil }
        }
    }

    /// Calls `body` with each pair under `prefix` in key order.
    public func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        let pairs = table.withLock { $0.filter { $0.key.starts(with: prefix) } }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (key, value) in pairs {
            let more = key.withUnsafeBytes { key in
                value.withUnsafeBytes { value in
                    Result { () throws(JobFailure) -> Bool in try body(key, value) }
                }
            }
            guard try more.get() else { return }
        }
    }
}
