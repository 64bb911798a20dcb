import Foundation
import StreamRuntime

/// Reads and plans the file a command was given.
enum PlanReader {
    /// A plan, or what to print and the exit code.
    enum Outcome {
        case success(JobPlan)
        case failure(CommandOutput)
    }

    /// The plan of the file at `path`, of the pipelines called `only` and those they read, or of all.
    static func read(path: String, only: [String] = []) -> Outcome {
        let environment = ProcessInfo.processInfo.environment
        let file = PlannedFile(path: path, environment: environment)
        guard let plan = file.plan, let spec = file.spec else {
            return .failure(Validate.output(file, json: false))
        }
        if only.isEmpty { return .success(plan) }
        var unknown: String?
        let reduced = spec.keeping(only: only, unknown: &unknown).flatMap {
            Planner.plan($0, file: path, diagnostics: Diagnostics())
        }
        if let reduced { return .success(reduced) }
        let names = spec.pipelines.map(\.name.value)
        let name = unknown ?? only.joined(separator: " ")
        return .failure(
            CommandOutput(
                text: "error: \(path) has no pipeline \"\(name)\"; there are: "
                    + names.joined(separator: ", ") + "\n", exitCode: 2))
    }
}
