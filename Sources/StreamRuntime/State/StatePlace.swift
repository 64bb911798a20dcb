import Glibc
import RocksDB

/// Where on disk the entries of one state and namespace are, and what reading them needs.
///
/// - Shape: a key on disk is state (2 bytes), namespace (8, sign flipped), hash (8), all big-endian,
///   then the key's bytes: byte order is (state, namespace, hash as unsigned, key), and a worker's
///   key groups, being ranges of the hash, are one range of each namespace.
final class StatePlace {
    static let prefixBytes = 18

    /// Nil when state lives in memory only.
    let backend: StateBackend?
    let address: String
    let state: UInt16
    let namespace: Int64
    /// The worker's hashes, as unsigned, both included.
    let hashes: ClosedRange<UInt64>
    let missing: MissingRows

    init(
        backend: StateBackend?, address: String, state: UInt16, namespace: Int64,
        hashes: ClosedRange<UInt64>, missing: MissingRows
    ) {
        self.backend = backend
        self.address = address
        self.state = state
        self.namespace = namespace
        self.hashes = hashes
        self.missing = missing
    }

    func owns(_ hash: Int64) -> Bool { hashes.contains(UInt64(bitPattern: hash)) }

    /// The first key on disk that can be the worker's.
    var lower: [UInt8] { StatePlace.key(state, namespace, hashes.lowerBound) }

    /// The first key on disk after the worker's.
    var upper: [UInt8] {
        hashes.upperBound == .max
            ? StatePlace.after(state, namespace)
            : StatePlace.key(state, namespace, hashes.upperBound + 1)
    }

    static func key(_ state: UInt16, _ namespace: Int64, _ hash: UInt64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: prefixBytes) { buffer, count in
            writePrefix(state, namespace, hash, to: UnsafeMutableRawPointer(buffer.baseAddress!))
            count = prefixBytes
        }
    }

    /// The first key after every key of a namespace.
    static func after(_ state: UInt16, _ namespace: Int64) -> [UInt8] {
        if namespace < .max { return key(state, namespace + 1, 0) }
        return withUnsafeBytes(of: (state + 1).bigEndian) { Array($0) }
    }

    @inline(__always)
    static func writePrefix(
        _ state: UInt16, _ namespace: Int64, _ hash: UInt64, to at: UnsafeMutableRawPointer
    ) {
        at.storeBytes(of: state.bigEndian, as: UInt16.self)
        at.storeBytes(
            of: (UInt64(bitPattern: namespace) ^ (1 << 63)).bigEndian, toByteOffset: 2,
            as: UInt64.self)
        at.storeBytes(of: hash.bigEndian, toByteOffset: 10, as: UInt64.self)
    }

    static func namespace(of key: UnsafeRawBufferPointer) -> Int64 {
        let word = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
        return Int64(bitPattern: word ^ (1 << 63))
    }

    static func hash(of key: UnsafeRawBufferPointer) -> UInt64 {
        UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 10, as: UInt64.self))
    }

    func corruptValue(bytes: Int, _ layout: StateLayout) -> JobFailure {
        JobFailure(
            .corruption,
            "a value of state \"\(address)\" has \(bytes) bytes, which does not fit its "
                + "\(layout.fixedBytes) fixed bytes and \(layout.blobs) byte strings",
            at: backend?.directory ?? "memory",
            remedy: "restart from an older checkpoint, or start afresh in another state directory",
            recovery: .stopAndAsk)
    }
}

/// The rows of a batch whose keys are not in memory, and the memory to ask the disk for them; one
/// for a store, so that a batch allocates nothing.
final class MissingRows {
    /// Keys asked for at once.
    static let lookupKeys = 1024

    private(set) var slots: UnsafeMutablePointer<Int32>
    private(set) var count = 0
    private var capacity = 4096
    private var scratch: UnsafeMutableRawPointer
    private var scratchBytes = 64 << 10
    var lookup: Lookup?
    /// Calls of the store's `relieve` so far: the tables' idea of time.
    var tick = 0

    init(database: Database?) {
        slots = .allocate(capacity: capacity)
        scratch = .allocate(byteCount: scratchBytes, alignment: 16)
        if let database {
            lookup = Lookup(database, capacity: MissingRows.lookupKeys)
        }
    }

    deinit {
        slots.deallocate()
        scratch.deallocate()
    }

    @inline(__always) func clear() { count = 0 }

    func add(_ slot: Int) {
        if count == capacity {
            let grown = UnsafeMutablePointer<Int32>.allocate(capacity: capacity * 2)
            memcpy(grown, slots, count * 4)
            slots.deallocate()
            slots = grown
            capacity *= 2
        }
        slots[count] = Int32(slot)
        count += 1
    }

    /// Memory for the keys of one lookup.
    func room(_ bytes: Int) -> UnsafeMutableRawPointer {
        if bytes > scratchBytes {
            scratch.deallocate()
            scratchBytes = bytes.nextPowerOfTwo
            scratch = .allocate(byteCount: scratchBytes, alignment: 16)
        }
        return scratch
    }
}
