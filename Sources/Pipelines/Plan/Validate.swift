import Foundation

/// What a command has to say: text for standard output and the exit code.
public struct CommandOutput: Equatable, Sendable {
    /// The text, ending with a line end.
    public let text: String
    /// 0 fine, 1 failed while running, 2 invalid pipelines file, 3 environment.
    public let exitCode: Int32

    /// An output of this text and exit code.
    public init(text: String, exitCode: Int32) {
        self.text = text
        self.exitCode = exitCode
    }
}

/// `millrace validate`: every problem of a pipelines file at once, without starting anything.
public enum ValidateCommand {
    /// Checks the file at `path`.
    ///
    /// - Parameter environment: the variables that `${NAME}` stands for; nil for this process's.
    /// - Returns: exit code 0 for a file that can run, 2 for one that cannot.
    public static func run(
        path: String, json: Bool, environment: [String: String]? = nil
    ) -> CommandOutput {
        let variables = environment ?? ProcessInfo.processInfo.environment
        let file = PlannedFile(path: path, environment: variables)
            .withWorkspacesChecked(
                Variables(environment: variables, readFile: FileText.optional))
        return Validate.output(file, json: json)
    }
}

/// How the outcome of reading a pipelines file is told.
enum Validate {
    static func output(_ file: PlannedFile, json: Bool) -> CommandOutput {
        let code: Int32 = file.problems.isEmpty ? 0 : 2
        if json {
            let text = JSONText.object([
                ("file", .string(file.source.file)), ("valid", .boolean(file.problems.isEmpty)),
                ("problems", .array(file.problems.map { $0.json(in: file.source) })),
                ("warnings", .array(file.warnings.map { $0.json(in: file.source) })),
            ])
            return CommandOutput(text: text.text, exitCode: code)
        }
        guard let plan = file.plan else {
            return CommandOutput(text: problems(of: file), exitCode: code)
        }
        let parts = [
            count(plan.sources.count, "stream"), count(plan.pipelines.count, "pipeline"),
            count(plan.steps.count, "step"), count(plan.sinks.count, "output"),
            count(plan.featureViews.count, "feature view"),
        ]
        return CommandOutput(
            text: warnings(of: file)
                + "\(file.source.file): no problems; \(parts.joined(separator: ", "))\n",
            exitCode: 0)
    }

    /// Every warning as a terminal shows it.
    static func warnings(of file: PlannedFile) -> String {
        file.warnings.map { $0.rendered(in: file.source) + "\n" }.joined()
    }

    /// Every problem as a terminal shows it, and how many there are.
    static func problems(of file: PlannedFile) -> String {
        file.problems.map { $0.rendered(in: file.source) }.joined(separator: "\n")
            + "\n\(count(file.problems.count, "error")) in \(file.source.file)\n"
    }

    private static func count(_ number: Int, _ thing: String) -> String {
        "\(number) \(thing)\(number == 1 ? "" : "s")"
    }
}
