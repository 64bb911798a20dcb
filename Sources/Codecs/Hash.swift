import CXXHash

/// Stable 64-bit hashing.
public enum Hash {
    /// XXH3-64 with seed 0 of `count` bytes, as a signed word.
    ///
    /// - Source: the xxHash specification; the value for given bytes never changes.
    @inline(__always)
    public static func xxh3(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int64 {
        Int64(bitPattern: millrace_xxh3_64(bytes, count))
    }

    /// XXH64 with seed 0 of `count` bytes: slower than XXH3, and known to more programs.
    ///
    /// - Source: the xxHash specification.
    @inline(__always)
    public static func xxh64(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        millrace_xxh64(bytes, count)
    }
}
