/// Runs one stateful step on one worker: aligns its inputs, orders its rows if the step asks for it,
/// drives its event time, snapshots it at barriers.
final class StepTask: TaskLoop {
    let name: String
    private let operation: any Operator
    /// The step, when it asks outside for its rows.
    private let asking: (any AskingOperator)?
    private let inputSchema: Schema
    private let context: OperatorContext
    private var inputs: TaskInputs
    private let output: Fanout
    private let exchanges: [Exchange]
    private let failure: FailureSlot
    private let control: JobControl
    private let clock: any Clock
    private var sorter: RowSorter?
    /// Where the sorter's rows go.
    private let ordered: any Output

    /// Event time that `step` has still to be told, or to finish.
    private var due: OrderPlace?
    /// Whether the rows before `due` that are left wait for answers.
    private var isHeld = false
    private var forwarded = EventTime.earliest
    private var hasEnded = false
    private var held = HeldMarks()
    private var wasIdle = false

    init(
        name: String, step: any Operator, inputSchema: Schema, context: OperatorContext,
        inputs: [Ring], ways: [Int: Int] = [:], output: Fanout, failure: FailureSlot,
        control: JobControl, clock: any Clock
    ) {
        self.name = name
        operation = step
        asking = step as? any AskingOperator
        self.inputSchema = inputSchema
        self.context = context
        self.inputs = TaskInputs(rings: inputs, ways: ways)
        self.output = output
        exchanges = output.exchanges
        self.failure = failure
        ordered =
            if let picking = step as? any PickingOperator {
                PickedInput(step: picking, output: output, failure: failure)
            } else {
                OrderedInput(step: step, output: output, failure: failure)
            }
        self.control = control
        self.clock = clock
    }

    func open() throws(JobFailure) {
        try operation.open(context)
        if operation.needsOrderedInput {
            let sorter = RowSorter(schema: inputSchema)
            try sorter.open(context)
            if let asking {
                try sorter.showHeld { (batch) throws(JobFailure) in try asking.prepare(batch) }
            }
            self.sorter = sorter
        }
    }

    func step() throws(JobFailure) -> Bool {
        guard drain() else { return false }
        if let asking {
            if try asking.takeAnswers() { isHeld = false }
            if isHeld || due == nil, asking.isFull { return false }
            // The last barrier is behind the end: it has to find every row gone.
            if isHeld, inputs.tracker.isEnded { return false }
        }
        if due != nil, !isHeld {
            let began = clock.nanos
            try advance()
            context.counters.add(.busyNanos, Int(clock.nanos - began))
            return true
        }
        guard let event = inputs.take() else { return false }
        let began = clock.nanos
        switch event {
        case .nothing: break
        case .batch(let batch): try take(batch)
        case .time(let advanced):
            if advanced {
                due = inputs.reached
                isHeld = false
            }
            if !isHeld { try advance() }
        case .snapshot(let checkpoint): try snapshot(checkpoint)
        case .mark(let mark):
            // What a sorter holds of its records has to go first.
            if sorter == nil || mark.time < forwarded.micros {
                broadcast(.mark(mark))
            } else {
                held.hold(mark)
            }
        }
        context.counters.add(.busyNanos, Int(clock.nanos - began))
        return true
    }

    func close() { asking?.close() }

    private func drain() -> Bool {
        guard output.outlets.blocked > 0 else { return true }
        var drained = true
        for exchange in exchanges where !exchange.drain() { drained = false }
        return drained
    }

    private func take(_ batch: ColumnBatch) throws(JobFailure) {
        context.counters.add(.rowsIn, batch.count)
        context.counters.add(.batchesIn, 1)
        guard let sorter else {
            try operation.process(batch, into: output)
            return try failure.rethrow()
        }
        try asking?.prepare(batch)
        sorter.push(batch)
        // After an idle partition was overtaken, its rows are due as soon as they are here.
        if forwarded > .earliest, batch.order.hasRow(before: forwarded) {
            due = max(due ?? OrderPlace(forwarded), OrderPlace(forwarded))
            isHeld = false
            try advance()
        }
    }

    /// Brings the step to `due`, a bounded piece at a time, then passes event time on.
    private func advance() throws(JobFailure) {
        if let wanted = due {
            // Rows go on as far as they are answered.
            let place = asking.map { min(wanted, OrderPlace($0.answered)) } ?? wanted
            let reached = EventTime(micros: place.time)
            if let sorter {
                let progress = sorter.release(before: place, into: ordered)
                try failure.rethrow()
                if case .more = progress { return }
            }
            let progress = try operation.advance(to: reached, into: output)
            try failure.rethrow()
            if case .more = progress { return }
            isHeld = place < wanted
            if !isHeld { due = nil }
            if reached > forwarded {
                forwarded = reached
                context.counters.set(.watermarkMicros, reached.micros)
                broadcast(.watermark(reached))
                for mark in held.release(before: reached) { broadcast(.mark(mark)) }
            }
        }
        if due != nil { return }
        if inputs.tracker.isEnded, !hasEnded {
            hasEnded = true
            broadcast(.end)
        } else if inputs.tracker.isIdle {
            broadcast(.idle)
            wasIdle = true
        } else if wasIdle {
            // Live again: a watermark says so, even one that is not new.
            wasIdle = false
            broadcast(.watermark(forwarded))
        }
    }

    private func snapshot(_ checkpoint: Int64) throws(JobFailure) {
        let began = clock.nanos
        try operation.flush()
        try sorter?.flush()
        asking?.pass(checkpoint: checkpoint)
        let taken = try context.state.snapshot(step: context.stepId)
        context.counters.set(.stateKeys, Int64(context.state.keys(of: context.stepId)))
        control.acknowledge(
            TaskAcknowledgement(
                task: name, checkpoint: checkpoint, snapshot: taken,
                pauseNanos: clock.nanos - began))
        broadcast(.barrier(checkpoint: checkpoint))
    }

    private func broadcast(_ element: StreamElement) {
        for exchange in exchanges { exchange.broadcast(element) }
    }
}

/// Hands the rows a sorter releases to a step that takes them where they lie.
final class PickedInput: PickOutput {
    private let operation: any PickingOperator
    private let output: Fanout
    private let failure: FailureSlot

    init(step: any PickingOperator, output: Fanout, failure: FailureSlot) {
        operation = step
        self.output = output
        self.failure = failure
    }

    func emit(_ batch: ColumnBatch, port: Int) {
        guard failure.failure == nil else { return }
        do throws(JobFailure) {
            try operation.process(batch, into: output)
        } catch {
            failure.failure = error
        }
    }

    func emit(_ rows: PickedRows) {
        guard failure.failure == nil else { return }
        do throws(JobFailure) {
            try operation.process(rows, into: output)
        } catch {
            failure.failure = error
        }
    }
}

/// Hands the rows a sorter releases to the step behind it.
final class OrderedInput: Output {
    private let operation: any Operator
    private let output: Fanout
    private let failure: FailureSlot

    init(step: any Operator, output: Fanout, failure: FailureSlot) {
        operation = step
        self.output = output
        self.failure = failure
    }

    func emit(_ batch: ColumnBatch, port: Int) {
        guard failure.failure == nil else { return }
        do throws(JobFailure) {
            try operation.process(batch, into: output)
        } catch {
            failure.failure = error
        }
    }
}
