import CPlatform
import CZlib

/// Sums that tell whether bytes are still what was written.
public enum Checksum {
    /// CRC-32C (Castagnoli) of `count` bytes, continuing from `seed` (0 for a new sum).
    ///
    /// - Source: RFC 3720, appendix B.4; the same sum as Kafka's record batches.
    public static func crc32c(_ bytes: UnsafeRawPointer, _ count: Int, seed: UInt32 = 0) -> UInt32 {
        millrace_crc32c(seed, bytes, count)
    }

    /// CRC-32 of `count` bytes as gzip has it, continuing from `seed` (0 for a new sum).
    public static func crc32(_ bytes: UnsafeRawPointer, _ count: Int, seed: UInt32 = 0) -> UInt32 {
        let folded = count & ~15
        var sum = ~seed
        guard folded >= 64, millrace_crc32_fold(&sum, bytes, folded) != 0 else {
            return UInt32(
                truncatingIfNeeded: CZlib.crc32_z(
                    UInt(seed), bytes.assumingMemoryBound(to: UInt8.self), count))
        }
        guard folded < count else { return ~sum }
        return UInt32(
            truncatingIfNeeded: CZlib.crc32_z(
                UInt(~sum), (bytes + folded).assumingMemoryBound(to: UInt8.self), count - folded))
    }
}
