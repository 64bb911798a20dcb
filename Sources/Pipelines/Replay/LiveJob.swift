import Connectors
import FeatureServe
import StreamRuntime

/// The live job as a replay looks at it.
enum LiveJob {
    /// The manifest of the newest whole checkpoint, without stopping or holding the job; nil when it has
    /// none.
    static func newest(_ plan: JobPlan) throws(JobFailure) -> CheckpointManifest? {
        guard ReplayFiles.exists(plan.settings.stateDirectory + "/identity") else { return nil }
        return try CheckpointStore(reading: plan.settings.stateDirectory).newestWhole().manifest
    }

    /// Whether a process holds the job's state.
    static func isRunning(_ plan: JobPlan) -> Bool {
        isHeld(plan.settings.stateDirectory, job: plan.name)
    }

    /// Whether a process holds the state directory of `job`.
    static func isHeld(_ directory: String, job: String) -> Bool {
        do throws(JobFailure) {
            _ = try CheckpointStore(directory: directory, job: job)
            return false
        } catch {
            return true
        }
    }

    /// The rows of the live online store as lines, from a copy made at `copy`: the job may be running.
    static func features(_ plan: JobPlan, copy: String) throws(JobFailure) -> [String] {
        defer { try? ReplayFiles.remove(copy) }
        let online = OnlineStores.directory(of: plan)
        guard ReplayFiles.exists(online) else { return [] }
        var attempts = 0
        while true {
            attempts += 1
            do throws(JobFailure) {
                try Directories.make(copy)
                try StateBackend.fill(copy + "/online", from: online)
                var copied = plan
                copied.settings.stateDirectory = copy
                return try OnlineStores.open(copied, budget: 64 << 20).dump()
            } catch {
                // The store was being written while it was copied: look again.
                if attempts == 5 { throw error }
                ReplayPause.millisecond()
            }
        }
    }

    /// The manifest the job would continue from: with transactions the one that Kafka has committed.
    ///
    /// - Precondition: the job is stopped, and `store` holds its state directory.
    static func settled(
        _ plan: JobPlan, _ store: CheckpointStore
    ) throws(JobFailure) -> CheckpointManifest? {
        let transactions = try JobTransactions(plan: plan)
        defer { transactions.close() }
        guard let domain = transactions.domain else { return try store.newestWhole().manifest }
        return try store.found(committed: try domain.lastCommitted()).manifest
    }
}

extension ReplaySession {
    /// Reads on until the replay stands exactly at `positions`, by "stream/partition".
    ///
    /// - Throws: when it has read further already, or records in between are gone.
    mutating func carry(
        to positions: [String: Int64], _ shape: Shape, isStopping: () -> Bool = { false },
        show: (RangeAccount, Bool) -> Void = { _, _ in }
    ) throws(JobFailure) {
        let reached = try self.positions()
        if let ahead = reached.filter({ $0.value > positions[$0.key] ?? 0 }).keys.sorted().first {
            throw JobFailure(
                .state,
                "the replay has read \(ahead) up to \(reached[ahead]!), the live job's last "
                    + "checkpoint only up to \(positions[ahead] ?? 0)", at: directory.directory,
                remedy: "let the live job run past that offset and stop it, then try again")
        }
        guard reached != positions else {
            if spec.stage == .running { try remember { $0.stage = .done } }
            return
        }
        var opened: [String: Int64] = [:]
        for planned in live.sources {
            let missing = positions.keys.filter {
                $0.hasPrefix(planned.name + "/") && spec.ranges[$0] == nil
            }
            guard !missing.isEmpty else { continue }
            let source = try ReplaySources.open(planned, of: live, archive: spec.archive)
            for address in missing {
                let partition = Int32(address.dropFirst(planned.name.utf8.count + 1)) ?? 0
                opened[address] =
                    try (source as? any LogLookup)?.extent(partition: partition).oldest ?? 0
            }
        }
        try remember { spec in
            for (address, offset) in positions {
                let from = spec.ranges[address]?.from ?? opened[address] ?? 0
                spec.ranges[address] = OffsetRange(from: min(from, offset), to: offset)
            }
            spec.stage = .running
        }
        guard try run(shape, isCarrying: true, isStopping: isStopping, show: show) else {
            throw JobFailure(
                .environment, "stopped before the replay had caught up with the live job",
                at: directory.directory, remedy: "give the same command again")
        }
        try remember { $0.stage = .done }
        let now = try self.positions()
        guard now == positions else {
            throw JobFailure(
                .state, "the replay did not come to the live job's positions",
                at: directory.directory, remedy: "start a new replay")
        }
    }

    /// The offsets of the replay's newest whole checkpoint.
    func positions() throws(JobFailure) -> [String: Int64] {
        guard let manifest = try checkpoint().manifest else {
            throw JobFailure(
                .checkpoint, "the replay has no checkpoint", at: directory.directory,
                remedy: "run the replay to its end first")
        }
        return BoundedRun.offsets(manifest.positions)
    }

    /// The replay's newest whole checkpoint, and where it is.
    func checkpoint() throws(JobFailure) -> (manifest: CheckpointManifest?, store: CheckpointStore)
    {
        let store = try CheckpointStore(reading: directory.place.state)
        return (try store.newestWhole().manifest, store)
    }
}
