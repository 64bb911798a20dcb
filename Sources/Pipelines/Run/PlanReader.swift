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
        let file = PlannedFile(path: path, environment: environment, only: only)
        if let plan = file.plan { return .success(plan) }
        return .failure(Validate.output(file, json: false))
    }
}
