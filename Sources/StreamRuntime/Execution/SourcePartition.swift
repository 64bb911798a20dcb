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
    /// The last offset that sinks were told of.
    var marked: Int64 = -1
    /// The offset at which it became idle.
    var idleOffset: Int64 = 0
    /// What a run before this one announced because of idleness: event time does not go back behind it.
    var floor = Int64.min

    init(_ reader: any PartitionReader) { self.reader = reader }

    /// Where reading continues, as a checkpoint keeps it.
    var position: [UInt8] { SourcePosition(offset: reader.position, newest: newest).bytes }

    /// Continues where a checkpoint stood.
    func restore(_ position: [UInt8], of source: String) throws(JobFailure) {
        guard let position = SourcePosition(position) else {
            throw JobFailure(
                .corruption, "the checkpoint's position of \(reader.name) is not 16 bytes",
                at: source, remedy: "restore an older checkpoint")
        }
        try reader.seek(to: position.offset)
        newest = position.newest
    }

    /// Continues an idleness that a checkpoint tells of, as if it had been seen at `now`.
    func resume(_ decision: EpochDecisions.Idleness, idleNanos: Int64, now: Int64) {
        floor = decision.announced
        guard decision.isIdle else { return }
        isCaughtUp = true
        isIdle = true
        caughtUpAt = now - idleNanos
        idleOffset = decision.offset
    }
}
