import Synchronization

/// What one step's state on one worker held at a barrier, as far as it had changed.
public struct StateSnapshot: Sendable {
    /// The step whose state it is.
    public let step: String
    let pieces: [RecordPiece]
    let drops: [DroppedNamespace]
    let ticket: SnapshotTicket

    /// Changed and removed entries in the snapshot.
    public var entries: Int { pieces.reduce(0) { $0 + $1.records.count } }
    /// Memory the snapshot holds.
    public var bytes: Int { pieces.reduce(0) { $0 + $1.records.bytes } }
}

/// Changed entries of one state that are written before the checkpoint that needs them.
struct WriteAhead: Sendable {
    let pieces: [RecordPiece]
    let drops: [DroppedNamespace]
    let ticket: SnapshotTicket
}

/// Entries of one state and namespace of one worker, on their way to disk.
struct RecordPiece: Sendable {
    let address: String
    let layout: StateLayout
    let state: UInt16
    let namespace: Int64
    /// The lowest hash the worker owns: pieces of other workers lie wholly before or after.
    let lowestHash: UInt64
    let records: RecordBuffer
}

/// A namespace whose entries of one worker are to be deleted from disk.
struct DroppedNamespace: Sendable {
    let address: String
    let namespace: Int64
    let lower: [UInt8]
    let upper: [UInt8]
}

/// Says whether a snapshot is on disk yet.
final class SnapshotTicket: Sendable {
    private let done = Atomic<Bool>(false)
    var isDone: Bool { done.load(ordering: .acquiring) }
    func finish() { done.store(true, ordering: .releasing) }
}
