import CPlatform

/// Sums that tell whether bytes are still what was written.
public enum Checksum {
    /// CRC-32C (Castagnoli) of `count` bytes, continuing from `seed` (0 for a new sum).
    ///
    /// - Source: RFC 3720, appendix B.4; the same sum as Kafka's record batches.
    public static func crc32c(_ bytes: UnsafeRawPointer, _ count: Int, seed: UInt32 = 0) -> UInt32 {
        millrace_crc32c(seed, bytes, count)
    }
}
