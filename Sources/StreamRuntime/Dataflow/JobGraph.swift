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
        /// How the source tells time.
        public let time: TimeRule
        /// What becomes of records that cannot be read.
        public let policy: FailurePolicy
        /// Opens the source, once for each task.
        public let open: () throws(JobFailure) -> any RecordSource
        /// Makes a decoder, once for each task.
        public let decoder: () -> any RecordDecoder
        /// Whether sinks are told how far it has been read.
        public var tellsProgress = false
        /// Who says to which moment, in microseconds, event time has come while nothing arrives; nil for the
        /// clock, after `time.idleNanos`.
        public var pace: (@Sendable () -> Int64)?

        /// A source of this name and ordinal.
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

    /// Where rows come back that another share of the job, or this one, wrote by key.
    ///
    /// - Note: its rows carry their own order; its event time is what all upstream shares promise.
    public struct RepartitionNode {
        /// Unique among the sources; part of the checkpoint's address of its positions.
        public let name: String
        /// Its position in the plan, for its own figures; no row has it as origin.
        public let ordinal: Int64
        /// The schema of the rows.
        public let schema: Schema
        /// How many shares write to it.
        public let shares: Int
        /// Whether a run that came to its end is followed by one with more to read; otherwise its end holds.
        public let reopens: Bool
        /// Opens the partitions of this share, once.
        public let open: () throws(JobFailure) -> any RecordSource

        /// A repartition of this name and ordinal.
        public init(
            name: String, ordinal: Int64, schema: Schema, shares: Int, reopens: Bool = true,
            open: @escaping () throws(JobFailure) -> any RecordSource
        ) {
            self.name = name
            self.ordinal = ordinal
            self.schema = schema
            self.shares = shares
            self.reopens = reopens
            self.open = open
        }
    }

    /// What happens to rows. A step without state runs inside the task before it.
    public struct StepNode {
        /// The step's stable id: the address of its state.
        public let id: String
        /// Its position in the plan, after the sources; origin of the rows it makes.
        public let ordinal: Int64
        /// Whether it remembers rows: then it is a task of its own, behind a keyed exchange.
        public let isStateful: Bool
        /// The schema of its input.
        public let inputSchema: Schema
        /// Whether rows of hot keys are summed up before they come: who did that tells of those keys.
        public var hasSummedRows = false
        /// Makes the step, once for each worker (for each way in, without state).
        public let make: () throws(JobFailure) -> any Operator

        /// A step of this id and ordinal.
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
        /// The sink's stable id: the address of its token.
        public let id: String
        /// Its position in the plan, after the steps.
        public let ordinal: Int64
        /// Whether rows must come in total order.
        public let isOrdered: Bool
        /// The schema of its input.
        public let schema: Schema
        /// The columns of the rows before it that make its input; nil for all of them, as they are.
        public var columns: [Int]?
        /// Makes the sink, once.
        public let make: () throws(JobFailure) -> any Sink

        /// A sink of this id and ordinal.
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
        case repartition(Int)
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
        /// Where the rows come from.
        public let from: Node
        /// The output they leave by.
        public let port: Int
        /// Where they go.
        public let to: Node
        /// How they get there.
        public let exchange: Exchange

        /// An edge between two nodes.
        public init(from: Node, port: Int, to: Node, exchange: Exchange) {
            self.from = from
            self.port = port
            self.to = to
            self.exchange = exchange
        }
    }

    /// The sources, in the order of their ordinals.
    public var sources: [SourceNode]
    /// The steps, in topological order.
    public var steps: [StepNode]
    /// The sinks.
    public var sinks: [SinkNode]
    /// The edges.
    public var edges: [Edge]
    /// Where rows come back that were written by key.
    public var repartitions: [RepartitionNode]

    /// A graph of these nodes and edges.
    public init(
        sources: [SourceNode], steps: [StepNode], sinks: [SinkNode], edges: [Edge],
        repartitions: [RepartitionNode] = []
    ) {
        self.sources = sources
        self.steps = steps
        self.sinks = sinks
        self.edges = edges
        self.repartitions = repartitions
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

    /// A rule; the bound and the idle time are not negative.
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
