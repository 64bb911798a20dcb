import Foundation
import StreamRuntime

/// What a plan is shown as.
public enum PlanFormat: String, CaseIterable, Sendable {
    /// For reading.
    case text
    /// For programs; also what a later plan is compared with.
    case json
    /// For Graphviz.
    case dot
    /// A picture, drawn by Graphviz when it is installed.
    case svg
}

/// `millrace plan`: what would run, and what that changes.
public enum PlanCommand {
    /// Plans the file at `path` and compares it with the plan its state directory remembers.
    ///
    /// - Parameter environment: the variables that `${NAME}` stands for; nil for this process's.
    /// - Returns: exit code 2 with every problem when the file is invalid, or when a Kafka broker that
    ///   answers has other partitions than the job's shares need; 3 when the picture cannot be drawn.
    public static func run(
        path: String, format: PlanFormat, environment: [String: String]? = nil
    ) -> CommandOutput {
        let variables = environment ?? ProcessInfo.processInfo.environment
        let file = PlannedFile(path: path, environment: variables)
        guard let plan = file.plan else {
            return Validate.output(file, json: format == .json)
        }
        switch format {
        case .text:
            let previous = FileText.optional(plan.rememberedPath)
            let problems = ShareTopics.problems(of: plan)
            return CommandOutput(
                text: plan.text(previous: previous)
                    + (file.warnings.isEmpty ? "" : "\n" + Validate.warnings(of: file))
                    + problems.map { "error: \($0)\n" }.joined(),
                exitCode: problems.isEmpty ? 0 : 2)
        case .json: return CommandOutput(text: plan.json.text, exitCode: 0)
        case .dot: return CommandOutput(text: plan.graph, exitCode: 0)
        case .svg: return picture(of: plan.graph)
        }
    }

    private static func picture(of graph: String) -> CommandOutput {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["dot", "-Tsvg"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
            // A plan's graph is far smaller than a pipe holds, so writing does not wait for reading.
            try input.fileHandleForWriting.write(contentsOf: Data(graph.utf8))
            try input.fileHandleForWriting.close()
            let data = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            if process.terminationStatus == 0, !data.isEmpty {
                return CommandOutput(text: String(decoding: data, as: UTF8.self), exitCode: 0)
            }
        } catch {}
        return CommandOutput(
            text: "the picture cannot be drawn: Graphviz is not installed; "
                + "install graphviz, or ask for the dot style\n", exitCode: 3)
    }
}

extension JobPlan {
    /// The file in which a run leaves its plan for the next `plan` to be compared with.
    var rememberedPath: String { settings.stateDirectory + "/plan.json" }

    /// Leaves the plan where the next `plan` finds it; the state directory must be there.
    func remember() throws(JobFailure) {
        do {
            try Data(json.text.utf8).write(
                to: URL(fileURLWithPath: rememberedPath), options: .atomic)
        } catch {
            throw JobFailure(
                .environment, "the plan cannot be written", at: rememberedPath,
                remedy: "make the directory writable, or free space")
        }
    }
}
