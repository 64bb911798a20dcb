import Foundation

/// `millrace plan`: what would run, and what that changes.
public enum PlanCommand {
    /// What a plan is shown as.
    public enum Style: String, CaseIterable, Sendable {
        /// For reading.
        case text
        /// For programs; also what a later plan is compared with.
        case json
        /// For Graphviz.
        case dot
        /// A picture, drawn by Graphviz when it is installed.
        case svg
    }

    /// Plans the file at `path`.
    ///
    /// - Parameters:
    ///   - environment: the variables that `${NAME}` stands for.
    ///   - previous: the plan of the last run as JSON, if there was one.
    /// - Returns: exit code 2 with every problem when the file is invalid, 3 when the picture cannot be drawn.
    public static func run(
        path: String, style: Style, environment: [String: String], previous: String?
    ) -> CommandOutput {
        let file = PlannedFile(path: path, environment: environment)
        guard let plan = file.plan else {
            return Validate.output(file, json: style == .json)
        }
        switch style {
        case .text: return CommandOutput(text: plan.text(previous: previous), exitCode: 0)
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
