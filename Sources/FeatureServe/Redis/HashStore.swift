import Codecs
import RocksDB
import StreamRuntime
import Synchronization

/// Hashes that no declared view describes, kept as they come: what makes a Feast deployment work whose views this
/// process knows nothing of.
///
/// - Shape: key = number of the database u8, then the Redis key; value = `HashBlob`. A change is in the write-ahead
///   log when the call returns, and on the disk with the next `sync`.
public final class HashStore: Sendable {
    /// What became of a write.
    struct Written: Equatable {
        /// Fields that were not there before.
        var added = 0
        /// Whether the fields are there now: false when something newer was.
        var isApplied = true
    }

    private let database: Database
    private let locks: [ShardLock]
    private let nowMillis: @Sendable () -> Int64
    private let changes = Atomic<Int>(0)
    private let synced = Atomic<Int>(0)

    /// Opens, or makes, the store in the directory `path`.
    ///
    /// - Parameter now: microseconds since 1970; hashes end by it.
    public init(
        path: String, blockCacheBytes: Int = 16 << 20,
        now: @escaping @Sendable () -> Int64 = { WallClock.micros() }
    ) throws(JobFailure) {
        var options = DatabaseOptions()
        options.blockCacheBytes = blockCacheBytes
        do throws(RocksDBError) {
            database = try Database(path: path, options: options)
        } catch {
            throw HashStore.failure(error)
        }
        locks = (0..<64).map { _ in ShardLock() }
        nowMillis = { now() / 1000 }
    }

    deinit { for lock in locks { lock.free() } }

    private static func failure(_ error: RocksDBError) -> JobFailure {
        JobFailure(
            error.kind == .corrupt ? .corruption : .environment, "hashes: " + error.problem,
            at: error.path, remedy: error.remedy)
    }

    /// The key at rest of `key` in database `space`.
    static func key(_ space: UInt8, _ key: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        [space] + key
    }

    /// Lends the hash of `key` to `body`; nil when there is none, or none any more.
    func read<Result>(_ key: [UInt8], _ body: (HashBlob) -> Result) throws(JobFailure) -> Result? {
        let now = nowMillis()
        do throws(RocksDBError) {
            let found = try key.withUnsafeBytes { key in
                Swift.Result { () throws(RocksDBError) -> Result?? in
                    try database.get(key) { bytes -> Result? in
                        guard let blob = HashBlob(bytes),
                            blob.endMillis == 0 || blob.endMillis > now
                        else { return nil }
                        return body(blob)
                    }
                }
            }.get()
            return found ?? nil
        } catch {
            throw HashStore.failure(error)
        }
    }

    /// Whether the hash of `key`, or that there is none, can be told without waiting for the disk.
    func isAtHand(_ key: [UInt8]) -> Bool { database.isAtHand(key) }

    /// Appends the values of `fields`, framed; `absent` for each that is not there.
    func append(
        _ fields: ArraySlice<[UInt8]>, of key: [UInt8], absent: StaticString, to arena: ByteArena
    ) throws(JobFailure) {
        let found: Void? = try read(key) { blob in
            for field in fields {
                if let index = field.withUnsafeBufferPointer({ blob.find($0) }) {
                    RESPText.bulk(blob.value(index), to: arena)
                } else {
                    JSONText.append(absent, to: arena)
                }
            }
        }
        guard found == nil else { return }
        for _ in fields { JSONText.append(absent, to: arena) }
    }

    /// Sets fields of `key`, unless `isNewer` says that what is there is newer.
    ///
    /// - Parameter isNewer: asked with the value of each field that is there already, before any is set.
    func set(
        _ key: [UInt8], _ fields: [(name: [UInt8], value: [UInt8])],
        isNewer: (_ name: [UInt8], _ stored: [UInt8], _ given: [UInt8]) -> Bool
    ) throws(JobFailure) -> Written {
        try change(key) { hash in
            var written = Written()
            for (name, value) in fields {
                if let stored = hash.fields[name], isNewer(name, stored, value) {
                    written.isApplied = false
                    return written
                }
            }
            for (name, value) in fields where hash.fields.updateValue(value, forKey: name) == nil {
                written.added += 1
            }
            return written
        }
    }

    /// Removes fields of `key`, the key with the last one; returns how many were there.
    func remove(_ key: [UInt8], _ names: [[UInt8]]) throws(JobFailure) -> Int {
        try change(key) { hash in
            names.count { hash.fields.removeValue(forKey: $0) != nil }
        }
    }

    /// Removes the hash of `key`; returns whether there was one.
    func remove(_ key: [UInt8]) throws(JobFailure) -> Bool {
        try change(key) { hash in
            defer { hash.fields.removeAll() }
            return !hash.fields.isEmpty
        }
    }

    /// Lets the hash of `key` end at `endMillis`, or never; returns whether there is one.
    func end(_ key: [UInt8], atMillis endMillis: Int64) throws(JobFailure) -> Bool {
        try change(key) { hash in
            hash.endMillis = endMillis
            return !hash.fields.isEmpty
        }
    }

    /// A hash while it is changed.
    private struct Contents: Equatable {
        var fields: [[UInt8]: [UInt8]] = [:]
        var endMillis: Int64 = 0
    }

    private func change<Result>(
        _ key: [UInt8], _ body: (inout Contents) -> Result
    ) throws(JobFailure) -> Result {
        let lock = locks[Int(truncatingIfNeeded: Hash.xxh3(key, key.count)) & 63]
        lock.lock()
        defer { lock.unlock() }
        let old = try read(key) { Contents(fields: $0.fields, endMillis: $0.endMillis) }
        var contents = old ?? Contents()
        let result = body(&contents)
        guard contents != (old ?? Contents()) else { return result }
        do throws(RocksDBError) {
            if contents.fields.isEmpty
                || contents.endMillis != 0 && contents.endMillis <= nowMillis()
            {
                try database.delete(key)
            } else {
                try database.put(
                    key, HashBlob.bytes(contents.fields, endMillis: contents.endMillis))
            }
        } catch {
            throw HashStore.failure(error)
        }
        changes.add(1, ordering: .relaxed)
        return result
    }

    /// Makes every earlier change durable.
    public func sync() throws(JobFailure) {
        let now = changes.load(ordering: .relaxed)
        guard synced.load(ordering: .relaxed) != now else { return }
        let mark = WriteBatch(database)
        mark.put([0xFF], [])
        do throws(RocksDBError) {
            try database.write(mark, durable: true)
        } catch {
            throw HashStore.failure(error)
        }
        synced.store(now, ordering: .relaxed)
    }

    /// Calls `body` with the Redis keys of database `space` that begin with `prefix`, from behind `after` on, until
    /// it returns false.
    func scan(
        _ space: UInt8, prefix: [UInt8], after: [UInt8]?,
        _ body: (UnsafeBufferPointer<UInt8>) -> Bool
    ) throws(JobFailure) {
        let first = [space] + prefix
        let lower = after.map {
            max(first, [space] + $0 + [0]) { $0.lexicographicallyPrecedes($1) }
        }
        var upper = first
        while upper.last == 255 { upper.removeLast() }
        if let last = upper.last { upper[upper.count - 1] = last + 1 }
        let now = nowMillis()
        let cursor = database.cursor(from: lower ?? first, to: upper)
        while cursor.isValid {
            let key = cursor.key.assumingMemoryBound(to: UInt8.self)
            if let blob = HashBlob(cursor.value), blob.endMillis == 0 || blob.endMillis > now {
                guard body(UnsafeBufferPointer(rebasing: key[1...])) else { return }
            }
            cursor.next()
        }
        do throws(RocksDBError) {
            try cursor.check()
        } catch {
            throw HashStore.failure(error)
        }
    }

    private func max(
        _ left: [UInt8], _ right: [UInt8], by precedes: ([UInt8], [UInt8]) -> Bool
    ) -> [UInt8] { precedes(left, right) ? right : left }
}
