import Codecs

/// The head of a block: some records of one partition under one checksum, in a segment file.
///
/// - Shape: 48 bytes, little-endian: magic with format version, CRC-32C of everything after it, body
///   bytes, codec, flags, first offset, records, unpacked body bytes, newest timestamp, append id.
struct BlockHeader {
    /// How the body is packed.
    enum Codec: UInt8 {
        case none = 0
        case lz4 = 1
    }

    static let size = 48
    static let magic: UInt32 = 0x3142_4C4D  // "MLB1"
    static let checkedFrom = 8

    var bodyBytes: Int
    var checksum: UInt32 = 0
    var codec: Codec
    var hasHeaders: Bool
    /// Whether offsets before the first are left out on purpose: an archive keeps those of its topic.
    var followsGap = false
    var baseOffset: Int64
    var count: Int
    var unpackedBytes: Int
    var timestampMax: Int64
    /// The checkpoint the records were appended under; 0 for a plain producer.
    var appendId: Int64

    var bytes: Int { BlockHeader.size + bodyBytes }
    var nextOffset: Int64 { baseOffset + Int64(count) }

    init(
        bodyBytes: Int, codec: Codec, hasHeaders: Bool, baseOffset: Int64, count: Int,
        unpackedBytes: Int, timestampMax: Int64, appendId: Int64
    ) {
        self.bodyBytes = bodyBytes
        self.codec = codec
        self.hasHeaders = hasHeaders
        self.baseOffset = baseOffset
        self.count = count
        self.unpackedBytes = unpackedBytes
        self.timestampMax = timestampMax
        self.appendId = appendId
    }

    /// Reads the 48 bytes at `raw`; nil when they are not the head of a block of this version.
    init?(_ raw: UnsafeRawPointer) {
        func field<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value {
            Value(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: Value.self))
        }
        guard field(0, UInt32.self) == BlockHeader.magic,
            let codec = Codec(rawValue: field(12, UInt8.self))
        else { return nil }
        checksum = field(4, UInt32.self)
        bodyBytes = Int(field(8, UInt32.self))
        self.codec = codec
        hasHeaders = field(13, UInt8.self) & 1 != 0
        followsGap = field(13, UInt8.self) & 2 != 0
        baseOffset = field(16, Int64.self)
        count = Int(field(24, UInt32.self))
        unpackedBytes = Int(field(28, UInt32.self))
        timestampMax = field(32, Int64.self)
        appendId = field(40, Int64.self)
        guard baseOffset >= 0, count > 0, unpackedBytes <= LZ4.inputMax, bodyBytes <= unpackedBytes
        else { return nil }
    }

    /// Writes the head to `raw`, whose body follows it already, and sums both up.
    func write(to raw: UnsafeMutableRawPointer) {
        func put<Value: FixedWidthInteger>(_ value: Value, _ at: Int) {
            raw.storeBytes(of: value.littleEndian, toByteOffset: at, as: Value.self)
        }
        put(BlockHeader.magic, 0)
        put(UInt32(bodyBytes), 8)
        put(codec.rawValue, 12)
        put(UInt8((hasHeaders ? 1 : 0) | (followsGap ? 2 : 0)), 13)
        put(UInt16(0), 14)
        put(baseOffset, 16)
        put(UInt32(count), 24)
        put(UInt32(unpackedBytes), 28)
        put(timestampMax, 32)
        put(appendId, 40)
        put(BlockHeader.sum(raw, bytes: bytes), 4)
    }

    /// Whether a block may stand where `offset` is due.
    func continues(at offset: Int64) -> Bool {
        baseOffset == offset || followsGap && baseOffset > offset
    }

    /// Whether the whole block at `raw` is what was written.
    func isWhole(_ raw: UnsafeRawPointer) -> Bool {
        BlockHeader.sum(raw, bytes: bytes) == checksum
    }

    private static func sum(_ raw: UnsafeRawPointer, bytes: Int) -> UInt32 {
        Checksum.crc32c(raw + checkedFrom, bytes - checkedFrom)
    }
}
