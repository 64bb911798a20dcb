import CRocksDB

/// Many keys read at once; kept and used again, so that a batch allocates nothing.
///
/// - Shape: keys are added, `run` reads them all, `value(i)` lends the value of the i-th key until
///   `clear`.
public struct Lookup: ~Copyable {
    private let database: Database
    private let readOptions: OpaquePointer
    private let family: Int
    /// The most keys one run takes.
    public let capacity: Int
    /// The keys added since `clear`.
    public private(set) var count = 0

    private let keys: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let lengths: UnsafeMutablePointer<Int>
    private let values: UnsafeMutablePointer<OpaquePointer?>
    private let errors: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    /// A lookup of at most `capacity` keys of one family.
    public init(_ database: Database, family: Int = 0, capacity: Int) {
        self.database = database
        self.family = family
        self.capacity = capacity
        readOptions = rocksdb_readoptions_create()
        keys = .allocate(capacity: capacity)
        lengths = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
        errors = .allocate(capacity: capacity)
        values.initialize(repeating: nil, count: capacity)
        errors.initialize(repeating: nil, count: capacity)
    }

    deinit {
        var slot = 0
        while slot < count {
            if let value = values[slot] { rocksdb_pinnableslice_destroy(value) }
            slot += 1
        }
        rocksdb_readoptions_destroy(readOptions)
        keys.deallocate()
        lengths.deallocate()
        values.deallocate()
        errors.deallocate()
    }

    /// Adds a key, whose bytes must stay where they are until `run` returns.
    ///
    /// - Precondition: `count < capacity`.
    public mutating func add(_ key: UnsafeRawBufferPointer) {
        precondition(count < capacity, "a lookup takes at most its capacity of keys")
        keys[count] = characters(key)
        lengths[count] = key.count
        count += 1
    }

    /// Reads all keys.
    ///
    /// - Parameter sorted: whether the keys were added in byte order, which saves sorting them.
    public mutating func run(sorted: Bool = false) throws(RocksDBError) {
        rocksdb_batched_multi_get_cf(
            database.handle, readOptions, database.familyHandle(family), count, keys, lengths,
            values, errors, sorted)
        var failure: RocksDBError?
        var slot = 0
        while slot < count {
            if let message = errors[slot] {
                failure = RocksDBError(path: database.path, message: String(cString: message))
                rocksdb_free(message)
                errors[slot] = nil
            }
            slot += 1
        }
        if let failure { throw failure }
    }

    /// The value of the key that was added as number `index`, or nil when there is none.
    public func value(_ index: Int) -> UnsafeRawBufferPointer? {
        guard let slice = values[index] else { return nil }
        var length = 0
        let start = rocksdb_pinnableslice_value(slice, &length)
        return UnsafeRawBufferPointer(start: start, count: length)
    }

    /// Gives back the values and forgets the keys.
    public mutating func clear() {
        var slot = 0
        while slot < count {
            if let value = values[slot] {
                rocksdb_pinnableslice_destroy(value)
                values[slot] = nil
            }
            slot += 1
        }
        count = 0
    }
}
