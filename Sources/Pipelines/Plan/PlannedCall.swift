import Connectors
import StreamRuntime

/// An HTTP request for every row, as it will be made.
struct PlannedCall: Equatable, Sendable {
    /// Where workspaces are.
    enum Workspaces: Equatable, Sendable {
        /// A file of them, as resolved against the file's directory.
        case file(path: String)
        case table([String: CallWorkspace])
    }

    /// A topic beside the call.
    struct Topic: Hashable, Sendable {
        let connection: String
        let topic: String
    }

    var settings: CallSettings
    var workspaces: Workspaces?
    var results: Topic?
    var deadLetters: Topic?

    /// Its directory in the job's state.
    func directory(in state: String) -> String { state + "/calls/" + settings.name }

    /// The topic that its rows go to where nothing may be called.
    var scratchTopic: String { "call." + settings.name }

    /// The workspaces of a file, or what is wrong with it.
    static func workspaces(
        path: String, variables: Variables
    ) -> (known: [String: CallWorkspace], problems: [SpecDiagnostic])? {
        guard case .text(let text) = FileText.read(path) else { return nil }
        let diagnostics = Diagnostics()
        let reader = YAMLReader(
            source: SourceText(file: path, text: text), variables: variables,
            diagnostics: diagnostics)
        guard let root = reader.read() else { return ([:], diagnostics.sorted) }
        ShapeChecker(diagnostics: diagnostics).check(root, as: Catalog.workspaces)
        let known = CallReader(diagnostics: diagnostics).workspaces(root)
        return (known, diagnostics.sorted)
    }
}

extension JobPlan {
    /// Makes the embedded topics that calls write, so that the job can read them from the start.
    func makeCallTopics() throws(JobFailure) {
        for sink in sinks {
            guard case .call(let call) = sink.target else { continue }
            for topic in [call.results, call.deadLetters] {
                guard let topic, case .embedded(let root)? = connection(topic.connection)?.kind
                else { continue }
                try EmbeddedLog(root: root).ensureTopic(
                    topic.topic, TopicSettings(partitions: 1))
            }
        }
    }
}
