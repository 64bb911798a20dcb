import ArgumentParser
import Pipelines
import StreamRuntime

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run pipelines and serve features.",
        discussion: """
            Stops on SIGTERM or SIGINT after a last checkpoint, and goes on from there when it is run \
            again.
            """)

    @OptionGroup var input: FileArgument
    @Option(
        parsing: .upToNextOption,
        help: "Run only these pipelines, and those whose rows they read.")
    var only: [String] = []
    @Flag(help: "Stop at the end of what the inputs hold now.")
    var untilEnd = false
    @Flag(help: "With --until-end: keep serving features after the end, until stopped.")
    var keepServing = false
    @Flag(help: "With --until-end: show what came out of each pipeline, and a few lookups.")
    var show = false
    @Option(help: "Worker threads; one per core when neither this nor the file says.")
    var workers: Int?
    @Option(help: "Rows a source reads at once. Results do not depend on it.")
    var batchRows: Int?
    @Option(help: "Port to serve features on, instead of the file's; 0 for any.")
    var port: Int?
    @Flag(help: "Do not serve features.")
    var noServe = false
    @Option(
        help:
            "Of a job in shares: this process's name, the same after a restart, for which its shares are kept."
    )
    var instance: String?
    @Flag(help: "Print progress and outcome as JSON lines.")
    var json = false

    func validate() throws {
        if (show || keepServing) && !untilEnd {
            throw ValidationError("--show and --keep-serving go with --until-end")
        }
        if let workers, !(1...1024).contains(workers) {
            throw ValidationError("--workers takes 1 to 1024")
        }
        if let batchRows, !(1...65536).contains(batchRows) {
            throw ValidationError("--batch-rows takes 1 to 65536")
        }
    }

    func run() throws {
        let options = RunOptions(
            only: only, untilEnd: untilEnd, keepServing: keepServing, show: show, workers: workers,
            batchRows: batchRows, port: port, serves: !noServe, json: json, instance: instance)
        try leave(RunCommand.run(path: input.file, options: options))
    }
}

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show every error in the file, offline, at once.")
    @OptionGroup var input: FileArgument
    @Flag(help: "Print the errors as JSON.")
    var json = false

    func run() throws { try show(ValidateCommand.run(path: input.file, json: json)) }
}

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Show the plan: operators, types, state ids, exchanges, changes since the last run.")
    @OptionGroup var input: FileArgument
    @Option(help: "How to show it: text, json, dot, or svg (which needs Graphviz).")
    var format = PlanFormat.text
    @Flag(help: "The same as --format json.")
    var json = false

    func run() throws {
        try show(PlanCommand.run(path: input.file, format: json ? .json : format))
    }
}

extension PlanFormat: ExpressibleByArgument {}

struct Lookup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the online store answers for an entity, with times and statuses.")
    @Argument(help: "The feature view.")
    var view: String
    @Argument(help: "The parts of the entity's key, in declared order.")
    var key: [String]
    @Option(help: "The pipelines file.")
    var file = "pipelines.yaml"
    @Flag(help: "Print the answer as JSON.")
    var json = false

    func run() throws {
        try show(LookupCommand.run(path: file, view: view, key: key, json: json))
    }
}

/// Prints what a command found out and leaves with its code.
func show(_ outcome: CommandOutput) throws {
    // What is wrong with a file goes to standard error, what was asked for to standard output.
    if outcome.exitCode == 0 {
        print(outcome.text, terminator: "")
    } else {
        print(outcome.text, terminator: "", to: &standardError)
    }
    try leave(outcome.exitCode)
}

func leave(_ code: Int32) throws {
    if code != 0 { throw ExitCode(code) }
}
