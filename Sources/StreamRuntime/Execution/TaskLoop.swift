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
    private let views: [Ring.View]
    private var aligner: BarrierAligner
    private var marks: MarkAligner
    private(set) var tracker: WatermarkTracker
    /// The place in the total order that every row to come is at or after: that of `tracker.combined`,
    /// or further on within that time. It never goes back.
    private(set) var reached = OrderPlace(.earliest)
    /// What each input promised last.
    private var places: [OrderPlace]
    private var turn = 0

    /// What the task must do about the element that was taken.
    enum Event {
        case batch(ColumnBatch)
        /// Event time went forward to `reached`, or idleness or the end came with it.
        case time(advanced: Bool)
        case snapshot(checkpoint: Int64)
        /// Every input is behind the records up to a mark.
        case mark(SourceMark)
        case nothing
    }

    /// The inputs `rings`; `ways` says by how many of them the marks of each source come.
    init(rings: [Ring], ways: [Int: Int] = [:]) {
        self.rings = rings
        views = rings.map(\.view)
        marks = MarkAligner(ways: ways)
        aligner = BarrierAligner(inputs: rings.count)
        tracker = WatermarkTracker(inputs: rings.count)
        places = [OrderPlace](repeating: OrderPlace(.earliest), count: rings.count)
    }

    /// Takes the next element of an input that is not paused; nil when there is none.
    mutating func take() -> Event? {
        let count = views.count
        var tried = 0
        while tried < count {
            let input = turn
            turn = turn &+ 1 == count ? 0 : turn &+ 1
            tried &+= 1
            // Most rings are empty most of the time: that is found out without touching the ring.
            guard !views[input].isEmpty, !aligner.isPaused(input),
                let element = rings[input].take()
            else { continue }
            switch element {
            case .batch(let batch): return .batch(batch)
            case .watermark(let time): return advance(input, to: OrderPlace(time))
            case .place(let place): return advance(input, to: place)
            case .mark(let mark):
                guard let passed = marks.receive(mark, on: input) else { return .nothing }
                return .mark(passed)
            case .idle:
                _ = tracker.idle(input)
                return settle()
            case .end:
                _ = tracker.end(input)
                return settle()
            case .barrier(let checkpoint):
                switch aligner.receive(checkpoint: checkpoint, on: input) {
                case .pause: return .nothing
                case .snapshot(let checkpoint): return .snapshot(checkpoint: checkpoint)
                }
            }
        }
        return nil
    }

    private mutating func advance(_ input: Int, to place: OrderPlace) -> Event {
        places[input] = max(places[input], place)
        _ = tracker.advance(input, to: EventTime(micros: place.time))
        return settle()
    }

    /// Finds the place that all inputs have reached: that of the slowest live one.
    private mutating func settle() -> Event {
        var slowest: OrderPlace?
        for input in places.indices where tracker.isLive(input) {
            slowest = min(slowest ?? places[input], places[input])
        }
        let place = max(OrderPlace(tracker.combined), slowest ?? OrderPlace(.earliest))
        guard place > reached else { return .time(advanced: false) }
        reached = place
        return .time(advanced: true)
    }
}
