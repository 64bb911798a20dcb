import StreamRuntime
import Synchronization

/// Reads what a plan asks for into memory of its own, which is used again for every request.
protocol PlanReader: AnyObject {
    var store: OnlineStore { get }
    var blocks: ByteArena { get }
    /// The key that was encoded last.
    var key: ByteArena { get }
    /// For each row one entry for each of the plan's views.
    var reads: UnsafeMutablePointer<ViewRead> { get }
    /// Whether `RenderedValues` are read, Feast's bytes, instead of JSON.
    var readsValues: Bool { get }

    /// Encodes the group's key of a row.
    func encodeKey(_ group: ServingPlan.Group, _ row: Int)

    /// Reads a group's views of every row; returns whether everything was there.
    func read(
        _ number: Int, _ plan: ServingPlan, rows: Int, epoch: UInt32, fetches: Bool
    ) throws(LookupProblem) -> Bool
}

/// What a lookup does for the options beyond Feast's contract.
extension PlanReader {
    /// The record that the request has to wait for; nil when there is none, or it has been applied.
    func awaited(
        _ options: LookupOptions, _ plan: ServingPlan, _ stage: LookupStage, start: Int64
    ) throws(LookupProblem) -> LookupDeferral.Record? {
        guard let wait = options.wait, stage.applied == nil else { return nil }
        let targets = store.targets(
            topic: wait.topic, partition: wait.partition,
            views: plan.views.map(\.declaration.name))
        guard !targets.isEmpty else {
            throw .invalid(
                "The topic of wait_for feeds none of the views that are asked for")
        }
        guard !store.board.hasReached(targets, offset: wait.offset) else { return nil }
        return LookupDeferral.Record(
            targets: targets, offset: wait.offset,
            deadlineNanos: start + wait.deadlineMillis * 1_000_000)
    }

    /// Reads what the options ask for.
    ///
    /// - Returns: whether everything was there.
    func read(
        _ options: LookupOptions, _ plan: ServingPlan, _ stage: LookupStage, rows: Int, now: Int64,
        into extras: inout LookupExtras
    ) throws(LookupProblem) -> Bool {
        if let moment = options.asOf {
            guard !options.wantsSnapshot else {
                throw .invalid("as_of and consistency: snapshot do not go together")
            }
            extras.asOf = moment
            return try readPast(plan, asOf: moment, stage, rows: rows, now: now)
        }
        guard options.wantsSnapshot else {
            return try readGroups(plan, rows: rows, fetches: stage.fetches)
        }
        // Values of a snapshot are let go as soon as a newer one counts: then all are read again.
        var tries = 0
        while tries < 3 {
            let epoch = store.epochs.newest
            blocks.count = 0
            let isWhole = try readGroups(plan, rows: rows, epoch: epoch, fetches: stage.fetches)
            if store.epochs.newest == epoch {
                extras.epoch = epoch
                return isWhole
            }
            tries += 1
        }
        let result = store.epochs.turn.withLock { _ in
            let epoch = store.epochs.newest
            blocks.count = 0
            extras.epoch = epoch
            return Result { () throws(LookupProblem) -> Bool in
                try readGroups(plan, rows: rows, epoch: epoch, fetches: stage.fetches)
            }
        }
        return try result.get()
    }

    func readGroups(
        _ plan: ServingPlan, rows: Int, epoch: UInt32 = ViewVersion.orphan, fetches: Bool
    ) throws(LookupProblem) -> Bool {
        var isWhole = true
        for group in plan.groups.indices {
            let isThere = try read(group, plan, rows: rows, epoch: epoch, fetches: fetches)
            isWhole = isWhole && isThere
        }
        return isWhole
    }

    /// Reads what was served at `moment`, which only rows at rest tell.
    private func readPast(
        _ plan: ServingPlan, asOf moment: Int64, _ stage: LookupStage, rows: Int, now: Int64
    ) throws(LookupProblem) -> Bool {
        for group in plan.groups {
            let table = store.tables[group.table]
            for slot in group.slots {
                let view = table.views[slot].name
                guard let history = table.histories[slot] else {
                    throw .invalid(
                        "Feature view \(view) keeps no history; declare one (history: 7d) to ask as_of"
                    )
                }
                guard moment >= now - history.retentionMicros, moment <= now else {
                    throw .invalid(
                        moment > now
                            ? "as_of is in the future"
                            : "as_of is before what feature view \(view) keeps: "
                                + "\(history.retentionMicros / 1_000_000) seconds of history")
                }
            }
        }
        guard stage.fetches else {
            for index in 0..<(rows * plan.views.count) { reads[index] = .cold }
            return false
        }
        for group in plan.groups {
            let table = store.tables[group.table]
            for row in 0..<rows {
                encodeKey(group, row)
                for (index, slot) in group.slots.enumerated() {
                    guard let history = table.histories[slot] else { continue }
                    do throws(JobFailure) {
                        reads[row * plan.views.count + group.firstView + index] =
                            try history.read(
                                key: key.base, keyLength: key.count, asOf: moment,
                                features: table.views[slot].features,
                                withPayload: group.isComputedFrom, asValues: readsValues,
                                into: blocks)
                    } catch {
                        throw .storage(error)
                    }
                }
            }
        }
        return true
    }
}
