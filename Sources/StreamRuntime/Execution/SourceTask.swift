import Synchronization

/// Runs one worker's share of a source's partitions: reads the one that is furthest behind, decodes,
/// tells each row its place in the total order, keeps the watermarks, and starts every barrier.
final class SourceTask: TaskLoop {
    let name: String
    private let node: JobGraph.SourceNode
    private let context: OperatorContext
    private let restored: [String: [UInt8]]
    private let decisions: EpochDecisions
    private let settings: RunSettings
    private let decoder: any RecordDecoder
    private let output: Fanout
    private let exchanges: [Exchange]
    private let failure: FailureSlot
    private let control: JobControl
    private let alignment: SourceAlignment.Member
    private let clock: any Clock

    /// Where other workers may decode for this one; nil when each does its own.
    private let sharing: SharedDecoding?
    /// The worker that reads the source's first partition.
    private let firstWorker: Int
    /// Whether other workers read no partition and may decode for this one.
    private var hasHelp = false
    /// Batches being decoded, in the order they were read.
    private var pending: [(job: DecodeJob, partition: SourcePartition)] = []
    private var partitions: [SourcePartition] = []
    private var announced = EventTime.earliest
    private var lastBarrier: Int64
    private var status = Status.live
    /// Where event time stood when the job went on from a checkpoint in which all partitions were idle,
    /// and when that was on this run's clock.
    private var resumed: (micros: Int64, nanos: Int64)?
    /// Whether what the checkpoint says of idleness has still to be told.
    private var hasNews = false
    /// Whether where a checkpoint stood has still to be told.
    private var hasMarks = false
    /// Idleness that came to an end in this epoch.
    private var pastIdleness: [EpochDecisions.Idleness] = []

    private enum Status { case live, idle, ended }

    init(
        name: String, node: JobGraph.SourceNode, context: OperatorContext,
        restored: [String: [UInt8]], decisions: EpochDecisions = EpochDecisions(),
        settings: RunSettings, output: Fanout, failure: FailureSlot,
        control: JobControl, alignment: SourceAlignment.Member, sharing: SharedDecoding? = nil,
        firstWorker: Int = 0, clock: any Clock
    ) {
        self.sharing = sharing
        self.firstWorker = firstWorker
        self.name = name
        self.node = node
        self.context = context
        self.restored = restored
        self.decisions = decisions
        self.settings = settings
        decoder = node.decoder()
        self.output = output
        exchanges = output.exchanges
        self.failure = failure
        self.control = control
        self.alignment = alignment
        self.clock = clock
        lastBarrier = Int64(control.requestedCheckpoint.load(ordering: .relaxed))
    }

    func open() throws(JobFailure) {
        let source = try node.open()
        let all = try source.partitions()
        hasHelp = sharing != nil && all.count < context.workers
        for (index, number) in all.enumerated()
        where (index + firstWorker) % context.workers == context.worker {
            let partition = SourcePartition(try source.reader(partition: number))
            if let position = restored[address(number)] {
                try partition.restore(position, of: node.name)
                hasMarks = node.tellsProgress
            }
            if let decision = decisions.last(of: address(number)) {
                partition.resume(decision, idleNanos: node.time.idleNanos, now: clock.nanos)
                hasNews = true
            }
            partitions.append(partition)
        }
        if !partitions.isEmpty, partitions.allSatisfy(\.isIdle),
            let reached = partitions.map(\.floor).max(), reached > .min
        {
            resumed = (reached, clock.nanos)
        }
        let known = Set(all.map(address))
        if let lost = restored.keys.filter({ $0.hasPrefix(node.name + "/") }).sorted().first(
            where: {
                !known.contains($0)
            })
        {
            throw JobFailure(
                .source, "partition \(lost) of the last checkpoint is gone", at: node.name,
                remedy: "restore the topic or files, or start afresh with an empty state directory")
        }
    }

    func step() throws(JobFailure) -> Bool {
        guard drain() else { return false }
        let requested = Int64(control.requestedCheckpoint.load(ordering: .acquiring))
        if requested > lastBarrier {
            // A position stands for rows that were sent, not for rows that were read.
            guard pending.isEmpty else { return try settle() }
            barrier(requested)
            return true
        }
        if hasHelp, partitions.isEmpty, sharing?.help(context.worker, with: decoder) ?? false {
            return true
        }
        guard status != .ended, control.pressedWorkers.load(ordering: .relaxed) == 0 else {
            return false
        }
        let now = clock.nanos
        if hasMarks {
            hasMarks = false
            for partition in partitions { mark(partition, behind: partition.reader.position - 1) }
        }
        if hasNews {
            // Before any row: the tasks behind have acted upon it already.
            hasNews = false
            announce(now)
        }
        if let first = pending.first, first.job.isDone || pending.count == SharedDecoding.jobsMax {
            return try settle()
        }
        guard let partition = next(now) else {
            guard pending.isEmpty else { return try settle() }
            announce(now)
            return false
        }
        let began = now
        let outcome = try partition.reader.read(
            maxRecords: settings.batchRows, maxBytes: settings.batchBytes)
        // What was read before is sent before anything is said about the end of it.
        if !outcome.isRecords, !pending.isEmpty { return try settle() }
        switch outcome {
        case .records(let records):
            partition.isCaughtUp = false
            if partition.isIdle { endIdleness(of: partition) }
            if records.skipped > 0 { context.counters.add(.offsetsSkipped, records.skipped) }
            if hasHelp {
                try share(records, of: partition)
            } else {
                let rows = DecodedRows(schema: decoder.schema, capacity: records.count)
                var rejected = RejectedRows()
                decoder.decode(records, into: rows, rejects: &rejected)
                try take(rows, rejected, from: records, of: partition)
            }
        case .caughtUp:
            if !partition.isCaughtUp { partition.caughtUpAt = now }
            // Offsets at the log's end may hold no record: marks of transactions.
            mark(partition, behind: partition.reader.position - 1)
            partition.isCaughtUp = true
            // Only a look at the log's end makes a partition idle, never the time since the last one.
            if !partition.isIdle, isQuiet(partition, now) {
                partition.isIdle = true
                partition.idleOffset = partition.reader.position
            }
            partition.pollAt = now + Int64(Limits.parkNanos)
        case .waiting: partition.pollAt = now + Int64(Limits.parkNanos)
        case .ended: partition.isEnded = true
        }
        announce(now)
        context.counters.add(.busyNanos, Int(clock.nanos - began))
        // The next look at this one is a while off: another partition must not wait for it.
        return outcome.isRecords || partitions.contains { !$0.isEnded && $0.pollAt <= now }
    }

    func close() {}

    private func drain() -> Bool {
        guard output.outlets.blocked > 0 else { return true }
        var drained = true
        for exchange in exchanges where !exchange.drain() { drained = false }
        return drained
    }

    private func address(_ partition: Int32) -> String { "\(node.name)/\(partition)" }

    /// The readable partition with the oldest news, if it is not too far ahead of other sources.
    private func next(_ now: Int64) -> SourcePartition? {
        var oldest: SourcePartition?
        for partition in partitions where !partition.isEnded && partition.pollAt <= now {
            if partition.newest < oldest?.newest ?? .max { oldest = partition }
        }
        guard let oldest else { return nil }
        let isCrowded = control.crowdedWorkers.load(ordering: .relaxed) > 0
        let ahead = isCrowded ? 0 : Limits.alignmentMicros
        return alignment.mayRead(newest: oldest.newest, ahead: ahead) ? oldest : nil
    }

    // MARK: rows

    /// Puts records up to be decoded by whoever has time.
    private func share(_ records: RecordBatch, of partition: SourcePartition) throws(JobFailure) {
        guard let sharing,
            let job = sharing.jobs(of: context.worker).first(where: { $0.isEmpty })
        else {
            preconditionFailure("no more batches are out than there are jobs")
        }
        job.fill(records)
        pending.append((job, partition))
        sharing.offer(by: context.worker)
    }

    /// Sends the oldest batch that is out if it is decoded, else decodes one that nobody took.
    ///
    /// - Returns: whether there was anything to do but wait.
    private func settle() throws(JobFailure) -> Bool {
        if let first = pending.first, first.job.isDone {
            pending.removeFirst()
            let (records, rows, rejected) = first.job.empty()
            try take(rows, rejected, from: records, of: first.partition)
            announce(clock.nanos)
            return true
        }
        for (job, _) in pending where job.take() {
            job.decode(with: decoder)
            return true
        }
        return false
    }

    private func take(
        _ rows: DecodedRows, _ rejects: RejectedRows, from records: RecordBatch,
        of partition: SourcePartition
    ) throws(JobFailure) {
        if let failure = rows.failure { throw failure }
        var rejected = rejects
        var stamper = RowStamper(
            rule: node.time, origin: node.ordinal << 32 | Int64(partition.reader.partition),
            newest: partition.newest)
        let batch = stamper.stamp(rows, of: records, schema: decoder.schema, rejected: &rejected)
        partition.newest = stamper.newest
        context.counters.add(.rowsIn, records.count)
        context.counters.add(.batchesIn, 1)
        if rows.skipped > 0 { context.counters.add(.skipped, rows.skipped) }
        if case .deadLetter = node.policy { batch.raw = stamper.raw(of: batch, in: records) }
        output.emit(batch)
        if !rejected.rejects.isEmpty {
            try DeadLetters.settle(
                rejected, of: stamper.letters(of: records), policy: node.policy, context: context,
                into: output)
        }
        try failure.rethrow()
        if records.count > 0 {
            mark(partition, behind: records.offsets.int64s[records.count - 1])
        }
    }

    /// Tells the sinks that the rows of all records up to `offset` are before them.
    private func mark(_ partition: SourcePartition, behind offset: Int64) {
        guard node.tellsProgress, offset > partition.marked else { return }
        partition.marked = offset
        let origin = node.ordinal << 32 | Int64(partition.reader.partition)
        broadcast(.mark(SourceMark(origin: origin, offset: offset, time: partition.newest)))
    }

    // MARK: time

    /// Tells the tasks behind how far event time is here, if that is news.
    private func announce(_ now: Int64) {
        var slowest: Int64?
        var isAnyIdle = false
        var aligned = Int64.max
        for partition in partitions where !partition.isEnded {
            if !partition.isCaughtUp { aligned = min(aligned, partition.newest) }
            if partition.isIdle {
                isAnyIdle = true
            } else {
                let mark = max(
                    node.time.watermark(newest: partition.newest), partition.floor)
                slowest = min(slowest ?? mark, mark)
            }
        }
        alignment.publish(aligned)
        if let slowest {
            let isBack = status == .idle
            status = .live
            if slowest > announced.micros {
                announced = EventTime(micros: slowest)
                context.counters.set(.watermarkMicros, slowest)
                broadcast(.watermark(announced))
            } else if isBack {
                broadcast(.watermark(announced))
            }
        } else if isAnyIdle {
            overtake(now)
            if status != .idle { broadcast(.idle) }
            status = .idle
        } else if status != .ended {
            status = .ended
            context.counters.set(.watermarkMicros, .max)
            broadcast(.end)
            control.sourceEnded()
        }
    }

    /// Whether a partition that has been read to its end counts as idle now.
    private func isQuiet(_ partition: SourcePartition, _ now: Int64) -> Bool {
        guard let pace = node.pace else {
            return now - partition.caughtUpAt >= node.time.idleNanos
        }
        return pace() > max(partition.newest, announced.micros)
    }

    /// While every partition is idle, event time goes on from the newest row at the pace of the clock,
    /// so that windows and lingers of a quiet stream come to an end. Rows that arrive later are not
    /// late by their own partition's watermark and correct what they belong to.
    private func overtake(_ now: Int64) {
        if let pace = node.pace {
            let reached = pace()
            guard reached > announced.micros else { return }
            announced = EventTime(micros: reached)
            context.counters.set(.watermarkMicros, reached)
            broadcast(.watermark(announced))
            broadcast(.idle)
            return
        }
        var reached = resumed.map { $0.micros + max(0, (now - $0.nanos) / 1000) } ?? .min
        var newest = Int64.min
        var idleSince = Int64.min
        for partition in partitions where partition.isIdle {
            newest = max(newest, partition.newest)
            idleSince = max(idleSince, partition.caughtUpAt + node.time.idleNanos)
        }
        if newest != .min { reached = max(reached, newest + 1 + max(0, (now - idleSince) / 1000)) }
        guard reached != .min else { return }
        // Every element costs every task a look, so the clock is passed on in steps of 100 ms.
        guard status != .idle || reached - announced.micros >= 100_000 else { return }
        guard reached > announced.micros else { return }
        announced = EventTime(micros: reached)
        context.counters.set(.watermarkMicros, reached)
        broadcast(.watermark(announced))
        broadcast(.idle)
    }

    // MARK: checkpoints

    /// Notes that `partition` is live again, at most so often that a checkpoint stays small.
    private func endIdleness(of partition: SourcePartition) {
        partition.isIdle = false
        resumed = nil
        if pastIdleness.count == Limits.idlenessMax { pastIdleness.removeFirst() }
        pastIdleness.append(idleness(of: partition, isIdle: false))
    }

    private func idleness(
        of partition: SourcePartition, isIdle: Bool
    ) -> EpochDecisions.Idleness {
        EpochDecisions.Idleness(
            partition: address(partition.reader.partition), offset: partition.idleOffset,
            newest: partition.newest, announced: announced.micros, isIdle: isIdle)
    }

    /// What the log does not tell of this epoch: idleness that ended in it, that goes on, or whose
    /// event time the rows have not reached yet.
    private func takeDecisions() -> [EpochDecisions.Idleness] {
        var decisions = pastIdleness
        pastIdleness = []
        for partition in partitions where !partition.isEnded {
            let mark = node.time.watermark(newest: partition.newest)
            if partition.isIdle {
                decisions.append(idleness(of: partition, isIdle: true))
            } else if status == .live, isOvertaken(mark) {
                decisions.append(idleness(of: partition, isIdle: false))
            }
        }
        return decisions
    }

    /// Whether event time has gone beyond what a partition at `mark` allows: only idleness does that.
    private func isOvertaken(_ mark: Int64) -> Bool {
        announced > .earliest && mark < announced.micros
    }

    private func barrier(_ checkpoint: Int64) {
        let began = clock.nanos
        lastBarrier = checkpoint
        var positions: [String: [UInt8]] = [:]
        for partition in partitions {
            positions[address(partition.reader.partition)] = partition.position
        }
        control.acknowledge(
            TaskAcknowledgement(
                task: name, checkpoint: checkpoint, snapshot: nil, positions: positions,
                idleness: takeDecisions(),
                pauseNanos: clock.nanos - began))
        broadcast(.barrier(checkpoint: checkpoint))
    }

    private func broadcast(_ element: StreamElement) {
        for exchange in exchanges { exchange.broadcast(element) }
    }
}
