import Connectors
import FeatureServe
import StreamRuntime

/// `millrace training-set`.
public enum TrainingSetCommand {
    /// What a training set is made of.
    public struct Options: Sendable {
        /// The pipelines file.
        public var file = "pipelines.yaml"
        /// The file of labels.
        public var labels = ""
        /// Features wanted, as VIEW or VIEW:FEATURE.
        public var features: [String] = []
        /// A service whose features are wanted.
        public var service: String?
        /// The file to write.
        public var out = ""
        /// The labels' column of moments.
        public var time = "event_timestamp"
        /// What numbers in that column count: s, ms, us or ns; nil when moments are text.
        public var timeUnit: String?
        /// Whether values count before they were readable.
        public var ignoresVisible = false
        /// Bytes of memory for labels and what is found for them.
        public var memoryBytes = 1 << 30
        /// Whether columns are called VIEW__FEATURE.
        public var fullFeatureNames = false
        /// Whether no progress is shown.
        public var isQuiet = false
        /// Whether the summary is a JSON object.
        public var json = false

        /// The usual options.
        public init() {}
    }

    /// The bytes of a size as it is written, such as 512MiB.
    public static func bytes(_ text: String) -> Int? { SpecScalars.size(text) }

    /// Makes the set and tells what became of it.
    public static func run(_ options: Options) -> CommandOutput {
        let plan: JobPlan
        switch PlanReader.read(path: options.file) {
        case .success(let read): plan = read
        case .failure(let output): return output
        }
        do throws(JobFailure) {
            let clock = SystemClock()
            let began = clock.nanos
            let set = try prepare(options, plan)
            let threads = set.logs.isEmbedded ? min(JobRunner.cores, 4) : 1
            let summary = try set.write(
                to: options.out, threads: threads, isQuiet: options.isQuiet, clock: clock)
            let seconds = Double((clock.nanos - began) / 10_000_000) / 100
            return CommandOutput(
                text: options.json
                    ? json(summary, set)
                    : text(summary, set, seconds: seconds, out: options.out), exitCode: 0)
        } catch {
            return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
        }
    }

    private static func prepare(
        _ options: Options, _ plan: JobPlan
    ) throws(JobFailure) -> TrainingSet {
        let features = try TrainingFeatures(
            options.features, service: options.service, catalog: try OnlineStores.catalog(plan),
            fullNames: options.fullFeatureNames)
        guard let logs = FeatureLogs(plan) else {
            throw JobFailure(
                .request, "the job keeps no versions of its features", at: options.file,
                remedy: "remove feature_log: none from job, and run it")
        }
        for view in features.views where !logs.holds(view.view.name) {
            throw logs.nothingKept(of: view.view.name)
        }
        var wish = LabelFile.Wish(
            path: options.labels, keys: features.keys, inputs: features.inputs,
            time: options.time)
        if let unit = options.timeUnit { wish.unit = TimeUnit(rawValue: unit) ?? .iso }
        return TrainingSet(
            labels: try LabelFile(wish), features: features, logs: logs,
            visibility: options.ignoresVisible ? .ignored : .required,
            memoryBytes: options.memoryBytes)
    }

    private static func text(
        _ summary: TrainingSet.Summary, _ set: TrainingSet, seconds: Double, out: String
    ) -> String {
        var text =
            "\(Grouped.text(Int64(summary.labels))) labels × \(set.features.columns.count) features "
            + "from \(Grouped.text(Int64(summary.versions))) versions in \(seconds) s → \(out)\n"
        for (number, view) in set.features.views.enumerated() {
            let part = Double(summary.found[number] * 1000 / max(summary.labels, 1)) / 10
            text += "  \(view.view.name): found for \(part) % of the labels"
            if summary.otherLayouts[number] > 0 {
                text +=
                    "; \(Grouped.text(Int64(summary.otherLayouts[number]))) versions of other "
                    + "features left out"
            }
            text += "\n"
        }
        return text
    }

    private static func json(
        _ summary: TrainingSet.Summary, _ set: TrainingSet
    ) -> String {
        JSONText.object([
            ("labels", .integer(summary.labels)),
            ("features", .integer(set.features.columns.count)),
            ("versions", .integer(summary.versions)), ("runs", .integer(summary.runs)),
            (
                "views",
                .array(
                    set.features.views.enumerated().map { number, view in
                        .object([
                            ("name", .string(view.view.name)),
                            ("found", .integer(summary.found[number])),
                            ("other_layouts", .integer(summary.otherLayouts[number])),
                        ])
                    })
            ),
        ]).compact + "\n"
    }
}
