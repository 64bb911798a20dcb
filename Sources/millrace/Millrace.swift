import ArgumentParser

/// The command line.
@main
struct Millrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace",
        abstract: "A stream processing engine with a feature store inside.",
        discussion: """
            Pipelines are declared in a pipelines.yaml file; see docs/PIPELINES.md.

            Exit codes: 0 fine, 1 failed while running, 2 invalid pipelines file or command line,
            3 environment (broker, disk, port).
            """,
        version: "0.1.0",
        subcommands: [
            Run.self, Validate.self, Plan.self, Test.self, Lookup.self, Features.self, Keys.self,
            TrainingSetCommandLine.self, Audit.self, Topics.self, Checkpoints.self,
            Generate.self, NexmarkCommand.self, Replay.self, Replays.self, Verify.self,
            Promote.self, Archive.self,
            VerifyReplayCommand.self, ReplayWorkerCommand.self,
        ])

    /// Wrong words on the command line are the user's mistake, as a wrong file is: exit code 2.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            let code = exitCode(for: error)
            if code == .success { exit(withError: error) }
            print(fullMessage(for: error), to: &standardError)
            exit(withError: ExitCode(2))
        }
    }
}

/// The pipelines file a command works on.
struct FileArgument: ParsableArguments {
    @Argument(help: "The pipelines file.")
    var file = "pipelines.yaml"
}
