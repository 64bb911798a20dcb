/// The hash by which Kafka's Java client spreads keys over partitions.
///
/// - Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey.
public enum Murmur2 {
    /// The hash of `count` bytes.
    public static func hash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
        let multiplier: UInt32 = 0x5BD1_E995
        var hash: UInt32 = 0x9747_B28C ^ UInt32(truncatingIfNeeded: count)
        let raw = UnsafeRawPointer(bytes)
        var at = 0
        while at &+ 4 <= count {
            var word = UInt32(
                littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            word = word &* multiplier
            word ^= word &>> 24
            word = word &* multiplier
            hash = (hash &* multiplier) ^ word
            at &+= 4
        }
        let rest = count &- at
        if rest >= 3 { hash ^= UInt32(bytes[at &+ 2]) &<< 16 }
        if rest >= 2 { hash ^= UInt32(bytes[at &+ 1]) &<< 8 }
        if rest >= 1 {
            hash ^= UInt32(bytes[at])
            hash = hash &* multiplier
        }
        hash ^= hash &>> 13
        hash = hash &* multiplier
        hash ^= hash &>> 15
        return Int32(bitPattern: hash)
    }

    /// The partition, of `partitions`, that a record with this key belongs to.
    public static func partition(
        key bytes: UnsafePointer<UInt8>, _ count: Int, of partitions: Int
    ) -> Int {
        Int(hash(bytes, count) & 0x7FFF_FFFF) % partitions
    }
}
