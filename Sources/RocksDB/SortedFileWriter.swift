import CRocksDB

/// Writes one sorted file for `Database.ingest`.
///
/// - Shape: keys must be added in strictly ascending byte order.
public struct SortedFileWriter: ~Copyable {
    /// The file.
    public let path: String
    private let handle: OpaquePointer
    private let options: NativeOptions
    private let environment: OpaquePointer

    /// Opens the new file `path`.
    public init(path: String, options settings: DatabaseOptions) throws(RocksDBError) {
        let options = NativeOptions(settings)
        let environment: OpaquePointer = rocksdb_envoptions_create()
        let handle: OpaquePointer = rocksdb_sstfilewriter_create(environment, options.handle)
        self.path = path
        self.options = options
        self.environment = environment
        self.handle = handle
        try checked(path) { rocksdb_sstfilewriter_open(handle, path, $0) }
    }

    deinit {
        rocksdb_sstfilewriter_destroy(handle)
        rocksdb_envoptions_destroy(environment)
    }

    /// Adds a key after all others.
    @inline(__always)
    public func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
        throws(RocksDBError)
    {
        try checked(path) {
            rocksdb_sstfilewriter_put(
                handle, characters(key), key.count, characters(value), value.count, $0)
        }
    }

    /// Adds the removal of a key, in key order like `put`.
    public func delete(_ key: UnsafeRawBufferPointer) throws(RocksDBError) {
        try checked(path) { rocksdb_sstfilewriter_delete(handle, characters(key), key.count, $0) }
    }

    /// Finishes the file and makes it durable.
    ///
    /// - Returns: its size in bytes.
    /// - Throws: also when nothing was added.
    public consuming func finish() throws(RocksDBError) -> Int {
        try checked(path) { rocksdb_sstfilewriter_finish(handle, $0) }
        var size: UInt64 = 0
        rocksdb_sstfilewriter_file_size(handle, &size)
        return Int(size)
    }
}
