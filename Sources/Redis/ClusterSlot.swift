/// The slot of a key in a Redis cluster.
///
/// - Source: redis.io, "Redis cluster specification", key distribution model: CRC-16/XMODEM modulo 16384, of
///   the part between the first braces where there is one.
public enum ClusterSlot {
    /// The number of slots.
    public static let count = 16_384

    /// The slot of `key`.
    public static func of(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        if let open = key.firstIndex(of: 0x7B),
            let close = key[(open + 1)...].firstIndex(of: 0x7D), close > open + 1
        {
            return slot(UnsafeBufferPointer(rebasing: key[(open + 1)..<close]))
        }
        return slot(key)
    }

    private static func slot(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var check: UInt16 = 0
        for byte in bytes {
            check = check << 8 ^ table[Int(UInt8(check >> 8) ^ byte)]
        }
        return Int(check) % count
    }

    private static let table: [UInt16] = (0..<256).map { byte in
        var check = UInt16(byte) << 8
        for _ in 0..<8 { check = check & 0x8000 != 0 ? check << 1 ^ 0x1021 : check << 1 }
        return check
    }
}
