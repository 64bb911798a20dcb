import Connectors
import Operators
import Redis
import StreamRuntime

/// A checked pipelines file, ready to run: what is read, what happens to it, where it goes.
///
/// - Shape: `steps` are in topological order: an edge comes from a source or from an earlier step.
///   A value without any instance in it; operators, decoders and sinks are made from it per worker.
struct JobPlan: Equatable, Sendable {
    var settings: JobSettings
    var connections: [PlannedConnection]
    let sources: [PlannedSource]
    let steps: [PlannedStep]
    /// Which columns each step reads, by its ordinal.
    let uses: [ColumnUse]
    /// The topics by which shares pass rows on; none without shares.
    let repartitions: [PlannedRepartition]
    var sinks: [PlannedSink]
    let entities: [PlannedEntity]
    let featureViews: [PlannedFeatureView]
    let pushSources: [PlannedPushSource]
    let onDemand: [PlannedOnDemand]
    let services: [PlannedService]
    /// The pipelines in file order, with where each one's rows come out.
    let pipelines: [PlannedPipeline]
    /// Stable hexadecimal text over everything that decides results; equal plans have equal ones.
    let fingerprint: String

    var name: String { settings.name }

    /// Whether there is anything to look up.
    var hasFeatures: Bool { !featureViews.isEmpty || !onDemand.isEmpty }

    /// The steps that take over another id's state, by their new id.
    var renames: [String: String] {
        var renames: [String: String] = [:]
        for step in steps { renames[step.id] = step.formerId }
        return renames
    }

    /// The connection called `name`.
    func connection(_ name: String) -> PlannedConnection? {
        connections.first { $0.name == name }
    }
}

/// How the job as a whole runs.
struct JobSettings: Equatable, Sendable {
    let name: String
    /// The file's directory, which its paths were resolved against; empty for the current one.
    let directory: String
    /// The directory of checkpoints, state and the online store, as resolved against the file's directory.
    var stateDirectory: String
    /// The budget for caches, hot state, queues and batches; nil when the file does not say.
    let memoryBytes: Int?
    /// Worker threads; nil when the file does not say (one per core).
    let workers: Int?
    let checkpointEvery: Duration
    let checkpointKeep: Int
    /// Where checkpoints are kept for other machines, as resolved against the file's directory.
    var checkpointStore: PlannedStore?
    /// How many shares the job is cut into; nil when it runs whole in one process.
    var shares: Int?
    /// Where features are served.
    let serveHost: String
    let servePort: Int
    /// Feast's server whose answers are given where they differ from the protocol; nil for the protocol's.
    var serveCompat: String?
    /// The other lanes, and who may use them.
    var serving = PlannedServing()
    /// Where they are served in the protocol of Redis; nil for nowhere.
    var resp: PlannedRESP?
    /// Where versions of features are kept; nil for nowhere.
    var featureLog: PlannedFeatureLog?
    /// How much of what lookups give is logged; nil for nothing.
    var servedSample: PlannedServedSample?
    /// Where features are kept for others; nil for nowhere.
    var redis: PlannedRedis?
    /// Whether the file says that something is served.
    var isServed = false
    /// State directories of other runs whose journalled answers count, besides those of the own one.
    var answersFrom: [String] = []
    /// When the job is started again in its process after a failure.
    var restart = RestartPolicy.Settings()
}

/// A Redis server or cluster that features are kept on.
struct PlannedRedis: Equatable, Sendable {
    let address: RedisAddress
    /// The Feast project of the keys.
    let project: String
}

/// How features are served in the protocol of Redis.
struct PlannedRESP: Equatable, Sendable {
    /// The port; 0 for any.
    let port: Int
    /// The Feast project whose keys are the declared entities'.
    let project: String
    let password: String?
}

/// A place that topics or files are in.
struct PlannedConnection: Equatable, Sendable {
    /// Which system it is.
    enum Kind: Equatable, Sendable {
        /// Embedded topics under this directory.
        case embedded(root: String)
        /// Files under this directory.
        case files(root: String)
        /// A Kafka cluster; `properties` are passed to the client, sorted by name, secrets included.
        case kafka(bootstrap: String, properties: [Property])
        /// An HTTP service.
        case http(PlannedHTTP)
        /// A Redis server or cluster.
        case redis(RedisAddress)
    }

    /// A client property.
    struct Property: Equatable, Sendable {
        let name: String
        let value: String
    }

    let name: String
    let kind: Kind
    /// Where the schemas of its topics' records are registered.
    var registry: PlannedRegistry?
    /// How long all brokers of a cluster may be gone before the job stops; nil when the file does not say.
    var outageLimit: Duration?
}

/// A stream as it will be read.
struct PlannedSource: Equatable, Sendable {
    /// Where the records are.
    enum Location: Equatable, Sendable {
        case topic(connection: String, topic: String)
        /// A file, a directory or a glob, as resolved against the file's directory.
        case files(path: String)
    }

    /// The position in `JobPlan.sources`; the high half of its rows' origin.
    let ordinal: Int
    /// The stream's name.
    let name: String
    let location: Location
    let format: PlannedFormat
    /// The fields the plan needs, in the order of `schema`; the event time is always among them.
    let fields: [PlannedField]
    let schema: Schema
    /// The column of the event time, a timestamp.
    let timeColumn: Int
    let outOfOrderness: Duration
    /// How long a partition must have been read to its end to count as idle; nil = never.
    let idle: Duration?
    /// For records that cannot be read; `.deadLetter(port: 1)` goes to the sink fed from port 1.
    let onError: FailurePolicy
    /// Main rows on port 0; dead letters, when declared, on port 1.
    let outputs: [PlannedPort]
    /// Where the schemas of its records are, if records name them.
    var registry: PlannedRegistry?
    /// How requests bring its records; nil when none do.
    var ingest: PlannedIngest?
    /// The directory its records are files of; nil for none.
    var watch: PlannedWatch?
    /// The service it is polled from; nil for none.
    var poll: PlannedPoll?
}

/// How the bytes of a record are read.
struct PlannedFormat: Equatable, Sendable {
    /// The formats there are.
    enum Kind: String, CaseIterable, Sendable {
        case json, csv, debezium, avro, protobuf, raw, xml
        case fixedWidth = "fixed_width"
        case x12, edifact, canal, maxwell, ogg
    }

    let kind: Kind
    /// Options as written, sorted by name: `delimiter`, `header`, `strict` and their like.
    let options: [Option]
    /// What the descriptor file of a Protobuf format describes.
    var protobuf: ProtobufSchema?

    /// An option of a format.
    struct Option: Equatable, Sendable {
        let name: String
        let value: String
    }

    func option(_ name: String) -> String? { options.first { $0.name == name }?.value }

    /// Whether the paths of fields are the format's own, not names with dots between them.
    var hasOwnPaths: Bool {
        switch kind {
        case .xml, .fixedWidth, .x12, .edifact: true
        default: false
        }
    }

    /// Whether records are Avro.
    var isAvro: Bool { kind == .avro || option("encoding") == "avro" }

    /// The same format with another value of an option.
    func setting(_ name: String, _ value: String) -> PlannedFormat {
        PlannedFormat(
            kind: kind,
            options: options.map { $0.name == name ? Option(name: name, value: value) : $0 })
    }

    /// What the rows say of a table; nil for rows that are there to stay.
    var changelog: Changelog? { option("changelog").flatMap(Changelog.init) }
}

/// A field to decode.
struct PlannedField: Equatable, Sendable {
    /// How a number stands for a moment.
    enum TimeUnit: String, CaseIterable, Sendable {
        case iso, s, ms, us, ns, days, basic
    }

    /// What part of the record the field is read from.
    enum Origin: Equatable, Sendable {
        case value
        case key, timestamp, offset, partition
        case header(String)
    }

    let name: String
    /// Where in the value it is: names from the outside in; a CSV column has one.
    let path: [String]
    let type: ColumnType
    let isRequired: Bool
    /// The unit of a timestamp given as a number; nil when the file does not say.
    let unit: TimeUnit?
    let from: Origin
    /// The time zone of a timestamp written without one; nil for UTC.
    var zone: String?
}

/// One output of a source or a step.
struct PlannedPort: Equatable, Sendable {
    /// `main`, `late`, `stale`, `dead_letters`, or a route's name.
    let name: String
    let schema: Schema
}

/// Rows on their way from an output to a step or a sink.
struct PlannedEdge: Equatable, Sendable {
    /// Where an edge begins: an index into `JobPlan.sources` or `JobPlan.steps`.
    enum Node: Hashable, Sendable {
        case source(Int)
        case step(Int)
    }

    /// How rows find their worker.
    enum Exchange: Equatable, Sendable {
        /// They stay where they are.
        case forward
        /// To the owner of the key made of these columns; `batch.keys` is set to it.
        case keyed([Int])
        /// All to worker 0.
        case gather
    }

    let from: Node
    let port: Int
    let exchange: Exchange
    /// True when the rows are already on the worker their key belongs to: keys must be set, but
    /// nothing needs to move.
    let isLocal: Bool
}

/// A step: one operator on each worker.
struct PlannedStep: Equatable, Sendable {
    /// The position in `JobPlan.steps`; `OperatorContext.ordinal` and the origin of rows it makes.
    let ordinal: Int
    /// The address of its state when it has any; otherwise "pipeline.position".
    let id: String
    /// The id whose state it takes over when the last checkpoint has none under `id`.
    let formerId: String?
    let pipeline: String
    let verb: String
    /// Where it stands in the file.
    let line: Int
    /// The file it stands in, when that is an included one.
    var file: String?
    let operation: StepOperation
    /// The key columns of its input; empty for a step without a key.
    let keys: [Int]
    let inputs: [PlannedEdge]
    let inputSchema: Schema
    /// Port 0 is the main output; the others in the order the operator numbers them.
    let outputs: [PlannedPort]
    /// The topic its rows come through, an index into `JobPlan.repartitions`; nil when they stay in
    /// their share.
    let repartition: Int?
    /// For rows an expression fails on.
    let onError: FailurePolicy
    /// No memory of earlier rows: may run by direct calls in the task that feeds it.
    let isStateless: Bool
    /// Must be fed in the total order of rows: a sorter goes in front.
    let needsOrderedInput: Bool
    /// What its input says of a table; nil for rows that are there to stay.
    var changelog: Changelog?

    var schema: Schema { outputs[0].schema }

    /// Where it stands, in words.
    var place: String { (file.map { "\($0), " } ?? "") + "line \(line)" }
}

/// What a step does, in the words of the file; expressions are compiled again for every worker.
enum StepOperation: Equatable, Sendable {
    case filter(predicate: String)
    case select([NamedExpression])
    case extend([NamedExpression])
    /// One row for each element of the list that `list` gives; the element is called `alias`.
    case unnest(list: String, alias: String)
    /// The first condition that holds decides: condition i leads to port i + 1, none of them to port 0.
    case route(conditions: [String])
    case deduplicate(within: Duration)
    /// Rows older by `order` than one already passed go to `stalePort`, or are counted and dropped.
    case latest(order: String, stalePort: Int?)
    case aggregate(
        WindowShape, items: [NamedExpression], allowedLateness: Duration, latePort: Int?,
        results: ResultShape)
    case rolling(RollingShape)
    /// At most `size` rows a batch; given out after `linger` of event time at the latest.
    case rebatch(size: Int, linger: Duration?)
    /// A state machine for each key.
    case process(ProcessSpec)
    /// Brings the rows of one side into the form both sides of a join share.
    case joinSide(JoinSideShape)
    case join(JoinShape)
    /// Asks a table elsewhere for each row.
    case lookup(LookupShape)
    /// A row for each occurrence of a pattern of rows.
    case match(MatchSpec)
    /// The first rows of each key by an order.
    case top(TopShape)
}

/// A column to be, and the expression that makes it.
struct NamedExpression: Equatable, Sendable {
    let name: String
    let text: String
}

/// Which results of an aggregate step come out, and what they say of a table.
struct ResultShape: Equatable, Sendable {
    /// A condition over the results' columns, or over aggregates of their rows.
    struct Condition: Equatable, Sendable {
        let text: String
        let isOverRows: Bool
    }

    var having: Condition?
    var changes: Changelog?
}

/// Which rows an aggregate step puts together.
enum WindowShape: Equatable, Sendable {
    /// All of a key's rows, with an updated result for each.
    case none
    case tumble(size: Duration)
    case hop(size: Duration, every: Duration)
    case session(gap: Duration)
    case cumulate(size: Duration, every: Duration)
    /// Windows of another step, which end where a column says.
    case ended(by: String)
}

/// The windows of a rolling step and what is computed in them.
struct RollingShape: Equatable, Sendable {
    /// One width and its results, `{over}` written out in every name and text.
    struct Width: Equatable, Sendable {
        let over: Duration
        let items: [NamedExpression]
    }

    let widths: [Width]
    let includesSelf: Bool
    /// How much later a row becomes visible to others than it happened.
    let delay: Duration
    /// The length of the tiles that rows are kept in; nil when every row is kept.
    let grain: Duration?
}

/// Where rows leave the job; several steps may feed one sink.
struct PlannedSink: Equatable, Sendable {
    /// The system and place.
    enum Target: Equatable, Sendable {
        /// A topic; `keys` are columns of the record key, empty for none.
        case topic(connection: String, topic: String, keys: [Int], partitions: Int?)
        /// A directory of files, as resolved against the file's directory; `format` is json or csv.
        case files(path: String, format: PlannedFormat.Kind)
        /// One file with what a table has at the end; `keys` are columns of the key, empty for none.
        case table(path: String, format: PlannedFormat.Kind, keys: [Int])
        /// Rows are counted; with `checksum` their hashes summed up, by key when there are `keys`.
        case blackhole(checksum: Bool, keys: [Int])
        /// The online store; an index into `JobPlan.featureViews`.
        case features(view: Int)
        /// An HTTP service.
        case call(PlannedCall)
    }

    /// When what was written can be seen by others.
    enum Delivery: String, Equatable, Sendable {
        case exactlyOnce = "exactly_once"
        case atLeastOnce = "at_least_once"
    }

    let ordinal: Int
    /// Stable: the address of the sink's place in checkpoints, as `topic:orders.late`.
    let id: String
    var target: Target
    var delivery: Delivery
    var inputs: [PlannedEdge]
    let schema: Schema
    /// For rows the target refuses.
    let onError: FailurePolicy
    /// The format of a topic's records, json or avro.
    var format = PlannedFormat.Kind.json
    /// What Protobuf records are like.
    var message: PlannedFormat?
    /// How changes are written; nil for rows as they are.
    var changes: ChangeForm?
    /// Whether the row before an update comes, too.
    var isWholeChangelog = false
    /// The directories of files; nil for one.
    var partitions: PlannedPartitions?
}

/// How files are spread over directories, and when they are complete.
struct PlannedPartitions: Equatable, Sendable {
    /// As written, for plans and messages.
    let text: String
    let partitioning: FilePartitioning
    let rolling: FileRolling?
    /// Columns that are in the path and not in the files.
    let leftOut: [Int]
}

/// A pipeline's name and where its rows come out.
struct PlannedPipeline: Equatable, Sendable {
    let name: String
    /// Steps of the pipeline, as indexes into `JobPlan.steps`.
    let steps: [Int]
    let outputs: [PlannedEdge]
    let schema: Schema
}
