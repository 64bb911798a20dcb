import FeatureServe
import Glibc
import Pipelines
import StreamRuntime

/// What logging versions costs, and how fast labels are joined with them.
///
/// `training` makes a log of 5 million versions of 20 features and joins 100,000 labels with it; the variable
/// MILLRACE_TRAINING_SCALE says how many times as much (10 for the target). The log is kept in
/// MILLRACE_TRAINING_DIR, when that is set, and used again.
enum TrainingBenchmarks {
    private static let features = 20
    private static let keys = 500_000
    private static let noon: Int64 = 1_793_620_800_000_000

    static var all: [Benchmark] {
        [
            Benchmark(name: "versions") { versions() },
            Benchmark(name: "training") { training() },
        ]
    }

    private static var view: FeatureView {
        FeatureView(
            name: "scores", entity: "user",
            features: (0..<features).map { Field("f\($0)", .float64) })
    }

    private static func schema(_ view: FeatureView) -> Schema {
        Schema([Field("user_id", .int64)] + view.features)
    }

    private static func store(_ view: FeatureView) throws(JobFailure) -> OnlineStore {
        try OnlineStore(
            catalog: try FeatureCatalog(
                entities: [Entity(name: "user", keys: [Field("user_id", .int64)])], views: [view]),
            rows: MemoryRows(), budgetBytes: 2 << 30)
    }

    /// Rows of the versions from `first` on: one of each key in turn.
    private static func batch(_ schema: Schema, from first: Int, count: Int) -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: count)
        for number in first..<(first + count) {
            batch.columns[0].append(Int64(number &* 7919 % keys))
            for feature in 0..<features {
                batch.columns[feature + 1].append(
                    Double((number &* 31 &+ feature &* 977) % 100_000) / 100)
            }
            batch.order.append(
                eventTime: noon + Int64(number) * 100, watermark: .min, origin: 0,
                offset: Int64(number))
        }
        batch.count = count
        return batch
    }

    // MARK: versions

    private static func versions() {
        let root = "/tmp/millrace-versions-\(getpid())"
        defer { _ = system("rm -rf \(root)") }
        do throws(JobFailure) {
            let view = view
            let schema = schema(view)
            let log = EmbeddedLog(root: root)
            let batches = (0..<50).map { batch(schema, from: $0 * 4000, count: 4000) }
            for round in 0..<3 {
                for isLogged in [false, true] {
                    let topic = "_features.scores\(round)"
                    var sink: TopicSink?
                    if isLogged {
                        try log.ensureTopic(topic, TopicSettings(partitions: 4))
                        sink = TopicSink(
                            try log.writer(topic), encoder: FeatureVersionEncoder(),
                            schema: FeatureVersionBatch.schema, key: [0])
                    }
                    let writer = try FeatureWriter(
                        store: try store(view), view: view.name, schema: schema, versions: sink)
                    for batch in batches { _ = try writer.write(batch) }
                    let start = nanos()
                    let cpu = cpuNanos()
                    for _ in 0..<3 {
                        for batch in batches { _ = try writer.write(batch) }
                        try writer.commitVersions()
                    }
                    let rows = 3 * batches.count * 4000
                    let name = isLogged ? "upserts with a log of versions" : "upserts without"
                    let each = (cpuNanos() - cpu) / rows
                    print(
                        "\(name): \(rows * 1_000_000 / max((nanos() - start) / 1000, 1)) rows/s, "
                            + "\(each) ns CPU each (target 200 K/s with)")
                }
            }
            var bytes = 0
            for extent in try log.extents("_features.scores0") { bytes += extent.bytes }
            print("a version of 20 features on disk: \(bytes / 800_000) bytes")
        } catch {
            print("versions: \(error)")
        }
    }

    // MARK: training

    private static func training() {
        let scale = getenv("MILLRACE_TRAINING_SCALE").flatMap { Int(String(cString: $0)) } ?? 1
        let kept = getenv("MILLRACE_TRAINING_DIR").map { String(cString: $0) }
        let root = kept ?? "/tmp/millrace-training-\(getpid())"
        defer { if kept == nil { _ = system("rm -rf \(root)") } }
        let versions = 5_000_000 * scale
        let labels = 100_000 * scale
        do throws(JobFailure) {
            let log = EmbeddedLog(root: root + "/state/features")
            if !log.hasTopic("_features.scores") { try fill(log, versions) }
            try write(pipelines, to: root + "/pipelines.yaml")
            try writeLabels(labels, versions, to: root + "/labels.csv")
            var options = TrainingSetCommand.Options()
            options.file = root + "/pipelines.yaml"
            options.labels = root + "/labels.csv"
            options.out = root + "/set.csv"
            options.features = ["scores"]
            options.timeUnit = "us"
            options.isQuiet = true
            let cpu = cpuNanos()
            let output = TrainingSetCommand.run(options)
            print(output.text, terminator: "")
            print(
                "  \(Double((cpuNanos() - cpu) / 10_000_000) / 100) s CPU, "
                    + "\(peakMegabytes) MiB peak "
                    + "(target: 1 M labels, 50 M versions in 60 s and 1024 MiB)")
        } catch {
            print("training: \(error)")
        }
    }

    private static func fill(_ log: EmbeddedLog, _ versions: Int) throws(JobFailure) {
        let view = view
        let schema = schema(view)
        try log.ensureTopic("_features.scores", TopicSettings(partitions: 4))
        let sink = TopicSink(
            try log.writer("_features.scores", syncing: false), encoder: FeatureVersionEncoder(),
            schema: FeatureVersionBatch.schema, key: [0])
        var clock = noon
        let writer = try FeatureWriter(
            store: try store(view), view: view.name, schema: schema, versions: sink,
            now: { clock })
        for first in stride(from: 0, to: versions, by: 4000) {
            let rows = batch(schema, from: first, count: 4000)
            clock = noon + Int64(first + 4000) * 100 + 5_000
            _ = try writer.write(rows)
        }
        try writer.commitVersions()
        sink.close()
    }

    private static let pipelines = """
        version: 1
        job: {name: bench, state: ./state}
        connections: {local: {embedded: ./topics}}
        streams:
          scored:
            from: {topic: scored}
            format: json
            fields: {user_id: int64, \((0..<features).map { "f\($0): double" }.joined(separator: ", ")), ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: drop
        pipelines:
          scores: {from: scored, steps: [{filter: "true"}]}
        entities:
          user: {keys: {user_id: int64}}
        feature_views:
          scores: {entity: user, from: scores, features: [\((0..<features).map { "f\($0)" }.joined(separator: ", "))]}

        """

    private static func writeLabels(
        _ count: Int, _ versions: Int, to path: String
    ) throws(JobFailure) {
        var text = "user_id,event_timestamp,label\n"
        var state: UInt64 = 42
        for _ in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let key = Int(state >> 33) % keys
            let micros = noon + Int64(Int(state >> 20) % versions) * 100
            text += "\(key),\(micros),\(state >> 63)\n"
        }
        try write(text, to: path)
    }

    private static func write(_ text: String, to path: String) throws(JobFailure) {
        guard let file = fopen(path, "w") else {
            throw JobFailure(.environment, "cannot write", at: path, remedy: "check the directory")
        }
        fputs(text, file)
        fclose(file)
    }

    private static var peakMegabytes: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1024
    }

    private static func nanos() -> Int { time(CLOCK_MONOTONIC) }
    private static func cpuNanos() -> Int { time(CLOCK_PROCESS_CPUTIME_ID) }

    private static func time(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
