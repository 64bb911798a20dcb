/// Where a partition's reading continues, as a checkpoint keeps it.
///
/// - Shape: 16 bytes: the offset of the next record and the newest event time in microseconds
///   (Int64.min before the first row), both little-endian. Behind them what a source of another kind
///   remembers.
public struct SourcePosition: Equatable, Sendable {
    /// The offset of the next record.
    public let offset: Int64
    /// The largest event time read so far, in microseconds; Int64.min before the first row.
    public let newest: Int64

    /// What follows the 16 bytes; empty for a source of records.
    public let more: [UInt8]

    init(offset: Int64, newest: Int64, more: [UInt8] = []) {
        self.offset = offset
        self.newest = newest
        self.more = more
    }

    /// Reads a position; nil when the bytes are none.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16 else { return nil }
        let words = bytes.withUnsafeBytes { raw in
            (0..<2).map { raw.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
        }
        offset = Int64(littleEndian: words[0])
        newest = Int64(littleEndian: words[1])
        more = Array(bytes[16...])
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for word in [offset, newest] {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes + more
    }
}
