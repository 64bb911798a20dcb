import Synchronization

/// Runs one sink: orders its rows if it asks for it, prepares at barriers, commits whole checkpoints.
final class SinkTask: TaskLoop {
    let name: String
    private let sink: any Sink
    private let context: OperatorContext
    private var inputs: TaskInputs
    private let sorter: RowSorter?
    private let restoredToken: [UInt8]?
    private let control: JobControl
    private let lag: EventLag
    private let clock: any Clock

    private var prepared: [(checkpoint: Int64, token: [UInt8])] = []
    private var due: OrderPlace?
    private var held = HeldMarks()
    private var reached = EventTime.earliest

    init(
        name: String, sink: any Sink, sorter: RowSorter?, context: OperatorContext, inputs: [Ring],
        ways: [Int: Int] = [:], restoredToken: [UInt8]?, control: JobControl, lag: EventLag,
        clock: any Clock
    ) {
        self.name = name
        self.sink = sink
        self.context = context
        self.inputs = TaskInputs(rings: inputs, ways: ways)
        self.sorter = sorter
        self.restoredToken = restoredToken
        self.control = control
        self.lag = lag
        self.clock = clock
    }

    func open() throws(JobFailure) {
        sink.report(to: context.counters)
        try sorter?.open(context)
        try sink.recover(token: restoredToken)
    }

    func step() throws(JobFailure) -> Bool {
        try commit()
        guard sink.isReady else { return false }
        if let due {
            let began = clock.nanos
            try release(before: due)
            context.counters.add(.busyNanos, Int(clock.nanos - began))
            return true
        }
        guard let event = inputs.take() else { return false }
        let began = clock.nanos
        try act(upon: event)
        context.counters.add(.busyNanos, Int(clock.nanos - began))
        return true
    }

    private func act(upon event: TaskInputs.Event) throws(JobFailure) {
        switch event {
        case .nothing: break
        case .batch(let batch):
            context.counters.add(.rowsIn, batch.count)
            context.counters.add(.batchesIn, 1)
            guard let sorter else {
                try sink.write(batch)
                lag.add(batch, now: clock.nowMicros)
                break
            }
            sorter.push(batch)
            if reached > .earliest, batch.order.hasRow(before: reached) {
                try release(before: OrderPlace(reached))
            }
        case .time(let advanced):
            if advanced { try release(before: inputs.reached) }
            if sorter == nil { try sink.follow(inputs.tracker) }
        case .snapshot(let checkpoint): try snapshot(checkpoint)
        case .mark(let mark):
            if sorter == nil || mark.time < reached.micros {
                sink.reach(mark)
            } else {
                held.hold(mark)
            }
        }
    }

    func close() { sink.close() }

    private func release(before place: OrderPlace) throws(JobFailure) {
        due = place
        if let sorter {
            let writer = SinkInput(sink: sink, lag: lag, clock: clock)
            let progress = sorter.release(before: place, into: writer)
            if let failure = writer.failure { throw failure }
            if case .more = progress { return }
        }
        due = nil
        let time = EventTime(micros: place.time)
        if time > reached {
            reached = time
            context.counters.set(.watermarkMicros, time.micros)
            for mark in held.release(before: time) { sink.reach(mark) }
            if time == .endOfTime { try sink.end() }
        }
    }

    private func snapshot(_ checkpoint: Int64) throws(JobFailure) {
        let began = clock.nanos
        try sorter?.flush()
        let taken = try context.state.snapshot(step: context.stepId)
        let token = try sink.prepare(checkpoint: checkpoint)
        prepared.append((checkpoint, token))
        control.acknowledge(
            TaskAcknowledgement(
                task: name, checkpoint: checkpoint, snapshot: taken,
                tokens: [context.stepId: token], work: sink.durableWork,
                pauseNanos: clock.nanos - began))
    }

    private func commit() throws(JobFailure) {
        guard let first = prepared.first else { return }
        let completed = Int64(control.completedCheckpoint.load(ordering: .acquiring))
        guard first.checkpoint <= completed else { return }
        while let next = prepared.first, next.checkpoint <= completed {
            try sink.commit(checkpoint: next.checkpoint, token: next.token)
            prepared.removeFirst()
        }
        control.committed(task: name, checkpoint: completed)
    }
}

/// Hands the rows a sorter releases to a sink.
private final class SinkInput: Output {
    private let sink: any Sink
    private let lag: EventLag
    private let clock: any Clock
    var failure: JobFailure?

    init(sink: any Sink, lag: EventLag, clock: any Clock) {
        self.sink = sink
        self.lag = lag
        self.clock = clock
    }

    func emit(_ batch: ColumnBatch, port: Int) {
        guard failure == nil else { return }
        do throws(JobFailure) {
            try sink.write(batch)
            lag.add(batch, now: clock.nowMicros)
        } catch {
            failure = error
        }
    }
}
