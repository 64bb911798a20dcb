import Connectors

/// Looks into the files of workspaces that calls name, which may change without the pipelines file.
struct WorkspaceCheck {
    /// The pipelines file with the files looked into, so that problems can be shown with their lines.
    private(set) var source: SourceText
    /// What was found, file by file.
    private(set) var problems: [SpecDiagnostic] = []
    private let directory: String
    private let variables: Variables
    private var seen: Set<String> = []

    /// - Parameter directory: what paths are relative to.
    init(source: SourceText, directory: String, variables: Variables) {
        self.source = source
        self.directory = directory
        self.variables = variables
    }

    /// Adds the problems of the file that `call` names, if it names one.
    mutating func look(into call: CallSpec) {
        guard case .file(let name)? = call.workspaces else { return }
        let path = Planner.resolve(name.value, in: directory)
        guard seen.insert(path).inserted else { return }
        let diagnostics = Diagnostics()
        defer { problems += diagnostics.sorted }
        let text: String
        switch FileText.read(path) {
        case .text(let read): text = read
        case .failed(let reason):
            diagnostics.report(
                .unreadable, "the file of workspaces \"\(path)\" cannot be read: \(reason)",
                at: name.position, fix: "create it, or correct the path")
            return
        }
        let file = SourceText(file: path, text: text, ordinal: source.included.count + 1)
        source.included.append(file)
        let reader = YAMLReader(source: file, variables: variables, diagnostics: diagnostics)
        guard let root = reader.read() else { return }
        ShapeChecker(diagnostics: diagnostics).check(root, as: Catalog.workspaces)
        let known = CallReader(diagnostics: diagnostics).workspaces(root)
        let providers = call.providers.compactMap(\.name)
        for entry in root.entries {
            guard let named = known[entry.key]?.provider, !providers.contains(named) else {
                continue
            }
            diagnostics.report(
                .badValue,
                "the workspace \"\(entry.key)\" names the provider \"\(named)\", which is not declared",
                at: entry.value["provider"]?.position ?? entry.value.position,
                fix: NearestWord.advice(named, among: providers, what: "providers"))
        }
    }
}
