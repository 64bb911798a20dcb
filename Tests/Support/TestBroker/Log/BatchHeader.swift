import Codecs

/// The fixed part of a record batch.
///
/// - Source: https://kafka.apache.org/documentation/#recordbatch.
struct BatchHeader {
    static let byteCount = 61

    var baseOffset: Int64
    /// The bytes of the whole batch, this header included.
    var totalBytes: Int
    var leaderEpoch: Int32
    var magic: Int8
    var sum: UInt32
    var attributes: Int16
    var lastOffsetDelta: Int32
    var baseTimestamp: Int64
    var maxTimestamp: Int64
    var producer: Int64
    var epoch: Int16
    var baseSequence: Int32
    var count: Int32

    /// The header at `bytes`; nil when fewer than a header's bytes are there or the length is absurd.
    init?(_ bytes: UnsafeRawPointer, available: Int) {
        guard available >= BatchHeader.byteCount else { return nil }
        func read<Value: FixedWidthInteger>(_ position: Int, _: Value.Type) -> Value {
            Value(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Value.self))
        }
        baseOffset = read(0, Int64.self)
        totalBytes = Int(read(8, Int32.self)) + 12
        leaderEpoch = read(12, Int32.self)
        magic = read(16, Int8.self)
        sum = read(17, UInt32.self)
        attributes = read(21, Int16.self)
        lastOffsetDelta = read(23, Int32.self)
        baseTimestamp = read(27, Int64.self)
        maxTimestamp = read(35, Int64.self)
        producer = read(43, Int64.self)
        epoch = read(51, Int16.self)
        baseSequence = read(53, Int32.self)
        count = read(57, Int32.self)
        guard totalBytes >= BatchHeader.byteCount, lastOffsetDelta >= 0 else { return nil }
    }

    var lastOffset: Int64 { baseOffset + Int64(lastOffsetDelta) }
    var isCompressed: Bool { attributes & 0x07 != 0 }
    var isTransactional: Bool { attributes & 0x10 != 0 }
    var isControl: Bool { attributes & 0x20 != 0 }

    /// The sequence number of the last record: they begin again at 0 after the largest.
    var lastSequence: Int32 {
        Int32((Int64(baseSequence) + Int64(lastOffsetDelta)) & 0x7FFF_FFFF)
    }

    /// Whether the bytes from the attributes on are those that the producer summed.
    func isWhole(_ bytes: UnsafeRawPointer, available: Int) -> Bool {
        magic == 2 && totalBytes <= available
            && Checksum.crc32c(bytes + 21, totalBytes - 21) == sum
    }
}
