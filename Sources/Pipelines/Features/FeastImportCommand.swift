import Foundation
import StreamRuntime

/// `millrace features import-feast`.
public enum FeastImportCommand {
    /// The definitions of the Feast registry file at `path` as a pipelines file.
    ///
    /// - Parameter project: the project to take, when the registry holds several.
    public static func run(path: String, project: String?) -> CommandOutput {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            return failed(
                JobFailure(
                    .environment, "the registry cannot be read", at: path,
                    remedy: "name the file of a Feast registry, such as data/registry.db"))
        }
        let bytes = Array(data)
        guard let all = FeastDefinitions(bytes, project: nil) else {
            return failed(
                JobFailure(
                    .request, "the file is no Feast registry", at: path,
                    remedy: bytes.starts(with: Array("SQLite".utf8))
                        ? "this is a SQL registry or an online store; import registry_type: file"
                        : "name the file that feature_store.yaml calls registry"))
        }
        guard let wanted = project ?? (all.projects.count <= 1 ? "" : nil),
            project == nil || all.projects.contains(wanted)
        else {
            return failed(
                JobFailure(
                    .request,
                    project.map { "there is no project \"\($0)\"" }
                        ?? "the registry holds several projects",
                    at: path, remedy: "add --project: " + all.projects.joined(separator: ", ")))
        }
        let feast = project == nil ? all : FeastDefinitions(bytes, project: project) ?? all
        return CommandOutput(text: FeastImport(feast).yaml, exitCode: 0)
    }

    private static func failed(_ failure: JobFailure) -> CommandOutput {
        CommandOutput(text: "error: \(failure)\n", exitCode: failure.exitCode)
    }
}
