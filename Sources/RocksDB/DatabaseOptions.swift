import CRocksDB

/// How a database is kept: its memory, its files, its promises.
public struct DatabaseOptions: Sendable {
    /// Bytes of uncompressed blocks kept in memory, shared by all families.
    public var blockCacheBytes = 64 << 20
    /// Bytes of unflushed writes kept in memory, over all families.
    public var writeBufferBytes = 32 << 20
    /// Whether a write survives a crash of the process before a flush.
    public var writeAheadLog = true
    /// Whether a missing database is made; otherwise it is an error.
    public var createIfMissing = true
    /// Whether it is only read, as it is when it is opened: another process may have it open and write.
    public var isReadOnly = false
    /// Bits a key takes in the Bloom filters; 0 for none.
    public var bloomBits = 10
    /// Whether filters and indexes share the block cache; otherwise they stay in memory beside it, about
    /// two bytes a key, and are never read twice.
    public var filtersInCache = true
    /// Size of a block before compression: what one read from disk brings in.
    public var blockBytes = 4096
    /// Whether blocks are compressed.
    public var lz4 = true
    /// The most files kept open.
    public var maxOpenFiles = 512
    /// Threads for flush and compaction.
    public var backgroundJobs = 2
    /// How many new files are merged into the others at once: fewer make lookups cheaper, more make
    /// for less rewriting.
    public var newFilesMin = 4
    /// Size of the files compaction makes.
    public var targetFileBytes = 32 << 20

    /// The defaults: 64 MiB of cache, 32 MiB of write buffers, a write-ahead log.
    public init() {}
}

/// The C options made from a `DatabaseOptions`; freed with it.
struct NativeOptions: ~Copyable {
    let handle: OpaquePointer
    private let cache: OpaquePointer

    init(_ options: DatabaseOptions) {
        handle = rocksdb_options_create()
        cache = rocksdb_cache_create_lru(options.blockCacheBytes)
        rocksdb_options_set_create_if_missing(handle, options.createIfMissing ? 1 : 0)
        rocksdb_options_set_create_missing_column_families(handle, 1)
        rocksdb_options_set_db_write_buffer_size(handle, options.writeBufferBytes)
        rocksdb_options_set_write_buffer_size(handle, max(options.writeBufferBytes / 2, 1 << 20))
        rocksdb_options_set_max_write_buffer_number(handle, 3)
        rocksdb_options_set_max_open_files(handle, Int32(options.maxOpenFiles))
        rocksdb_options_set_max_background_jobs(handle, Int32(options.backgroundJobs))
        rocksdb_options_set_target_file_size_base(handle, UInt64(options.targetFileBytes))
        rocksdb_options_set_max_bytes_for_level_base(handle, UInt64(options.targetFileBytes) * 8)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(handle, 1)
        rocksdb_options_set_compression(
            handle, Int32(options.lz4 ? rocksdb_lz4_compression : rocksdb_no_compression))
        rocksdb_options_set_keep_log_file_num(handle, 4)
        rocksdb_options_set_max_log_file_size(handle, 4 << 20)
        rocksdb_options_set_level0_file_num_compaction_trigger(
            handle, Int32(options.newFilesMin))
        // Writes must not wait for the merging as soon as it is due.
        rocksdb_options_set_level0_slowdown_writes_trigger(
            handle, Int32(max(20, options.newFilesMin * 3)))
        rocksdb_options_set_level0_stop_writes_trigger(
            handle, Int32(max(36, options.newFilesMin * 4)))
        rocksdb_options_set_stats_dump_period_sec(handle, 0)
        rocksdb_options_set_stats_persist_period_sec(handle, 0)
        let table = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_block_size(table, options.blockBytes)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(
            table, options.filtersInCache ? 1 : 0)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        rocksdb_block_based_options_set_format_version(table, 5)
        if options.bloomBits > 0 {
            // The table takes ownership of the policy.
            rocksdb_block_based_options_set_filter_policy(
                table, rocksdb_filterpolicy_create_bloom_full(Double(options.bloomBits)))
        }
        rocksdb_options_set_block_based_table_factory(handle, table)
        rocksdb_block_based_options_destroy(table)
    }

    deinit {
        rocksdb_options_destroy(handle)
        rocksdb_cache_destroy(cache)
    }
}
