import StreamRuntime

/// A pipelines file from text to typed values: reads, checks its form, and collects every problem.
struct SpecFile {
    let source: SourceText
    let diagnostics = Diagnostics()
    /// nil when the text is not YAML at all.
    let spec: PipelinesSpec?
    /// The file as YAML sees it.
    let root: SpecNode?

    init(source: SourceText, variables: Variables) {
        self.source = source
        root = YAMLReader(source: source, variables: variables, diagnostics: diagnostics).read()
        if let root {
            ShapeChecker(diagnostics: diagnostics).check(root)
            spec = SpecReader(diagnostics: diagnostics).read(root)
        } else {
            spec = nil
        }
    }
}
