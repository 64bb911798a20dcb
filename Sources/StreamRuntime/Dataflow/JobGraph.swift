/// What a job does, as the runtime runs it: sources, steps and sinks, and the edges between them.
///
/// - Note: built on one thread, then handed whole to the job. The closures make one instance per task.
public struct JobGraph {
    /// Where rows come from.
    public struct SourceNode {
        /// Unique in the job; part of the checkpoint's address of its positions.
        public let name: String
        /// Its position in the plan, below 2^30: the high half of its rows' origins.
        public let ordinal: Int64
        public let time: TimeRule
        public let policy: FailurePolicy
        public let open: () throws(JobFailure) -> any RecordSource
        public let decoder: () -> any RecordDecoder

        public init(
            name: String, ordinal: Int64, time: TimeRule, policy: FailurePolicy,
            open: @escaping () throws(JobFailure) -> any RecordSource,
            decoder: @escaping () -> any RecordDecoder
        ) {
            self.name = name
            self.ordinal = ordinal
            self.time = time
            self.policy = policy
            self.open = open
            self.decoder = decoder
        }
    }

    /// What happens to rows. A step without state runs inside the task before it.
    public struct StepNode {
        public let id: String
        public let ordinal: Int64
        public let isStateful: Bool
        public let inputSchema: Schema
        public let make: () throws(JobFailure) -> any Operator

        public init(
            id: String, ordinal: Int64, isStateful: Bool, inputSchema: Schema,
            make: @escaping () throws(JobFailure) -> any Operator
        ) {
            self.id = id
            self.ordinal = ordinal
            self.isStateful = isStateful
            self.inputSchema = inputSchema
            self.make = make
        }
    }

    /// Where rows leave. An ordered sink gets them in total order, so that its bytes are the same in
    /// every run; an unordered one gets them at once.
    public struct SinkNode {
        public let id: String
        public let ordinal: Int64
        public let isOrdered: Bool
        public let schema: Schema
        public let make: () throws(JobFailure) -> any Sink

        public init(
            id: String, ordinal: Int64, isOrdered: Bool, schema: Schema,
            make: @escaping () throws(JobFailure) -> any Sink
        ) {
            self.id = id
            self.ordinal = ordinal
            self.isOrdered = isOrdered
            self.schema = schema
            self.make = make
        }
    }

    /// One end of an edge.
    public enum Node: Hashable, Sendable {
        case source(Int)
        case step(Int)
        case sink(Int)
    }

    /// How rows cross an edge.
    public enum Exchange: Hashable, Sendable {
        /// In the same task, by a direct call; only into a step without state.
        case forward
        /// To the worker that owns the key made of these columns.
        case keyed([Int])
        /// To the one task of a sink.
        case gather
    }

    /// Rows of `port` of `from` go to `to`.
    public struct Edge {
        public let from: Node
        public let port: Int
        public let to: Node
        public let exchange: Exchange

        public init(from: Node, port: Int, to: Node, exchange: Exchange) {
            self.from = from
            self.port = port
            self.to = to
            self.exchange = exchange
        }
    }

    public var sources: [SourceNode]
    public var steps: [StepNode]
    public var sinks: [SinkNode]
    public var edges: [Edge]

    public init(
        sources: [SourceNode], steps: [StepNode], sinks: [SinkNode], edges: [Edge]
    ) {
        self.sources = sources
        self.steps = steps
        self.sinks = sinks
        self.edges = edges
    }
}

/// How a source tells time.
public struct TimeRule: Equatable, Sendable {
    /// The decoded column that is the event time, or nil for the record's own timestamp.
    public let column: Int?
    /// How much later than the newest row of its partition a row may come and not be late.
    public let outOfOrdernessMicros: Int64
    /// How long a partition must be at the end of its log to count as idle.
    public let idleNanos: Int64

    public init(column: Int?, outOfOrdernessMicros: Int64, idleNanos: Int64) {
        precondition(outOfOrdernessMicros >= 0)
        self.column = column
        self.outOfOrdernessMicros = outOfOrdernessMicros
        self.idleNanos = idleNanos
    }

    /// The event times a row may have: the years 1 to 9999. Anything else is a broken clock or a wrong
    /// unit, and one such row would make all rows after it late.
    public static let possible: ClosedRange<Int64> =
        -62_135_596_800_000_000...253_402_300_799_999_999

    /// The watermark of a partition whose largest event time is `newest` (Int64.min for none).
    @inline(__always) public func watermark(newest: Int64) -> Int64 {
        newest == .min ? .min : newest - outOfOrdernessMicros
    }
}
