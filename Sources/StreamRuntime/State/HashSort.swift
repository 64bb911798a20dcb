import Glibc

/// Sorts references to entries by hash as unsigned, then by key bytes.
///
/// - Shape: a radix sort over the hash's upper 33 bits in three passes of 11, then insertion among the
///   few that are still out of order; stable and linear.
struct HashSort: ~Copyable {
    struct Reference {
        var hash: UInt64
        var header: UnsafeMutablePointer<StateEntry.Header>
    }

    private(set) var references: UnsafeMutablePointer<Reference>
    private var scratch: UnsafeMutablePointer<Reference>
    private(set) var count = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
        references = HashSort.room(self.capacity)
        scratch = HashSort.room(self.capacity)
    }

    deinit {
        LargeMemory.free(references, capacity * MemoryLayout<Reference>.stride)
        LargeMemory.free(scratch, capacity * MemoryLayout<Reference>.stride)
    }

    private static func room(_ capacity: Int) -> UnsafeMutablePointer<Reference> {
        LargeMemory.allocate(capacity * MemoryLayout<Reference>.stride)
            .assumingMemoryBound(to: Reference.self)
    }

    @inline(__always)
    mutating func append(_ header: UnsafeMutablePointer<StateEntry.Header>) {
        assert(count < capacity)
        references[count] = Reference(
            hash: UInt64(bitPattern: header.pointee.hash), header: header)
        count &+= 1
    }

    mutating func sort() {
        if count > 64 {
            for shift: UInt64 in [31, 42, 53] { pass(shift) }
        }
        settle()
    }

    private mutating func pass(_ shift: UInt64) {
        let from = references
        let to = scratch
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 2048) { starts in
            let starts = starts.baseAddress!
            starts.initialize(repeating: 0, count: 2048)
            var at = 0
            while at < count {
                starts[Int(truncatingIfNeeded: from[at].hash &>> shift) & 2047] &+= 1
                at &+= 1
            }
            var total = 0
            at = 0
            while at < 2048 {
                let size = starts[at]
                starts[at] = total
                total &+= size
                at &+= 1
            }
            at = 0
            while at < count {
                let digit = Int(truncatingIfNeeded: from[at].hash &>> shift) & 2047
                to[starts[digit]] = from[at]
                starts[digit] &+= 1
                at &+= 1
            }
        }
        swap(&references, &scratch)
    }

    private func settle() {
        var at = 1
        while at < count {
            let reference = references[at]
            var hole = at
            while hole > 0, HashSort.precedes(reference, references[hole &- 1]) {
                references[hole] = references[hole &- 1]
                hole &-= 1
            }
            references[hole] = reference
            at &+= 1
        }
    }

    @inline(__always)
    static func precedes(_ left: Reference, _ right: Reference) -> Bool {
        left.hash != right.hash ? left.hash < right.hash : keyPrecedes(left.header, right.header)
    }

    private static func keyPrecedes(
        _ left: UnsafeMutablePointer<StateEntry.Header>,
        _ right: UnsafeMutablePointer<StateEntry.Header>
    ) -> Bool {
        keyOrder(
            UnsafeRawPointer(StateEntry.key(of: left)), Int(left.pointee.keyLength),
            UnsafeRawPointer(StateEntry.key(of: right)), Int(right.pointee.keyLength)) < 0
    }

    /// Compares two keys by their bytes, a shorter one before what it begins: negative, 0 or positive.
    static func keyOrder(
        _ left: UnsafeRawPointer, _ leftLength: Int, _ right: UnsafeRawPointer, _ rightLength: Int
    ) -> Int {
        let common = memcmp(left, right, min(leftLength, rightLength))
        return common != 0 ? Int(common) : leftLength - rightLength
    }
}
