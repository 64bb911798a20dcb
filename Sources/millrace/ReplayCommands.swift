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
