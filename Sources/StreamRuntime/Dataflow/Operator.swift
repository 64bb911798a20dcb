/// What happens to rows: one instance per worker, called by its task only, never concurrently.
///
/// A step gets batches and watermarks in order and emits batches through `output`. It never waits,
/// locks, sleeps or reads a clock. Everything it must remember across a checkpoint is in the state it
/// opened from `context`; at a barrier the task snapshots that state after calling `flush`.
public protocol Operator: AnyObject {
    /// Whether rows must arrive in their total order; the task then puts a `RowSorter` in front.
    var needsOrderedInput: Bool { get }

    /// Called once before anything else; opens state. After a recovery the state holds what the
    /// checkpoint held for this worker's key groups.
    func open(_ context: OperatorContext) throws(JobFailure)

    /// Takes the rows of `batch`.
    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure)

    /// Event time reached `watermark`: every later row has `RowOrder.time` >= `watermark`.
    ///
    /// - Returns: `.more` to be called again with the same watermark once `output` has drained, so
    ///   that a large firing is bounded; `.done` when everything due was emitted. The task forwards
    ///   the watermark after `.done`.
    func advance(to watermark: EventTime, into output: any Output) throws(JobFailure) -> Progress

    /// A barrier is here: moves whatever the step keeps outside its state tables into them.
    func flush() throws(JobFailure)
}

extension Operator {
    /// Most steps take rows in any order.
    public var needsOrderedInput: Bool { false }
    /// A step without state has nothing to open.
    public func open(_ context: OperatorContext) throws(JobFailure) {}
    /// A step without windows or timers has nothing due.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress { .done }
    /// A step that keeps all it knows in its tables has nothing to move.
    public func flush() throws(JobFailure) {}
}

/// Whether a call has finished what was due.
public enum Progress: Sendable {
    case done
    case more
}

/// Where a step's rows go. Port 0 is the main output; the others are the step's side outputs in the
/// order its plan lists them (late rows, stale rows, dead letters).
public protocol Output: AnyObject {
    /// Hands `batch` on; an empty batch is dropped.
    func emit(_ batch: ColumnBatch, port: Int)

    /// Says that no later row, of any port, comes before `place` in the total order.
    func promise(_ place: OrderPlace)
}

extension Output {
    /// Where nothing waits for a promise, none is passed on.
    public func promise(_ place: OrderPlace) {}

    /// Hands `batch` on at the main output.
    public func emit(_ batch: ColumnBatch) { emit(batch, port: 0) }
}

/// What an operator instance is told about its place.
public struct OperatorContext {
    /// The step's stable id, as in the pipelines file: the address of its state.
    public let stepId: String
    /// The step's position in the plan; origin of the rows it makes.
    public let ordinal: Int64
    /// The worker this instance belongs to, from 0.
    public let worker: Int
    /// How many workers the job has.
    public let workers: Int
    /// The worker's share of the state.
    public let state: StateStore
    /// The figures the step keeps.
    public let counters: StepCounters
    /// The name of each source of the plan, by its ordinal.
    public let sources: [Int64: String]
    /// Has the instance's worker look at it again, from any thread.
    public let wake: @Sendable () -> Void

    /// The place of one instance of a step.
    public init(
        stepId: String, ordinal: Int64, worker: Int, workers: Int, state: StateStore,
        counters: StepCounters, sources: [Int64: String] = [:],
        wake: @escaping @Sendable () -> Void = {}
    ) {
        self.wake = wake
        self.stepId = stepId
        self.ordinal = ordinal
        self.worker = worker
        self.workers = workers
        self.state = state
        self.counters = counters
        self.sources = sources
    }

    /// The source a row with this origin came from, or the step that made it.
    public func sourceName(origin: Int64) -> String { sources[origin >> 32] ?? stepId }

    /// The key groups whose keys come to this worker.
    public var keyGroups: Range<Int> { KeyGroup.range(worker: worker, of: workers) }
}
