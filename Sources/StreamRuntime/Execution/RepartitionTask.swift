import Synchronization

/// Reads the rows that shares of the job wrote for this one: they carry their own places in the total
/// order, and event time is what all upstream shares promise together.
///
/// - Note: one task for each repartition, because the promises of a share concern all its records. What
///   was promised is part of the checkpoint: it must neither be forgotten nor taken back.
final class RepartitionTask: TaskLoop {
    let name: String
    private let node: JobGraph.RepartitionNode
    private let context: OperatorContext
    private let restored: [String: [UInt8]]
    private let settings: RunSettings
    private let output: Fanout
    private let exchanges: [Exchange]
    private let failure: FailureSlot
    private let control: JobControl
    private let alignment: SourceAlignment.Member
    private let clock: any Clock

    private var inputs: [Input] = []
    private var turn = 0
    private var tracker: WatermarkTracker
    private var announced = EventTime.earliest
    private var wasIdle = false
    private var hasEnded = false
    private var lastBarrier: Int64
    /// The largest event time read so far; Int64.min before the first row.
    private var newest = Int64.min

    private struct Input {
        /// Its number in the source, which is its address; the reader's own is that of its topic.
        let number: Int32
        let reader: any PartitionReader
        var isCaughtUp = false
        var pollAt = Int64.min
    }

    init(
        name: String, node: JobGraph.RepartitionNode, context: OperatorContext,
        restored: [String: [UInt8]], settings: RunSettings, output: Fanout, failure: FailureSlot,
        control: JobControl, alignment: SourceAlignment.Member, clock: any Clock
    ) {
        self.name = name
        self.node = node
        self.context = context
        self.restored = restored
        self.settings = settings
        self.output = output
        exchanges = output.exchanges
        self.failure = failure
        self.control = control
        self.alignment = alignment
        self.clock = clock
        tracker = WatermarkTracker(inputs: node.shares)
        lastBarrier = Int64(control.requestedCheckpoint.load(ordering: .relaxed))
    }

    func open() throws(JobFailure) {
        let source = try node.open()
        for number in try source.partitions() {
            let reader = try source.reader(partition: number)
            if let bytes = restored[address(number)] { try restore(bytes, reader) }
            inputs.append(Input(number: number, reader: reader))
        }
        let known = Set(inputs.map { address($0.number) })
        let lost = restored.keys.filter { $0.hasPrefix(node.name + "/") && !known.contains($0) }
        if let lost = lost.min() {
            throw JobFailure(
                .source, "partition \(lost) of the last checkpoint is gone", at: node.name,
                remedy: "start this share with the state it had, or start the job afresh")
        }
    }

    func step() throws(JobFailure) -> Bool {
        guard drain() else { return false }
        let requested = Int64(control.requestedCheckpoint.load(ordering: .acquiring))
        if requested > lastBarrier {
            barrier(requested)
            return true
        }
        guard !hasEnded, control.pressedWorkers.load(ordering: .relaxed) == 0 else { return false }
        let began = clock.nanos
        guard let input = next(began) else {
            announce()
            return false
        }
        let reader = inputs[input].reader
        let outcome = try reader.read(
            maxRecords: min(settings.batchRows, 64), maxBytes: Limits.batchBytes)
        if case .records(let records) = outcome {
            inputs[input].isCaughtUp = false
            try take(records, from: reader)
        } else {
            inputs[input].isCaughtUp = true
            inputs[input].pollAt = began + Int64(Limits.parkNanos)
        }
        announce()
        context.counters.add(.busyNanos, Int(clock.nanos - began))
        if case .records = outcome { return true }
        return false
    }

    func close() {}

    private func drain() -> Bool {
        guard output.outlets.blocked > 0 else { return true }
        var drained = true
        for exchange in exchanges where !exchange.drain() { drained = false }
        return drained
    }

    private func address(_ partition: Int32) -> String { "\(node.name)/\(partition)" }

    private func next(_ now: Int64) -> Int? {
        let isCrowded = control.crowdedWorkers.load(ordering: .relaxed) > 0
        let ahead = isCrowded ? 0 : Limits.alignmentMicros
        guard alignment.mayRead(newest: newest, ahead: ahead) else { return nil }
        for _ in inputs.indices {
            let input = turn
            turn = turn + 1 == inputs.count ? 0 : turn + 1
            if inputs[input].pollAt <= now { return input }
        }
        return nil
    }

    // MARK: rows

    private func take(
        _ records: RecordBatch, from reader: any PartitionReader
    ) throws(JobFailure) {
        for row in 0..<records.count {
            let (share, record) = try RepartitionFormat.decode(
                records.values.bytes(row), schema: node.schema,
                at: "\(reader.name) offset \(records.offsets.int64s[row])")
            guard share < node.shares else {
                throw JobFailure(
                    .corruption, "share \(share) of a job of \(node.shares) shares has written",
                    at: "\(reader.name) offset \(records.offsets.int64s[row])",
                    remedy: "the number of shares is fixed for the life of the state: run all "
                        + "processes with the same file, or start the job afresh")
            }
            switch record {
            case .rows(let batch):
                tracker.revive(share)
                try emit(batch)
            case .watermark(let time):
                tracker.revive(share)
                _ = tracker.advance(share, to: time)
            case .idle: _ = tracker.idle(share)
            case .end: _ = tracker.end(share)
            }
        }
    }

    private func emit(_ batch: ColumnBatch) throws(JobFailure) {
        let times = batch.order.eventTimes.int64s
        var row = 0
        while row < batch.count {
            if times[row] > newest { newest = times[row] }
            row &+= 1
        }
        context.counters.add(.rowsIn, batch.count)
        context.counters.add(.batchesIn, 1)
        output.emit(batch)
        try failure.rethrow()
    }

    // MARK: time

    private func announce() {
        // Waiting for what is not committed yet must not hold other sources back.
        let isBehind = inputs.contains { !$0.isCaughtUp }
        alignment.publish(isBehind ? newest : .max)
        if tracker.isEnded {
            if !hasEnded {
                hasEnded = true
                broadcast(.end)
                control.sourceEnded()
            }
            return
        }
        if tracker.combined > announced || (wasIdle && !tracker.isIdle) {
            announced = tracker.combined
            wasIdle = false
            context.counters.set(.watermarkMicros, announced.micros)
            broadcast(.watermark(announced))
        }
        if tracker.isIdle, !wasIdle {
            wasIdle = true
            broadcast(.idle)
        }
    }

    // MARK: checkpoints

    private func barrier(_ checkpoint: Int64) {
        let began = clock.nanos
        lastBarrier = checkpoint
        var positions: [String: [UInt8]] = [:]
        let isFinal = checkpoint == control.finalCheckpoint.load(ordering: .acquiring)
        for input in inputs {
            positions[address(input.number)] =
                SourcePosition(
                    offset: input.reader.position, newest: newest,
                    more: [isFinal ? 1 : 0] + tracker.bytes
                ).bytes
        }
        control.acknowledge(
            TaskAcknowledgement(
                task: name, checkpoint: checkpoint, snapshot: nil, positions: positions,
                pauseNanos: clock.nanos - began))
        broadcast(.barrier(checkpoint: checkpoint))
    }

    private func restore(_ bytes: [UInt8], _ reader: any PartitionReader) throws(JobFailure) {
        guard let position = SourcePosition(bytes),
            let isFinal = position.more.first,
            let promised = WatermarkTracker(bytes: Array(position.more.dropFirst())),
            promised.inputs == node.shares
        else {
            throw JobFailure(
                .corruption,
                "the checkpoint's position of \(reader.name) is not one of \(node.shares) shares",
                at: node.name,
                remedy:
                    "run with the number of shares that the state was made with, or start afresh")
        }
        try reader.seek(to: position.offset)
        newest = max(newest, position.newest)
        // A run that came to its end is over; this one has ends of its own to wait for.
        tracker = isFinal == 1 && node.reopens ? promised.reopened : promised
    }

    private func broadcast(_ element: StreamElement) {
        for exchange in exchanges { exchange.broadcast(element) }
    }
}
