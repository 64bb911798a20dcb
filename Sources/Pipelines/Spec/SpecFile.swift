import StreamRuntime

/// A pipelines file from text to typed values, with the files it includes: reads, checks their form, and
/// collects every problem.
struct SpecFile {
    /// The file, with those it includes.
    let source: SourceText
    let diagnostics = Diagnostics()
    /// nil when the text is not YAML at all.
    let spec: PipelinesSpec?
    /// The file as YAML sees it.
    let root: SpecNode?

    /// - Parameter include: reads an included file by its path.
    init(
        source: SourceText, variables: Variables,
        include: @escaping (String) -> FileText.Outcome = { FileText.read($0) }
    ) {
        let reader = YAMLReader(source: source, variables: variables, diagnostics: diagnostics)
        root = reader.read()
        guard let root else {
            self.source = source
            spec = nil
            return
        }
        ShapeChecker(diagnostics: diagnostics).check(root)
        var files = IncludedFiles(
            entry: source, variables: variables, diagnostics: diagnostics, read: include)
        let whole = files.join(root)
        self.source = files.source
        var read = SpecReader(diagnostics: diagnostics).read(whole)
        read.files = [source.file] + files.source.included.map(\.file)
        spec = read
    }
}
