/// Puts what the files named under `include` declare beside what the file itself does.
struct IncludedFiles {
    /// The file, with those read so far.
    private(set) var source: SourceText
    private let variables: Variables
    private let diagnostics: Diagnostics
    private let read: (String) -> FileText.Outcome

    init(
        entry: SourceText, variables: Variables, diagnostics: Diagnostics,
        read: @escaping (String) -> FileText.Outcome
    ) {
        source = entry
        self.variables = variables
        self.diagnostics = diagnostics
        self.read = read
    }

    /// The mapping of all files: names stay in the order of the files and of their places in them.
    mutating func join(_ root: SpecNode) -> SpecNode {
        guard let include = root["include"] else { return root }
        var roots = [root]
        var seen: [String: Position] = [:]
        for name in include.items {
            guard let text = name.text, !text.isEmpty else { continue }
            let directory = source.file.split(separator: "/", omittingEmptySubsequences: false)
                .dropLast().joined(separator: "/")
            let path = Planner.resolve(text, in: directory)
            if let there = seen.updateValue(name.position, forKey: path) {
                diagnostics.report(
                    .repeatedName, "\"\(text)\" is included twice", at: name.position,
                    notes: ["it is first included in line \(there.line)"], fix: "name it once")
                continue
            }
            if let included = self.include(path, as: name) { roots.append(included) }
        }
        return SpecNode(content: .mapping(merged(roots)), position: root.position)
    }

    private mutating func include(_ path: String, as name: SpecNode) -> SpecNode? {
        let text: String
        switch read(path) {
        case .text(let found): text = found
        case .failed(let reason):
            diagnostics.report(
                .unreadable, "the included file \(path) cannot be read: \(reason)",
                at: name.position,
                fix: "create it, or correct the path: it is relative to the file that includes it")
            return nil
        }
        let file = SourceText(file: path, text: text, ordinal: source.included.count + 1)
        source.included.append(file)
        guard
            let root = YAMLReader(source: file, variables: variables, diagnostics: diagnostics)
                .read()
        else { return nil }
        guard case .mapping(let entries) = root.content else {
            ShapeChecker(diagnostics: diagnostics).check(root, as: Catalog.includedFile)
            return nil
        }
        for entry in entries where Catalog.entryOnly.contains(entry.key) {
            diagnostics.report(
                .notIncluded, "\"\(entry.key)\" stands in an included file", at: entry.keyPosition,
                notes: ["\(path) is included by \(source.file), line \(name.position.line)"],
                fix: entry.key == "include"
                    ? "name its files in \(source.file): only that file includes others"
                    : "keep it in \(source.file) only, which decides for the whole job")
        }
        let kept = SpecNode(
            content: .mapping(entries.filter { !Catalog.entryOnly.contains($0.key) }),
            position: root.position)
        ShapeChecker(diagnostics: diagnostics).check(kept, as: Catalog.includedFile)
        return kept
    }

    /// The parts of all roots, those of one key as one.
    private func merged(_ roots: [SpecNode]) -> [SpecNode.Entry] {
        var result = roots[0].entries
        for root in roots.dropFirst() {
            for part in root.entries {
                guard let index = result.firstIndex(where: { $0.key == part.key }) else {
                    result.append(part)
                    continue
                }
                let there = result[index]
                guard let content = joined(there.value, part.value) else { continue }
                result[index] = SpecNode.Entry(
                    key: there.key, keyPosition: there.keyPosition,
                    value: SpecNode(content: content, position: there.value.position))
            }
        }
        return result
    }

    /// Two parts as one; nil when they are not of one kind, which their checks have told of.
    private func joined(_ first: SpecNode, _ second: SpecNode) -> SpecNode.Content? {
        switch (first.content, second.content) {
        case (.list(let one), .list(let other)): return .list(one + other)
        case (.mapping(var entries), .mapping(let more)):
            for entry in more {
                if let there = entries.first(where: { $0.key == entry.key }) {
                    // Repetitions within one file have been told of.
                    if there.keyPosition.file != entry.keyPosition.file {
                        report(entry, after: there)
                    }
                    continue
                }
                entries.append(entry)
            }
            return .mapping(entries)
        case (.scalar, .mapping), (.scalar, .list): return second.content
        default: return nil
        }
    }

    private func report(_ entry: SpecNode.Entry, after there: SpecNode.Entry) {
        let place = there.keyPosition
        let file = source.holder(of: place).file
        diagnostics.report(
            .repeatedName, "\"\(entry.key)\" is declared in two files", at: entry.keyPosition,
            notes: ["it is first declared in \(file):\(place.line):\(place.column)"],
            fix: "keep one of them, or give this one another name: names are the whole job's")
    }
}
