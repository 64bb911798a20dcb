/// The hash under which Feast's Redis layout names the fields of a feature.
///
/// - Source: Austin Appleby, MurmurHash3_x86_32.
public enum Murmur3 {
    /// The 32-bit hash of `count` bytes with `seed`.
    public static func hash(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, seed: UInt32 = 0
    ) -> UInt32 {
        let raw = UnsafeRawPointer(bytes)
        var hash = seed
        var at = 0
        while at &+ 4 <= count {
            let word = UInt32(
                littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            hash = rotated(hash ^ mixed(word), 13) &* 5 &+ 0xE654_6B64
            at &+= 4
        }
        var rest: UInt32 = 0
        let left = count &- at
        if left >= 3 { rest ^= UInt32(bytes[at &+ 2]) &<< 16 }
        if left >= 2 { rest ^= UInt32(bytes[at &+ 1]) &<< 8 }
        if left >= 1 { hash ^= mixed(rest ^ UInt32(bytes[at])) }
        hash ^= UInt32(truncatingIfNeeded: count)
        hash ^= hash &>> 16
        hash = hash &* 0x85EB_CA6B
        hash ^= hash &>> 13
        hash = hash &* 0xC2B2_AE35
        return hash ^ (hash &>> 16)
    }

    /// The hash of a text's UTF-8 bytes.
    public static func hash(_ text: String, seed: UInt32 = 0) -> UInt32 {
        var text = text
        return text.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return hash([0], 0, seed: seed) }
            return hash(base, bytes.count, seed: seed)
        }
    }

    private static func mixed(_ word: UInt32) -> UInt32 {
        rotated(word &* 0xCC9E_2D51, 15) &* 0x1B87_3593
    }

    private static func rotated(_ value: UInt32, _ bits: UInt32) -> UInt32 {
        value &<< bits | value &>> (32 &- bits)
    }
}
