import CRocksDB
import Glibc

/// An open RocksDB database: ordered bytes to bytes, in one or more families of keys.
///
/// Families are named when it is opened and addressed by their position in that list.
/// - Note: may be called from any thread at once: RocksDB locks inside, and the handles kept here
///   never change after `init`, which is why sharing is safe.
public final class Database: @unchecked Sendable {
    /// The directory.
    public let path: String
    /// The names of the open families: those asked for, then others found in the directory.
    public let families: [String]

    let handle: OpaquePointer
    private let familyHandles: [OpaquePointer]
    private let options: NativeOptions
    private let readOptions: OpaquePointer
    /// Reads no disk.
    private let promptOptions: OpaquePointer
    private let writeOptions: OpaquePointer
    private let syncOptions: OpaquePointer

    /// Opens the database in directory `path`, making it and missing families when the options say so.
    ///
    /// - Throws: when the directory cannot be used, another process has it, or its files are damaged.
    public init(
        path: String, families wanted: [String] = ["default"],
        options settings: DatabaseOptions = DatabaseOptions()
    ) throws(RocksDBError) {
        let options = NativeOptions(settings)
        let names = Database.allFamilies(wanted, at: path, options: options.handle)
        var opened = [OpaquePointer?](repeating: nil, count: names.count)
        let list = CStringList(names)
        let database = try checked(path) { slot -> OpaquePointer? in
            var each = [OpaquePointer?](repeating: options.handle, count: names.count)
            if settings.isReadOnly {
                return rocksdb_open_for_read_only_column_families(
                    options.handle, path, Int32(names.count), list.pointers, &each, &opened, 0,
                    slot)
            }
            return rocksdb_open_column_families(
                options.handle, path, Int32(names.count), list.pointers, &each, &opened, slot)
        }
        self.path = path
        self.families = names
        self.options = options
        handle = database!
        familyHandles = opened.map { $0! }
        readOptions = rocksdb_readoptions_create()
        promptOptions = rocksdb_readoptions_create()
        // kBlockCacheTier: memory and the cache of blocks.
        rocksdb_readoptions_set_read_tier(promptOptions, 1)
        writeOptions = rocksdb_writeoptions_create()
        syncOptions = rocksdb_writeoptions_create()
        if settings.writeAheadLog {
            rocksdb_writeoptions_set_sync(syncOptions, 1)
        } else {
            rocksdb_writeoptions_disable_WAL(writeOptions, 1)
            rocksdb_writeoptions_disable_WAL(syncOptions, 1)
        }
    }

    deinit {
        // Closing writes, and RocksDB built with assertions ends the process when a file it has open is
        // gone. What is left of such a database is of no use: it stays open until the process ends.
        guard access(path + "/CURRENT", F_OK) == 0 else { return }
        rocksdb_cancel_all_background_work(handle, 1)
        for family in familyHandles { rocksdb_column_family_handle_destroy(family) }
        rocksdb_close(handle)
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_readoptions_destroy(promptOptions)
        rocksdb_writeoptions_destroy(writeOptions)
        rocksdb_writeoptions_destroy(syncOptions)
    }

    /// The value of `key`, lent to `body`; nil when there is none.
    public func get<Result>(
        _ key: UnsafeRawBufferPointer, family: Int = 0,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(RocksDBError) -> Result? {
        let found = try checked(path) {
            rocksdb_get_pinned_cf(
                handle, readOptions, familyHandles[family], characters(key), key.count, $0)
        }
        guard let found else { return nil }
        defer { rocksdb_pinnableslice_destroy(found) }
        var length = 0
        let value = rocksdb_pinnableslice_value(found, &length)
        return body(UnsafeRawBufferPointer(start: value, count: length))
    }

    /// Whether memory tells what there is under `key`, so that reading it waits for no disk.
    public func isAtHand(_ key: [UInt8], family: Int = 0) -> Bool {
        let lent = LentBytes(key)
        do throws(RocksDBError) {
            let found = try checked(path) {
                rocksdb_get_pinned_cf(
                    handle, promptOptions, familyHandles[family], characters(lent.bytes),
                    lent.bytes.count, $0)
            }
            if let found { rocksdb_pinnableslice_destroy(found) }
            return true
        } catch {
            return false
        }
    }

    /// A copy of the value of `key`, or nil when there is none.
    public func get(_ key: [UInt8], family: Int = 0) throws(RocksDBError) -> [UInt8]? {
        let pointer = LentBytes(key)
        return try get(pointer.bytes, family: family) { [UInt8]($0) }
    }

    /// Sets the value of `key`.
    public func put(_ key: [UInt8], _ value: [UInt8], family: Int = 0) throws(RocksDBError) {
        let batch = WriteBatch(self)
        batch.put(key, value, family: family)
        try write(batch)
    }

    /// Removes `key`; nothing happens when it is not there.
    public func delete(_ key: [UInt8], family: Int = 0) throws(RocksDBError) {
        let batch = WriteBatch(self)
        batch.delete(key, family: family)
        try write(batch)
    }

    /// Makes all changes of `batch` at once, or none; the batch keeps them until it is cleared.
    ///
    /// - Parameter durable: whether to wait until the log has reached the disk, so that the changes
    ///   survive a crash of the machine and not only of the process.
    public func write(_ batch: borrowing WriteBatch, durable: Bool = false) throws(RocksDBError) {
        try checked(path) {
            rocksdb_write(handle, durable ? syncOptions : writeOptions, batch.handle, $0)
        }
    }

    /// The entries of `family` from `lower` up to but not including `upper`, in byte order.
    public func cursor(
        family: Int = 0, from lower: [UInt8]? = nil, to upper: [UInt8]? = nil
    ) -> DatabaseCursor {
        DatabaseCursor(self, family: familyHandles[family], from: lower, to: upper)
    }

    /// Moves what is in memory into files, of every family.
    public func flush() throws(RocksDBError) {
        let flushOptions = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(flushOptions) }
        rocksdb_flushoptions_set_wait(flushOptions, 1)
        for family in familyHandles {
            try checked(path) { rocksdb_flush_cf(handle, flushOptions, family, $0) }
        }
    }

    /// Takes over sorted files as the newest contents of `family`; the files are moved.
    public func ingest(_ files: [String], family: Int = 0) throws(RocksDBError) {
        guard !files.isEmpty else { return }
        let ingestOptions = rocksdb_ingestexternalfileoptions_create()
        defer { rocksdb_ingestexternalfileoptions_destroy(ingestOptions) }
        rocksdb_ingestexternalfileoptions_set_move_files(ingestOptions, 1)
        let names = CStringList(files)
        try checked(path) {
            rocksdb_ingest_external_file_cf(
                handle, familyHandles[family], names.pointers, files.count, ingestOptions, $0)
        }
    }

    /// Makes a copy of the database in the new directory `target` by hard links, on the same disk.
    ///
    /// - Throws: when `target` exists already or cannot be made.
    public func checkpoint(to target: String) throws(RocksDBError) {
        let checkpoint = try checked(path) { rocksdb_checkpoint_object_create(handle, $0) }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        try checked(target) { rocksdb_checkpoint_create(checkpoint, target, 0, $0) }
    }

    /// Drops whole files whose keys all lie from `lower` up to `upper`: frees space at once, keys at
    /// the edges stay until they are deleted.
    public func deleteFiles(from lower: [UInt8], to upper: [UInt8], family: Int = 0)
        throws(RocksDBError)
    {
        let from = LentBytes(lower)
        let to = LentBytes(upper)
        try checked(path) {
            rocksdb_delete_file_in_range_cf(
                handle, familyHandles[family], characters(from.bytes), lower.count,
                characters(to.bytes), upper.count, $0)
        }
    }

    /// Rewrites all files of `family` without what is deleted or overwritten.
    public func compact(family: Int = 0) {
        rocksdb_compact_range_cf(handle, familyHandles[family], nil, 0, nil, 0)
    }

    /// An integer property of `family`, such as "rocksdb.estimate-num-keys"; nil when unknown.
    public func property(_ name: String, family: Int = 0) -> Int? {
        var value: UInt64 = 0
        guard rocksdb_property_int_cf(handle, familyHandles[family], name, &value) == 0 else {
            return nil
        }
        return Int(value)
    }

    func familyHandle(_ family: Int) -> OpaquePointer { familyHandles[family] }

    private static func allFamilies(
        _ wanted: [String], at path: String, options: OpaquePointer
    ) -> [String] {
        var count = 0
        var message: UnsafeMutablePointer<CChar>?
        let list = rocksdb_list_column_families(options, path, &count, &message)
        // Without a database there is nothing to list; what is wrong otherwise, opening will say.
        if let message {
            rocksdb_free(message)
            return wanted.contains("default") ? wanted : wanted + ["default"]
        }
        defer { rocksdb_list_column_families_destroy(list, count) }
        let there = (0..<count).map { String(cString: list![$0]!) }
        let all = wanted + there.filter { !wanted.contains($0) }
        return all.contains("default") ? all : all + ["default"]
    }
}

/// A copy of an array's bytes at a fixed address, so that typed throws need no closure.
struct LentBytes: ~Copyable {
    let bytes: UnsafeRawBufferPointer

    init(_ array: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(array.count, 1), alignment: 8)
        copy.copyBytes(from: array)
        bytes = UnsafeRawBufferPointer(rebasing: copy[0..<array.count])
    }

    deinit { UnsafeMutableRawPointer(mutating: bytes.baseAddress!).deallocate() }
}

/// Strings as C wants a list of them.
struct CStringList: ~Copyable {
    let pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: max(count, 1))
        for (slot, string) in strings.enumerated() {
            let text = string.utf8CString
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count)
            for (at, character) in text.enumerated() { copy[at] = character }
            pointers[slot] = UnsafePointer(copy)
        }
    }

    deinit {
        for slot in 0..<count { pointers[slot]?.deallocate() }
        pointers.deallocate()
    }
}
