import CRocksDB

/// A walk over entries in byte order, seeing the database as it was when the cursor was made.
///
/// - Shape: stands on an entry while `isValid`; what `key` and `value` lend ends at the next move.
public struct DatabaseCursor: ~Copyable {
    private let database: Database
    private let handle: OpaquePointer
    private let readOptions: OpaquePointer
    // RocksDB keeps pointers to the bounds.
    private let lower: LentBytes
    private let upper: LentBytes

    init(_ database: Database, family: OpaquePointer, from lower: [UInt8]?, to upper: [UInt8]?) {
        self.database = database
        self.lower = LentBytes(lower ?? [])
        self.upper = LentBytes(upper ?? [])
        readOptions = rocksdb_readoptions_create()
        if lower != nil {
            rocksdb_readoptions_set_iterate_lower_bound(
                readOptions, characters(self.lower.bytes), self.lower.bytes.count)
        }
        if upper != nil {
            rocksdb_readoptions_set_iterate_upper_bound(
                readOptions, characters(self.upper.bytes), self.upper.bytes.count)
        }
        rocksdb_readoptions_set_readahead_size(readOptions, 256 << 10)
        rocksdb_readoptions_set_fill_cache(readOptions, 0)
        handle = rocksdb_create_iterator_cf(database.handle, readOptions, family)
        rocksdb_iter_seek_to_first(handle)
    }

    deinit {
        rocksdb_iter_destroy(handle)
        rocksdb_readoptions_destroy(readOptions)
    }

    /// False past the last entry, and after an error (see `check`).
    public var isValid: Bool { rocksdb_iter_valid(handle) != 0 }

    /// The key stood on; lent until the next move.
    public var key: UnsafeRawBufferPointer {
        var length = 0
        let start = rocksdb_iter_key(handle, &length)
        return UnsafeRawBufferPointer(start: start, count: length)
    }

    /// The value stood on; lent until the next move.
    public var value: UnsafeRawBufferPointer {
        var length = 0
        let start = rocksdb_iter_value(handle, &length)
        return UnsafeRawBufferPointer(start: start, count: length)
    }

    /// Goes to the next entry.
    ///
    /// - Precondition: `isValid`.
    public func next() { rocksdb_iter_next(handle) }

    /// Goes to the first entry at or after `key`.
    public func seek(_ key: UnsafeRawBufferPointer) {
        rocksdb_iter_seek(handle, characters(key), key.count)
    }

    /// Tells an end that is an error from one that is the end: call it when `isValid` is false.
    public func check() throws(RocksDBError) {
        try checked(database.path) { rocksdb_iter_get_error(handle, $0) }
    }
}
