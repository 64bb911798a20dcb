import Connectors
import Redis
import StreamRuntime

/// A value of the file with its place.
struct Located<Value: Sendable>: Sendable {
    let value: Value
    let position: Position
}

/// An expression of the file, with the place of every character of it.
struct SpecExpression: Sendable {
    let scalar: SpecScalar
    let position: Position
    /// Where the expression begins in the scalar, in UTF-8 bytes.
    var offset = 0
    let text: String
}

/// A column to be, with its expression.
struct SpecItem: Sendable {
    let name: Located<String>
    let expression: SpecExpression
}

/// The file as its author meant it: every name and value with its place, nothing resolved yet.
struct PipelinesSpec: Sendable {
    var job = JobSpec()
    var connections: [ConnectionSpec] = []
    var streams: [StreamSpec] = []
    var pipelines: [PipelineSpec] = []
    var entities: [EntitySpec] = []
    var featureViews: [FeatureViewSpec] = []
    var pushSources: [PushSourceSpec] = []
    var onDemand: [OnDemandSpec] = []
    var services: [ServiceSpec] = []
    var tests: [TestSpec] = []
    /// The files it was read from; the first is the one a command was given.
    var files: [String] = []
    /// What is declared but could not be read, as "streams/orders": not to be called unknown.
    var unreadable: Set<String> = []
}

/// `job:`.
struct JobSpec: Sendable {
    var name: String?
    var state: String?
    var memoryBytes: Int?
    var workers: Int?
    var checkpointEvery: Duration?
    var checkpointKeep: Int?
    var checkpointStore: PlannedStore?
    var serveHost: String?
    var servePort: Int?
    var serveCompat: String?
    var serveResp: RESPSpec?
    var serving = PlannedServing()
    /// The views that the keys of `serve` name.
    var servedViews: [Located<String>] = []
    /// The streams that the keys of `serve` name.
    var servedStreams: [Located<String>] = []
    /// `online:` of the file.
    var online: OnlineSpec?
    var shares: Located<Int>?
    var featureLog: FeatureLogSpec?
    var servedSample: PlannedServedSample?
    /// Whether there is a `serve`.
    var isServed = false
    var restartAttempts: Int?
    var restartWithin: Duration?
}

/// `job: feature_log:`.
struct FeatureLogSpec: Sendable {
    /// Nothing is logged.
    var isNone = false
    var connection: Located<String>?
    var keep: Duration?
    var partitions: Int?
    /// Views with a time of their own.
    var views: [(view: Located<String>, keep: Duration)] = []
    /// Views that are not logged.
    var without: [Located<String>] = []
}

/// `online:`.
struct OnlineSpec: Sendable {
    let redis: RedisAddress
    let project: String?
}

/// `resp:` of `serve:`.
struct RESPSpec: Sendable {
    let port: Int
    let project: String?
    let password: String?
}

/// An entry of `connections:`.
struct ConnectionSpec: Sendable {
    let name: Located<String>
    let kind: PlannedConnection.Kind
    var registry: PlannedRegistry?
    var outageLimit: Duration?
}

/// What becomes of what cannot be used.
enum PolicySpec: Sendable {
    case fail
    case drop
    case deadLetter(Located<String>)

    /// Equal for policies that do the same.
    var word: String {
        switch self {
        case .fail: "fail"
        case .drop: "drop"
        case .deadLetter(let topic): "dead_letter \(topic.value)"
        }
    }
}

/// An entry of `streams:`.
struct StreamSpec: Sendable {
    /// Where its records are.
    enum Origin: Sendable {
        case topic(Located<String>)
        case files(Located<String>)
        /// An HTTP service, and the topic its records are kept in; nil for one of the job's own.
        case poll(PlannedPoll, topic: Located<String>?, at: Position)
    }

    let name: Located<String>
    var origin: Origin
    var connection: Located<String>?
    /// The columns of the record key, which chose the partition; empty when not said.
    let key: [Located<String>]
    var format: PlannedFormat
    let formatPosition: Position
    let fields: [FieldSpec]
    /// Fields that are declared but could not be read.
    let unreadableFields: Set<String>
    let timeField: Located<String>
    let outOfOrderness: Duration
    let idle: Duration?
    let onError: PolicySpec
    /// How requests bring its records, and where that is declared.
    var ingest: PlannedIngest?
    var ingestPosition: Position?
    /// How its files are waited for; nil when they are those that are there.
    var watch: PlannedWatch?
}

/// A declared field.
struct FieldSpec: Sendable {
    let name: Located<String>
    let path: [String]
    let type: ColumnType
    let isRequired: Bool
    let unit: PlannedField.TimeUnit?
    let from: PlannedField.Origin
    var zone: Located<String>?
}

/// An entry of `pipelines:`.
struct PipelineSpec: Sendable {
    let name: Located<String>
    let from: [Located<String>]
    let steps: [StepSpec]
    let targets: [TargetSpec]
    let onError: Located<PolicySpec>?
    /// A step could not be read: what follows it is not known.
    let isBroken: Bool
}

/// A step as written.
struct StepSpec: Sendable {
    /// What it does.
    enum Action: Sendable {
        case filter(SpecExpression)
        case select([SpecItem])
        case extend([SpecItem])
        case unnest(SpecExpression, alias: Located<String>)
        case route([RouteSpec])
        case deduplicate(within: Duration)
        case latest(order: SpecExpression, stale: TargetSpec?)
        case aggregate(AggregateBody)
        case rolling(RollingBody)
        case rebatch(size: Int, linger: Duration?)
        case process(ProcessBody)
        case join(JoinBody)
        case lookup(LookupBody)
        case match(MatchBody)
        case top(TopBody)
    }

    let verb: Located<String>
    let id: Located<String>?
    let formerId: String?
    let by: [Located<String>]
    let action: Action
}

/// A branch of a route step.
struct RouteSpec: Sendable {
    let condition: SpecExpression
    let alias: Located<String>?
    let target: TargetSpec?
}

/// The window, results and late rows of an aggregate step.
struct AggregateBody: Sendable {
    let window: Located<WindowShape>
    let items: [SpecItem]
    let allowedLateness: Duration
    let late: TargetSpec?
    /// Which results come out.
    var having: SpecExpression?
    /// What the results say of a table.
    var changelog: Located<Changelog>?
    /// Where it says that windows are of processing time.
    var processing: Position?
}

/// The widths and results of a rolling step.
struct RollingBody: Sendable {
    let widths: [Located<Duration>]
    /// Each width as it is written: what `{over}` stands for.
    let labels: [String]
    let items: [SpecItem]
    let includesSelf: Bool
    let delay: Duration
    let grain: Located<Duration>?
}

/// Somewhere to write to.
struct TargetSpec: Sendable {
    /// The kinds of places.
    enum Place: Sendable {
        case topic(Located<String>)
        case files(Located<String>, format: PlannedFormat.Kind)
        /// One file with what a table has at the end.
        case table(Located<String>, format: PlannedFormat.Kind)
        /// Nowhere: rows are counted; with their checksum or not.
        case blackhole(Located<Bool>)
        case call(CallSpec)
    }

    let place: Place
    let keys: [Located<String>]
    let connection: Located<String>?
    let partitions: Int?
    let delivery: Located<PlannedSink.Delivery>?
    let onError: PolicySpec?
    let position: Position
    /// The format of a topic's records.
    var format: Located<PlannedFormat.Kind>?
    /// The descriptor file and message of Protobuf records.
    var message: PlannedFormat?
    /// How rows are written that are changed and deleted later.
    var changes: Located<ChangeForm>?
    /// The columns that files are put into directories by.
    var partitionBy: [Located<String>] = []
    /// When a file is complete.
    var rolling: FileRolling?
}

extension PipelinesSpec {
    /// A line of one of the files as notes name it, told apart from those of `reader`'s file.
    func lineText(_ position: Position, besides reader: Position) -> String {
        position.file == reader.file || position.file >= files.count
            ? "line \(position.line)" : "\(files[position.file]), line \(position.line)"
    }

    /// The pipelines called `names`, those they read, and the features made of them or of nothing that runs.
    func restricted(to names: [String]) -> PipelinesSpec {
        var kept: Set<String> = []
        var open = names
        while let name = open.popLast() {
            guard kept.insert(name).inserted,
                let pipeline = pipelines.first(where: { $0.name.value == name })
            else { continue }
            open += pipeline.inputs.map { PipelinesSpec.base($0.value) }
            // A store that is asked has to be filled.
            open += featureViews.filter { pipeline.viewsAsked.contains($0.name.value) }
                .compactMap { $0.from.map { PipelinesSpec.base($0.value) } }
        }
        var result = self
        result.pipelines = pipelines.filter { kept.contains($0.name.value) }
        result.featureViews = featureViews.filter {
            $0.from.map { kept.contains(PipelinesSpec.base($0.value)) } ?? true
        }
        return result
    }

    /// The stream or pipeline of a name that may have a route behind a point.
    private static func base(_ name: String) -> String {
        name.split(separator: ".").first.map(String.init) ?? name
    }
}
