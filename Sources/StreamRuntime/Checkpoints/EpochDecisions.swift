/// What was decided in an epoch that the log alone does not tell: which partitions were idle, and how far
/// the clock brought event time meanwhile.
///
/// - Shape: u32 count; for each decision the partition's address (u32 length, bytes), i64 offset, i64
///   newest event time, i64 announced watermark, u32 1 if it was idle at the barrier or else 0; all
///   little-endian. No decisions are no bytes.
public struct EpochDecisions: Equatable, Sendable {
    /// A partition that did not hold event time back for a while.
    public struct Idleness: Equatable, Sendable {
        /// "source/partition".
        public let partition: String
        /// The end of its log, where it was idle: the offset of the record that would end it.
        public let offset: Int64
        /// The newest event time in it then, in microseconds; Int64.min before its first row.
        public let newest: Int64
        /// The event time that its task had announced at the end of the idleness, or at the barrier.
        public let announced: Int64
        /// Whether it was idle at the barrier.
        public let isIdle: Bool

        /// Idleness of `partition` at `offset`.
        public init(
            partition: String, offset: Int64, newest: Int64, announced: Int64, isIdle: Bool
        ) {
            self.partition = partition
            self.offset = offset
            self.newest = newest
            self.announced = announced
            self.isIdle = isIdle
        }
    }

    /// In the order of partitions and, for each, of what happened.
    public var idleness: [Idleness]

    /// Decisions; none if nothing was idle.
    public init(idleness: [Idleness] = []) { self.idleness = idleness }

    /// The decisions by partition, those of one in the order they are in.
    static func sorted(_ idleness: [Idleness]) -> [Idleness] {
        idleness.enumerated().sorted {
            ($0.element.partition, $0.offset) < ($1.element.partition, $1.offset)
        }.map(\.element)
    }

    /// What a task of `partition` continues from: the last of its decisions.
    func last(of partition: String) -> Idleness? {
        idleness.last { $0.partition == partition }
    }

    // MARK: as bytes

    /// The decisions as a manifest keeps them.
    public var bytes: [UInt8] {
        if idleness.isEmpty { return [] }
        var writer = ManifestWriter()
        writer.write(UInt32(idleness.count))
        for decision in idleness {
            writer.write(decision.partition)
            writer.write(decision.offset)
            writer.write(decision.newest)
            writer.write(decision.announced)
            writer.write(UInt32(decision.isIdle ? 1 : 0))
        }
        return writer.bytes
    }

    /// Reads what `bytes` made; nil when these are none.
    public init?(bytes: [UInt8]) {
        self.init()
        if bytes.isEmpty { return }
        var reader = ManifestReader(bytes[...])
        do throws(ManifestFormat.Fault) {
            for _ in 0..<(try reader.readUInt32()) {
                idleness.append(
                    Idleness(
                        partition: try reader.readText(), offset: try reader.readInt64(),
                        newest: try reader.readInt64(), announced: try reader.readInt64(),
                        isIdle: try reader.readUInt32() == 1))
            }
        } catch {
            return nil
        }
    }
}
