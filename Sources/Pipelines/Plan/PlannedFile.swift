import Glibc

/// A pipelines file read, checked and planned: its problems, or its plan.
struct PlannedFile {
    /// The file, with those it includes.
    let source: SourceText
    /// Sorted by file and line; empty for a file that can run.
    let problems: [SpecDiagnostic]
    /// What may be wrong with a file that can run, sorted likewise.
    let warnings: [SpecDiagnostic]
    /// nil when there are problems.
    let plan: JobPlan?
    /// The file as YAML sees it, when it is YAML.
    let root: SpecNode?
    /// What is declared in it, when it is YAML.
    let spec: PipelinesSpec?

    /// Plans `text`, which is called `file` in messages and whose paths are relative to `file`'s directory.
    ///
    /// - Parameter only: the pipelines to plan, with those they read; empty for all.
    /// - Parameter include: reads an included file by its path.
    init(
        file: String, text: String, variables: Variables, only: [String] = [],
        include: @escaping (String) -> FileText.Outcome = { FileText.read($0) }
    ) {
        let read = SpecFile(
            source: SourceText(file: file, text: text), variables: variables, include: include)
        source = read.source
        root = read.root
        spec = read.spec
        plan = read.spec.flatMap {
            Planner.plan($0, file: file, only: only, diagnostics: read.diagnostics)
        }
        problems = read.diagnostics.sorted
        warnings = read.diagnostics.warnings
    }

    /// The same with the problems of the files of workspaces that it names.
    func withWorkspacesChecked(_ variables: Variables) -> PlannedFile {
        guard let spec else { return self }
        let directory = source.file.split(separator: "/", omittingEmptySubsequences: false)
            .dropLast().joined(separator: "/")
        var check = WorkspaceCheck(source: source, directory: directory, variables: variables)
        for pipeline in spec.pipelines {
            for target in pipeline.targets {
                if case .call(let call) = target.place { check.look(into: call) }
            }
        }
        let found = problems + check.problems
        return PlannedFile(
            source: check.source, problems: found, plan: found.isEmpty ? plan : nil, root: root,
            spec: spec, warnings: warnings)
    }

    private init(
        source: SourceText, problems: [SpecDiagnostic], plan: JobPlan?, root: SpecNode?,
        spec: PipelinesSpec?, warnings: [SpecDiagnostic]
    ) {
        self.source = source
        self.problems = problems
        self.plan = plan
        self.root = root
        self.spec = spec
        self.warnings = warnings
    }

    /// Reads and plans the file at `path`.
    init(path: String, environment: [String: String], only: [String] = []) {
        switch FileText.read(path) {
        case .text(let text):
            self.init(
                file: path, text: text,
                variables: Variables(environment: environment, readFile: FileText.optional),
                only: only)
        case .failed(let reason): self.init(unreadable: path, reason: reason)
        }
    }

    private init(unreadable path: String, reason: String) {
        source = SourceText(file: path, text: "")
        root = nil
        spec = nil
        plan = nil
        warnings = []
        problems = [
            SpecDiagnostic(
                code: .unreadable, message: "the file cannot be read: \(reason)",
                position: Position(line: 1, column: 1), notes: [],
                fix: "name a pipelines file, or create \(path)")
        ]
    }
}

/// Whole files as text.
enum FileText {
    /// What reading gave.
    enum Outcome {
        case text(String)
        case failed(String)
    }

    /// Pipelines files are small; what is larger is something else.
    static let bytesMax = 4 << 20

    static func read(_ path: String, bytesMax: Int = bytesMax) -> Outcome {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return .failed(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 { return .failed(String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += chunk[..<count]
            if bytes.count > bytesMax { return .failed("it is larger than \(bytesMax >> 20) MiB") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .failed("it is not UTF-8 text")
        }
        return .text(text)
    }

    /// The text of a file, or nil.
    @Sendable static func optional(_ path: String) -> String? {
        if case .text(let text) = read(path) { text } else { nil }
    }
}
