import RocksDB
import StreamRuntime

/// Rows in a RocksDB database of their own, with its write-ahead log on.
public final class RocksRows: OnlineRows {
    private let database: Database

    /// Opens, or makes, the database in the directory `path`.
    ///
    /// - Throws: when the directory cannot be used, or another process has it.
    public init(path: String, blockCacheBytes: Int = 32 << 20) throws(JobFailure) {
        var options = DatabaseOptions()
        options.blockCacheBytes = blockCacheBytes
        do throws(RocksDBError) {
            database = try Database(path: path, options: options)
        } catch {
            throw RocksRows.failure(error)
        }
    }

    /// The value of `key`, or nil.
    public func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? {
        do throws(RocksDBError) {
            return try database.get(key) { [UInt8]($0) }
        } catch {
            throw RocksRows.failure(error)
        }
    }

    /// Puts every pair of `batch` at once.
    public func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure) {
        let changes = WriteBatch(database)
        batch.forEach { changes.put($0, $1) }
        for key in batch.removed { changes.delete(key) }
        do throws(RocksDBError) {
            try database.write(changes, durable: durable)
        } catch {
            throw RocksRows.failure(error)
        }
    }

    /// Calls `body` with each pair under `prefix` in key order.
    public func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        try scan(from: prefix, under: prefix, body)
    }

    /// Calls `body` with each pair under `prefix` and behind `after` in key order.
    public func scan(
        prefix: [UInt8], after: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        try scan(from: after + [0], under: prefix, body)
    }

    private func scan(
        from lower: [UInt8], under prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) {
        var upper = prefix
        while let last = upper.last, last == 255 { upper.removeLast() }
        if let last = upper.last { upper[upper.count - 1] = last + 1 }
        let cursor = database.cursor(from: lower, to: upper.isEmpty ? nil : upper)
        while cursor.isValid {
            guard try body(cursor.key, cursor.value) else { return }
            cursor.next()
        }
        do throws(RocksDBError) {
            try cursor.check()
        } catch {
            throw RocksRows.failure(error)
        }
    }

    /// Rewrites what is on disk without what was overwritten.
    public func compact() throws(JobFailure) {
        do throws(RocksDBError) {
            try database.flush()
        } catch {
            throw RocksRows.failure(error)
        }
        database.compact()
    }

    private static func failure(_ error: RocksDBError) -> JobFailure {
        JobFailure(
            error.kind == .corrupt ? .corruption : .environment, "online store: " + error.problem,
            at: error.path, remedy: error.remedy)
    }
}
