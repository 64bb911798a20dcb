import ArgumentParser
import Pipelines

struct Test: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the tests that the file declares.",
        discussion: """
            Every test runs the real job, with embedded topics in a place of its own: once on one worker, \
            and once on two with a kill after every step. Exit code 0 when all pass, 1 when not.
            """)

    @OptionGroup var input: FileArgument
    @Option(
        parsing: .upToNextOption, help: "Only tests whose name has one of these texts in it.")
    var only: [String] = []
    @Option(help: "Run each test once, on this many worker threads, without kills of its own.")
    var workers: Int?
    @Flag(help: "Run each test once, on one worker, without kills of its own.")
    var once = false
    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func validate() throws {
        if let workers, !(1...64).contains(workers) {
            throw ValidationError("--workers takes 1 to 64")
        }
    }

    func run() throws {
        var options = TestCommand.Options()
        options.only = only
        options.workers = workers
        options.isOnce = once
        options.json = json
        let outcome = TestCommand.run(path: input.file, options: options) {
            print($0, terminator: "")
        }
        if outcome.exitCode >= 2 { return try show(outcome) }
        print(outcome.text, terminator: "")
        try leave(outcome.exitCode)
    }
}
