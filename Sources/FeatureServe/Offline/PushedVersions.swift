import StreamRuntime
import Synchronization

/// The log of versions that clients write: pushes, writes of views, and the protocol of Redis, from any thread.
///
/// No checkpoint covers them: they become readable in their log with the next `commit`. What was answered and
/// not committed when the process is killed is in the store, but not in the log.
public final class PushedVersions: Sendable {
    /// - Note: `@unchecked Sendable` because it is used under the lock only.
    private final class Sinks: @unchecked Sendable {
        var open: [String: any Sink] = [:]
        var changed: Set<String> = []
        var unlogged: Set<String> = []
    }

    private let sinks = Mutex(Sinks())
    private let make: @Sendable (String) throws(JobFailure) -> (any Sink)?

    /// A log whose sink for a view `make` opens at its first write; nil for a view that is not logged.
    public init(_ make: @escaping @Sendable (String) throws(JobFailure) -> (any Sink)?) {
        self.make = make
    }

    /// Takes versions of `view`.
    func write(_ batch: ColumnBatch, of view: String) throws(JobFailure) {
        let result = sinks.withLock { sinks in
            Result { () throws(JobFailure) in try self.write(batch, of: view, sinks) }
        }
        try result.get()
    }

    private func write(
        _ batch: ColumnBatch, of view: String, _ sinks: Sinks
    ) throws(JobFailure) {
        if sinks.unlogged.contains(view) { return }
        if sinks.open[view] == nil {
            guard let made = try make(view) else {
                sinks.unlogged.insert(view)
                return
            }
            try made.recover(token: nil)
            sinks.open[view] = made
        }
        try sinks.open[view]?.write(batch)
        sinks.changed.insert(view)
    }

    /// Makes what was taken so far readable in the log.
    public func commit() throws(JobFailure) {
        let result = sinks.withLock { sinks in
            Result { () throws(JobFailure) in
                for view in sinks.changed.sorted() {
                    guard let sink = sinks.open[view] else { continue }
                    let token = try sink.prepare(checkpoint: 0)
                    try sink.commit(checkpoint: 0, token: token)
                }
                sinks.changed = []
            }
        }
        try result.get()
    }

    /// Commits, and lets others have the log.
    public func close() throws(JobFailure) {
        try commit()
        sinks.withLock { sinks in
            for sink in sinks.open.values { sink.close() }
            sinks.open = [:]
        }
    }
}
