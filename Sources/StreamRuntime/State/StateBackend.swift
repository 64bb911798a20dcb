import Glibc
import RocksDB
import Synchronization

/// The disk under the state of a job, shared by its workers.
///
/// - Note: any thread may call it: the database locks inside, the rest is behind mutexes.
public final class StateBackend: Sendable {
    /// The directory of the live database.
    public let directory: String
    let database: Database
    let pool: BlockPool
    private let registry: Mutex<StateRegistry>
    private let writer: StateWriter
    /// One checkpoint is completed at a time.
    private let completing = Mutex(0)
    /// What waits to be written before the checkpoint that needs it, oldest first.
    private let waiting = Mutex<[WriteAhead]>([])
    /// A table that has gained this many bytes since its last snapshot is written ahead.
    let aheadBytes: Int

    /// Opens the live state in `directory`, made if it is not there.
    ///
    /// - Parameters:
    ///   - memoryBytes: the job's memory for state; the database takes an eighth of it and keeps at
    ///     most a quarter in blocks for snapshots. The tables' budgets are the rest.
    ///   - registry: the states that the checkpoint the directory was filled from holds.
    ///   - aheadBytes: how many bytes a table gains before they are written ahead of the checkpoint
    ///     that needs them; with nil a part of the memory.
    public init(
        directory: String, memoryBytes: Int, registry: StateRegistry = StateRegistry(),
        aheadBytes: Int? = nil
    ) throws(JobFailure) {
        self.directory = directory
        self.aheadBytes = aheadBytes ?? min(max(memoryBytes / 32, 4 << 20), 256 << 20)
        let options = StateBackend.options(memoryBytes: memoryBytes)
        do { database = try Database(path: directory, options: options) } catch {
            throw JobFailure(error)
        }
        pool = BlockPool(keptBytes: memoryBytes / 4)
        self.registry = Mutex(registry)
        writer = try StateWriter(database: database, options: options, near: directory)
    }

    private static func options(memoryBytes: Int) -> DatabaseOptions {
        var options = DatabaseOptions()
        options.writeAheadLog = false
        options.filtersInCache = false
        // Files are written sorted and most keys that are not on disk are known not to be, so merging
        // files gains lookups little, and costs more than all else that is done for state.
        options.newFilesMin = 64
        options.blockCacheBytes = min(max(memoryBytes / 16, 4 << 20), 1 << 30)
        options.writeBufferBytes = min(max(memoryBytes / 32, 2 << 20), 64 << 20)
        return options
    }

    /// The part of `memoryBytes` that the tables of all workers together may hold.
    public static func tableBytes(memoryBytes: Int) -> Int { memoryBytes / 2 }

    /// The states known so far, for the manifest.
    public var states: StateRegistry { registry.withLock { $0 } }

    /// The number of a state on disk, given on first use.
    func register(
        _ address: String, layout: StateLayout
    ) throws(JobFailure) -> StateRegistry.Record {
        let result: Result<StateRegistry.Record, JobFailure> = registry.withLock { registry in
            do throws(JobFailure) {
                return .success(try registry.register(address, layout: layout))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Brings `snapshots`, all of one checkpoint, into the database and makes a copy of it, by hard
    /// links, in the new directory `target`.
    ///
    /// After it returns, entries of those snapshots may leave memory. After it throws, the state on
    /// disk is between two checkpoints: the job must restart from the last whole one.
    public func complete(
        snapshots: [StateSnapshot], linkingTo target: String
    ) throws(JobFailure) {
        let failure: JobFailure? = completing.withLock { completed in
            do throws(JobFailure) {
                // What waits is older than the snapshots: none is taken between a state's barrier and
                // the end of its checkpoint.
                try writeWaiting()
                try write(snapshots.flatMap(\.pieces), drops: snapshots.flatMap(\.drops))
                do throws(RocksDBError) {
                    try database.flush()
                    try database.checkpoint(to: target)
                } catch { throw JobFailure(error) }
                completed += 1
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
        for snapshot in snapshots { snapshot.ticket.finish() }
    }

    /// Lets `entries` be written before the checkpoint that needs them.
    func writeAhead(_ entries: WriteAhead) { waiting.withLock { $0.append(entries) } }

    /// Writes what tables have gained since their last snapshots, so that the next checkpoint has less
    /// to write; called now and then by a thread that has nothing better to do.
    public func writeAhead() throws(JobFailure) {
        let failure: JobFailure? = completing.withLock { _ in
            do throws(JobFailure) {
                try writeWaiting()
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    private func writeWaiting() throws(JobFailure) {
        let taken = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for entries in taken {
            try write(entries.pieces, drops: entries.drops)
            entries.ticket.finish()
        }
    }

    /// Deletes what was dropped, then writes `pieces`.
    func write(_ pieces: [RecordPiece], drops: [DroppedNamespace]) throws(JobFailure) {
        do {
            try writer.delete(drops)
            try writer.write(pieces)
        } catch { throw JobFailure(error) }
    }
}

extension JobFailure {
    /// What a failure of the database means for the job.
    init(_ error: RocksDBError) {
        self.init(
            error.kind == .corrupt ? .corruption : .state, error.problem, at: error.path,
            remedy: error.remedy,
            recovery: error.kind == .noSpace ? .retry(afterMillis: 30_000) : .stopAndAsk)
    }
}
