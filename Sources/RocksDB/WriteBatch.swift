import CRocksDB

/// Changes that are made together: all of them or none.
public struct WriteBatch: ~Copyable {
    let handle: OpaquePointer
    private let database: Database

    /// An empty batch for `database`.
    public init(_ database: Database) {
        self.database = database
        handle = rocksdb_writebatch_create()
    }

    deinit { rocksdb_writebatch_destroy(handle) }

    /// Changes gathered since `init` or `clear`.
    public var count: Int { Int(rocksdb_writebatch_count(handle)) }

    /// Sets the value of `key`; the bytes are copied.
    public func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, family: Int = 0
    ) {
        rocksdb_writebatch_put_cf(
            handle, database.familyHandle(family), characters(key), key.count, characters(value),
            value.count)
    }

    /// Sets the value of `key`.
    public func put(_ key: [UInt8], _ value: [UInt8], family: Int = 0) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { put(key, $0, family: family) }
        }
    }

    /// Removes `key`.
    public func delete(_ key: UnsafeRawBufferPointer, family: Int = 0) {
        rocksdb_writebatch_delete_cf(
            handle, database.familyHandle(family), characters(key), key.count)
    }

    /// Removes `key`.
    public func delete(_ key: [UInt8], family: Int = 0) {
        key.withUnsafeBytes { delete($0, family: family) }
    }

    /// Removes every key from `lower` up to but not including `upper`.
    public func deleteRange(from lower: [UInt8], to upper: [UInt8], family: Int = 0) {
        lower.withUnsafeBytes { lower in
            upper.withUnsafeBytes { upper in
                rocksdb_writebatch_delete_range_cf(
                    handle, database.familyHandle(family), characters(lower), lower.count,
                    characters(upper), upper.count)
            }
        }
    }

    /// Forgets the changes; the memory is kept for the next ones.
    public func clear() { rocksdb_writebatch_clear(handle) }
}
