import Connectors
import Foundation
import StreamRuntime
import Synchronization

/// A file of workspaces that is read again when it has changed.
enum WorkspaceFile {
    /// The workspaces of the file at `path`.
    ///
    /// - Throws: when the file cannot be read or is wrong. A file that becomes wrong later is told of, and the
    ///   workspaces stay as they were.
    static func open(_ path: String) throws(JobFailure) -> CallWorkspaces {
        let variables = Variables(
            environment: ProcessInfo.processInfo.environment, readFile: FileText.optional)
        let text = FileText.optional(path)
        guard let read = PlannedCall.workspaces(path: path, variables: variables) else {
            throw JobFailure(
                .environment, "the file of workspaces cannot be read", at: path,
                remedy: "create it, or correct the path in the pipelines file")
        }
        if let problem = read.problems.first {
            throw JobFailure(
                .environment, "line \(problem.position.line): \(problem.message)", at: path,
                remedy: problem.fix)
        }
        let known = Shared(text)
        return CallWorkspaces(known: read.known) {
            let fresh = FileText.optional(path)
            let isChanged = known.text.withLock { text in
                defer { text = fresh }
                return text != fresh
            }
            guard isChanged, fresh != nil,
                let read = PlannedCall.workspaces(path: path, variables: variables)
            else { return nil }
            if let problem = read.problems.first {
                Terminal.error(
                    "warning: \(path), line \(problem.position.line): \(problem.message); "
                        + "the workspaces stay as they were\n")
                return nil
            }
            return read.known
        }
    }

    private final class Shared: Sendable {
        let text: Mutex<String?>
        init(_ text: String?) { self.text = Mutex(text) }
    }
}
