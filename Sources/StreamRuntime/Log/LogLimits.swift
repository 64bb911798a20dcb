/// The bounds of the embedded log, with the sums that justify them.
enum LogLimits {
    /// Unpacked bytes at which a block is written: large enough for LZ4 to find its matches (64 KiB
    /// back) and for one checksum to cover some 2,000 records, small enough that one read of 4,096
    /// records of 120 bytes takes one or two blocks.
    static let blockBytes = 256 << 10
    /// Records at which a block is written whatever its bytes, so that one read takes a whole block.
    static let blockRecords = 4096
    /// The largest record, key and headers included. A block holds it alone; LZ4 takes up to 2 GiB
    /// and an arena 4 GiB.
    static let recordBytesMax = 1 << 30
    /// Bytes of a segment between two entries of its index: a seek walks at most this far.
    static let indexSpacing = 1 << 20
    /// Bytes a reader asks the file for at once: two blocks.
    static let readBytes = 512 << 10
    /// Partitions of one topic: a token of 24 bytes each stays within a few KB.
    static let partitionsMax = 256
    /// Characters of a topic's name, as in Kafka: with the segment's name it fits a path component.
    static let nameMax = 249
}
