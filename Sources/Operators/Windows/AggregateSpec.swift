import StreamRuntime

/// Which rows of a key are aggregated together.
///
/// - Units: microseconds of event time. `offset` shifts windows that are otherwise aligned to 1970-01-01.
public enum Window: Equatable, Sendable {
    /// All of them; every row gives an updated result.
    case none(withBefore: Bool = false)
    /// Windows of `size` that follow each other.
    case tumble(size: Int64, offset: Int64 = 0)
    /// Windows of `size`, a new one `every` so often.
    case hop(size: Int64, every: Int64, offset: Int64 = 0)
    /// Windows that grow by `every` until they have `size`, then begin again.
    case cumulate(size: Int64, every: Int64, offset: Int64 = 0)
    /// Rows less than `gap` apart, from the first to `gap` after the last.
    case session(gap: Int64)
    /// Windows that another step has made: the column at this position says when a row's window ends, and
    /// the window's columns are part of the key.
    case ended(column: Int)
}

/// An aggregate step as its plan describes it.
public struct AggregateSpec: Sendable {
    let window: Window
    let plan: AggregatePlan
    let allowedLateness: Int64
    let latePort: Int?
    let onError: FailurePolicy
    let takesBack: Bool
    let takesPartials: Bool

    /// A step that aggregates rows by the keys of their batches.
    ///
    /// - Shape: `plan.resultSchema` begins with the key columns. Late rows leave on `latePort`, unchanged,
    ///   or are only counted.
    /// - Units: `allowedLateness` in microseconds.
    /// - Parameters:
    ///   - takesBack: whether rows may take back earlier ones; without a window only.
    ///   - takesPartials: whether rows come from a `PartialAggregate`; with `sliceShape` only.
    public init(
        window: Window, plan: AggregatePlan, allowedLateness: Int64 = 0, latePort: Int? = nil,
        onError: FailurePolicy = .fail, takesBack: Bool = false,
        takesPartials: Bool = false
    ) {
        self.window = window
        self.plan = plan
        self.allowedLateness = max(0, allowedLateness)
        self.latePort = latePort
        self.onError = onError
        self.takesBack = takesBack
        self.takesPartials = takesPartials
    }

    /// The key columns.
    var keyFields: [Field] {
        Array(plan.resultSchema.fields.prefix(plan.resultSchema.count - plan.calls.count))
    }

    /// The columns of the step's results: the keys, `window_start` and `window_end` (not without a
    /// window), then the plan's outputs.
    public var schema: Schema {
        let bounds = [Field("window_start", .timestamp), Field("window_end", .timestamp)]
        return Schema(
            keyFields + (hasBounds ? bounds : [])
                + plan.outputs.map { Field($0.name, $0.expression.type) })
    }

    /// Where windows of a fixed length lie; nil for others.
    var sliceShape: SliceShape? {
        switch window {
        case .tumble(let size, let offset):
            SliceShape(
                size: size, every: size, offset: offset, isGrowing: false,
                allowedLateness: allowedLateness)
        case .hop(let size, let every, let offset):
            SliceShape(
                size: size, every: every, offset: offset, isGrowing: false,
                allowedLateness: allowedLateness)
        case .cumulate(let size, let every, let offset):
            SliceShape(
                size: size, every: every, offset: offset, isGrowing: true,
                allowedLateness: allowedLateness)
        case .none, .session, .ended: nil
        }
    }

    var hasBounds: Bool {
        switch window {
        case .none, .ended: false
        default: true
        }
    }

    /// The operator that does it, for rows of `input`.
    ///
    /// - Throws: for an aggregate that cannot be computed, or a window of no length.
    public func makeOperator(input: Schema) throws(JobFailure) -> any Operator {
        switch window {
        case .none(let withBefore):
            return try UpdatingAggregate(self, withBefore: withBefore)
        case .ended(let column): return try EndedWindowAggregate(self, end: column)
        case .session(let gap):
            try AggregateSpec.check(gap > 0, "a session's gap is more than nothing")
            return try SessionAggregate(self, gap: gap, input: input)
        case .tumble(let size, let offset):
            try AggregateSpec.check(size > 0, "a window is longer than nothing")
            let shape = SliceShape(
                size: size, every: size, offset: offset, isGrowing: false,
                allowedLateness: allowedLateness)
            return try WindowAggregate(self, shape: shape, input: input)
        case .hop(let size, let every, let offset):
            try AggregateSpec.check(
                every > 0 && size >= every, "a hop's windows are at least as long as the hop")
            let shape = SliceShape(
                size: size, every: every, offset: offset, isGrowing: false,
                allowedLateness: allowedLateness)
            return try WindowAggregate(self, shape: shape, input: input)
        case .cumulate(let size, let every, let offset):
            try AggregateSpec.check(
                every > 0 && size >= every && size % every == 0,
                "a cumulating window's size is a multiple of its step")
            let shape = SliceShape(
                size: size, every: every, offset: offset, isGrowing: true,
                allowedLateness: allowedLateness)
            return try WindowAggregate(self, shape: shape, input: input)
        }
    }

    private static func check(_ holds: Bool, _ rule: String) throws(JobFailure) {
        if !holds { throw JobFailure(.step, rule, at: "window", remedy: "correct the window") }
    }
}
