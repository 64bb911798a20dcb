/// A piece of the job that one worker runs: a share of a source, of a keyed step, or a sink.
///
/// - Note: everything it owns belongs to its worker's thread from `open` on.
protocol TaskLoop: AnyObject {
    var name: String { get }

    /// Opens state and connections, on the worker's thread.
    func open() throws(JobFailure)

    /// Does a bounded piece of work.
    ///
    /// - Returns: whether there was any.
    func step() throws(JobFailure) -> Bool

    /// Lets go of everything, whatever happened.
    func close()
}

/// The inputs of a task: takes elements in turn, pauses what a barrier closed, follows event time.
struct TaskInputs {
    private let rings: [Ring]
    private var aligner: BarrierAligner
    private(set) var tracker: WatermarkTracker
    private var turn = 0

    /// What the task must do about the element that was taken.
    enum Event {
        case batch(ColumnBatch)
        /// Event time went forward to `tracker.combined`, or idleness or the end came with it.
        case time(advanced: Bool)
        case snapshot(checkpoint: Int64)
        case nothing
    }

    init(rings: [Ring]) {
        self.rings = rings
        aligner = BarrierAligner(inputs: rings.count)
        tracker = WatermarkTracker(inputs: rings.count)
    }

    /// Takes the next element of an input that is not paused; nil when there is none.
    mutating func take() -> Event? {
        for _ in rings.indices {
            let input = turn
            turn = turn + 1 == rings.count ? 0 : turn + 1
            guard !aligner.isPaused(input), let element = rings[input].take() else { continue }
            switch element {
            case .batch(let batch): return .batch(batch)
            case .watermark(let time):
                return .time(advanced: tracker.advance(input, to: time))
            case .idle: return .time(advanced: tracker.idle(input))
            case .end: return .time(advanced: tracker.end(input))
            case .barrier(let checkpoint):
                switch aligner.receive(checkpoint: checkpoint, on: input) {
                case .pause: return .nothing
                case .snapshot(let checkpoint): return .snapshot(checkpoint: checkpoint)
                }
            }
        }
        return nil
    }
}
