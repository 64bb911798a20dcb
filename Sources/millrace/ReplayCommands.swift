import ArgumentParser
import Pipelines

struct VerifyReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-replay",
        abstract: "Run pipelines over the same log several times and compare what comes out.",
        discussion: """
            Every run has its own scratch directory, another number of workers, batch size and poll \
            size, and is killed at random moments. Live topics, files and features are not touched. \
            Exit code 0 when all runs leave the same bytes, 1 with the first difference when not.
            """)

    @OptionGroup var input: FileArgument
    @Option(parsing: .upToNextOption, help: "Only pipelines that read or write these topics.")
    var topic: [String] = []
    @Option(help: "How many runs, 2 at least.")
    var runs = 4
    @Option(help: "What shapes and moments are drawn from.")
    var seed: UInt64 = 1
    @Option(help: "Kills in each run but the first.")
    var kills = 3
    @Option(help: "Where the scratch directories are made.")
    var scratch: String?
    @Flag(help: "Leave the scratch directories there.")
    var keep = false

    func validate() throws {
        if !(2...1000).contains(runs) { throw ValidationError("--runs takes 2 to 1000") }
        if !(0...1000).contains(kills) { throw ValidationError("--kills takes 0 to 1000") }
    }

    func run() throws {
        var options = VerifyReplay.Options()
        options.topics = topic
        options.runs = runs
        options.seed = seed
        options.kills = kills
        options.directory = scratch
        options.keepsScratch = keep
        var comparison = VerifyReplay(path: input.file, options: options)
        try report(comparison.run(note: { print($0, terminator: "", to: &standardError) }))
    }
}

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read bounded ranges of the inputs again, apart from the live job.",
        discussion: """
            A bound is "earliest", "now", an offset, a list as orders/0=120,orders/1=80, or a time as \
            2026-01-31T12:00:00Z (of the records' timestamps). The replay has its own state in the job's \
            state directory; killed or stopped, the same command goes on. It ends with a ledger of every \
            offset and a digest of the output.
            """)

    @OptionGroup var input: FileArgument
    @Option(
        parsing: .upToNextOption, help: "Only these pipelines, and those whose rows they read.")
    var pipeline: [String] = []
    @Option(help: "Where to begin.")
    var from = "earliest"
    @Option(help: "Where to end.")
    var to = "now"
    @Option(help: "Where results go: shadow, topic:NAME or files:DIRECTORY.")
    var into = "shadow"
    @Option(help: "A name for this replay; one made of the above otherwise.")
    var name: String?
    @Option(help: "Read at most this many rows a second.")
    var throttle: Int?
    @Option(help: "A directory that millrace archive wrote, to be read before the topics.")
    var archive: String?
    @Flag(help: "Stop at records that retention has deleted, instead of naming the gap.")
    var strict = false
    @Flag(help: "Throw an earlier replay of this name away.")
    var again = false
    @Option(help: "Worker threads; as the file says otherwise.")
    var workers: Int?
    @Option(help: "Rows a source reads at once. Results do not depend on it.")
    var batchRows: Int?
    @Flag(help: "Print progress and the ledger as JSON.")
    var json = false

    func validate() throws {
        if let throttle, throttle < 1 { throw ValidationError("--throttle takes 1 or more") }
        if let workers, !(1...1024).contains(workers) {
            throw ValidationError("--workers takes 1 to 1024")
        }
        if let batchRows, !(1...65536).contains(batchRows) {
            throw ValidationError("--batch-rows takes 1 to 65536")
        }
    }

    func run() throws {
        var options = ReplayCommand.Options()
        options.pipelines = pipeline
        options.from = from
        options.to = to
        options.into = into
        options.name = name
        options.rowsPerSecond = throttle
        options.archive = archive
        options.isStrict = strict
        options.startsAgain = again
        options.workers = workers
        options.batchRows = batchRows
        options.json = json
        try leave(ReplayCommand(path: input.file, options: options).run())
    }
}

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare a replay's shadow with what the live job made.",
        discussion: """
            A replay "--to now" is first carried on to the live job's last checkpoint, so that both have \
            read the same. Exit code 0 when nothing is changed, missing or extra, 1 when something is.
            """)
    @Argument(help: "The replay's name.")
    var replay: String
    @Option(help: "The pipelines file.")
    var file = "pipelines.yaml"
    @Flag(help: "Do not carry the replay on first.")
    var asIs = false
    @Flag(
        help: "The live job was run --until-end: give out what is open in a copy of the shadow too."
    )
    var ended = false

    func run() throws {
        try report(VerifyCommand(path: file, id: replay, staysAsIs: asIs, hasEnded: ended).run())
    }
}

struct Promote: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let the live job go on with a replay's state and features.",
        discussion: """
            The live job must be stopped. The replay is carried on to the exact offsets of the job's last \
            checkpoint, then state and features are switched at once, whatever happens in between. Outputs \
            go on where they stand: no gap, no overlap. --roll-back does the same with the state that was \
            there before, as long as the inputs still have the records since.
            """)
    @Argument(help: "The replay's name.")
    var replay: String
    @Option(help: "The pipelines file.")
    var file = "pipelines.yaml"
    @Flag(help: "Go back to the state that the promotion of this replay replaced.")
    var rollBack = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try report(
            PromoteCommand(path: file, id: replay, rollsBack: rollBack, json: json).run())
    }
}

struct Archive: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a topic's records, with their offsets, into a directory.",
        discussion: """
            Run again, it copies what has come since. A replay reads it first with --archive, and the topic \
            from there on.
            """)
    @OptionGroup var input: FileArgument
    @Option(help: "The topic.")
    var topic: String
    @Option(help: "The directory of the archive.")
    var to: String
    @Option(help: "The connection the topic is on, when the file leaves that open.")
    var connection: String?
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try report(
            ArchiveCommand(
                path: input.file, topic: topic, connection: connection, target: to, json: json
            ).run())
    }
}

/// Runs pipelines over fixed ranges for `verify-replay`.
struct ReplayWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay-worker", abstract: "One run of verify-replay.", shouldDisplay: false)
    @Argument var order: String

    func run() throws { try leave(ReplayWorker.run(order: order)) }
}

/// Prints what was found out, whatever it was, and leaves with its code.
private func report(_ outcome: CommandOutput) throws {
    if outcome.exitCode < 2 {
        print(outcome.text, terminator: "")
    } else {
        print(outcome.text, terminator: "", to: &standardError)
    }
    try leave(outcome.exitCode)
}

struct Replays: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the replays of a job, and remove one.",
        subcommands: [List.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every replay: how far it is, of what, into what.")
        @OptionGroup var input: FileArgument
        @Flag(help: "Print JSON.")
        var json = false

        func run() throws { try show(ReplaysCommand.list(path: input.file, json: json)) }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a replay with its state, topics, files and features.")
        @Argument(help: "The replay's name.")
        var replay: String
        @Option(help: "The pipelines file.")
        var file = "pipelines.yaml"
        @Flag(help: "Also when a promotion can be rolled back with it.")
        var force = false

        func run() throws {
            try show(ReplaysCommand.remove(path: file, id: replay, force: force))
        }
    }
}
