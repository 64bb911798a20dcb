import CLZ4

/// LZ4 blocks: fast compression of one piece of memory.
///
/// - Source: the LZ4 block format; no frame, so both lengths are the caller's to keep.
public enum LZ4 {
    /// The most bytes one block may hold.
    public static let inputMax = 0x7E00_0000

    /// How much faster than its best the compressor works: four times the stride between two tries
    /// costs a few percent of size and saves half of the time on rows of text.
    private static let acceleration: Int32 = 4

    /// The most bytes that `count` bytes can become.
    public static func compressedMax(_ count: Int) -> Int { count + count / 255 + 16 }

    /// Compresses `count` bytes into `target`.
    ///
    /// - Precondition: `count <= inputMax`.
    /// - Returns: the compressed length, or nil when it does not fit into `capacity`.
    public static func compress(
        _ source: UnsafePointer<UInt8>, _ count: Int,
        into target: UnsafeMutablePointer<UInt8>, capacity: Int
    ) -> Int? {
        precondition(count <= inputMax, "an LZ4 block holds at most 2,113,929,216 bytes")
        let room = Int32(min(capacity, Int(Int32.max)))
        let from = UnsafeRawPointer(source).assumingMemoryBound(to: CChar.self)
        let to = UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self)
        let written = LZ4_compress_fast(from, to, Int32(count), room, LZ4.acceleration)
        return written > 0 ? Int(written) : nil
    }

    /// Decompresses a block of `count` bytes that was made from exactly `length` bytes.
    ///
    /// - Returns: false when the block is corrupt; `target` then holds garbage, never beyond `length`.
    public static func decompress(
        _ source: UnsafePointer<UInt8>, _ count: Int,
        into target: UnsafeMutablePointer<UInt8>, length: Int
    ) -> Bool {
        guard count <= Int(Int32.max), length <= inputMax else { return false }
        let from = UnsafeRawPointer(source).assumingMemoryBound(to: CChar.self)
        let to = UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self)
        return LZ4_decompress_safe(from, to, Int32(count), Int32(length)) == Int32(length)
    }
}
