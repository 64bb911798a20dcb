import ArgumentParser
import Pipelines

struct TrainingSetCommandLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "training-set",
        abstract: "Join labels with the features that serving would have given at their moments.",
        discussion: """
            Each label gets the newest version that was about its moment or before and readable by then. \
            The set has the labels' columns, then each feature with its status, in the labels' order.
            """)
    @Option(help: "The pipelines file.")
    var file = "pipelines.yaml"
    @Option(help: "The file of labels: .csv, .tsv or .jsonl.")
    var labels: String
    @Option(help: "Features, with commas between: VIEW:FEATURE, or VIEW for all of a view.")
    var features: String?
    @Option(help: "A service whose features are wanted.")
    var service: String?
    @Option(help: "The file to write: .csv, .jsonl or .avro.")
    var out: String
    @Option(help: "The labels' column of moments.")
    var time = "event_timestamp"
    @Option(help: "What a number in that column counts: s, ms, us or ns; ISO 8601 text otherwise.")
    var timeUnit: String?
    @Option(help: "required, or ignore: as if values had been readable when they happened.")
    var visible = "required"
    @Option(help: "Memory for labels and what is found for them, such as 512MiB.")
    var memory = "1GiB"
    @Flag(help: "Call columns VIEW__FEATURE.")
    var fullFeatureNames = false
    @Flag(help: "Show no progress.")
    var quiet = false
    @Flag(help: "Print the summary as JSON.")
    var json = false

    func validate() throws {
        if features == nil && service == nil {
            throw ValidationError("name the features: --features VIEW:FEATURE,… or --service NAME")
        }
        if let timeUnit, !["s", "ms", "us", "ns"].contains(timeUnit) {
            throw ValidationError("--time-unit takes s, ms, us or ns")
        }
        if !["required", "ignore"].contains(visible) {
            throw ValidationError("--visible takes required or ignore")
        }
        if TrainingSetCommand.bytes(memory) == nil {
            throw ValidationError("--memory takes a size such as 512MiB")
        }
    }

    func run() throws {
        var options = TrainingSetCommand.Options()
        options.file = file
        options.labels = labels
        options.features = (features ?? "").split(separator: ",").map(String.init)
        options.service = service
        options.out = out
        options.time = time
        options.timeUnit = timeUnit
        options.ignoresVisible = visible == "ignore"
        options.memoryBytes = TrainingSetCommand.bytes(memory) ?? 1 << 30
        options.fullFeatureNames = fullFeatureNames
        options.isQuiet = quiet
        options.json = json
        try show(TrainingSetCommand.run(options))
    }
}

struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Recompute a sample of served features from the feature log, and explain differences.",
        discussion: """
            Exits with 1 when a value was given that neither late data nor publish lag nor a changed \
            definition explains.
            """)
    @OptionGroup var input: FileArgument
    @Option(help: "Views to compare, with commas between; all when not given.")
    var views: String?
    @Option(help: "The newest rows of the sample that are compared, at most.")
    var rows = 100_000
    @Flag(help: "Print the findings as JSON.")
    var json = false

    func validate() throws {
        if rows < 1 { throw ValidationError("--rows takes a number above 0") }
    }

    func run() throws {
        var options = AuditCommand.Options()
        options.file = input.file
        options.views = (views ?? "").split(separator: ",").map(String.init)
        options.rowsMax = rows
        options.json = json
        let output = AuditCommand.run(options)
        print(output.text, terminator: "")
        try leave(output.exitCode)
    }
}
