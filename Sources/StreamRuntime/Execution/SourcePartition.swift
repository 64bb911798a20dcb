/// A partition as its source task sees it: the reader, the newest event time, whether it is idle.
final class SourcePartition {
    let reader: any PartitionReader
    /// The largest event time read so far; Int64.min before the first row.
    var newest = Int64.min
    var isCaughtUp = false
    var isIdle = false
    var isEnded = false
    var caughtUpAt: Int64 = 0
    var pollAt = Int64.min

    init(_ reader: any PartitionReader) { self.reader = reader }

    /// Offset and newest event time, little-endian, as a checkpoint keeps them.
    var position: [UInt8] {
        var bytes: [UInt8] = []
        for word in [reader.position, newest] {
            withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    /// Continues where a checkpoint stood.
    func restore(_ position: [UInt8], of source: String) throws(JobFailure) {
        guard position.count == 16 else {
            throw JobFailure(
                .corruption, "the checkpoint's position of \(reader.name) is not 16 bytes",
                at: source, remedy: "restore an older checkpoint")
        }
        let words = position.withUnsafeBytes { bytes in
            (0..<2).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
        }
        try reader.seek(to: Int64(littleEndian: words[0]))
        newest = Int64(littleEndian: words[1])
    }
}
