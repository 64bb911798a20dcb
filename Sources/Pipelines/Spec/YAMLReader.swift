import Yams

/// Reads YAML into nodes with places, and tells of what YAML itself does not allow or this file
/// format leaves out: bad syntax, tabs, repeated keys, anchors.
struct YAMLReader {
    let source: SourceText
    let variables: Variables
    let diagnostics: Diagnostics

    /// The root of the file; nil when it cannot be read as YAML at all.
    func read() -> SpecNode? {
        var text = source.text
        var renamed: [String: Renamed] = [:]
        // The parser stops at the first repeated key and names only its first place: that one is
        // renamed to a private character and the text is parsed again, as long as there are any.
        for attempt in 0..<256 {
            do {
                let parser = try Parser(yaml: text)
                guard let root = try parser.singleRoot() else {
                    diagnostics.report(
                        .missingKey, "the file is empty", at: place(1, 1),
                        fix: source.ordinal == 0
                            ? "begin with \"version: 1\", then streams and pipelines"
                            : "declare streams or pipelines in it, or do not include it")
                    return nil
                }
                return withExtendedLifetime(parser) { node(root, renamed: renamed) }
            } catch YamlError.duplicatedKeysInMapping(_, let context) {
                guard let edited = rename(&text, at: context.mark, attempt: attempt) else {
                    return nil
                }
                renamed[edited.marker] = Renamed(
                    initial: edited.initial,
                    position: place(context.mark.line, context.mark.column))
            } catch let error as YamlError {
                report(error)
                return nil
            } catch {
                return nil
            }
        }
        return nil
    }

    private func place(_ line: Int, _ column: Int) -> Position {
        Position(line: line, column: column, file: source.ordinal)
    }

    /// A repeated key whose first character was replaced.
    private struct Renamed {
        let initial: String
        let position: Position
    }

    /// Gives the key at `mark` a first character that no key has; returns that and the one it replaces.
    private func rename(
        _ text: inout String, at mark: Mark, attempt: Int
    ) -> (marker: String, initial: String)? {
        var scalars = Array(text.unicodeScalars)
        var line = 1
        var start = 0
        while line < mark.line, start < scalars.count {
            if scalars[start] == "\n" { line += 1 }
            start += 1
        }
        var at = start + mark.column - 1
        guard at < scalars.count else { return nil }
        if scalars[at] == "\"" || scalars[at] == "'" { at += 1 }
        let initial = String(scalars[at])
        let marker = Unicode.Scalar(UInt32(0xE000 + attempt))!
        scalars[at] = marker
        text = String(String.UnicodeScalarView(scalars))
        return (String(marker), initial)
    }

    private func node(_ yaml: Node, renamed: [String: Renamed]) -> SpecNode {
        let mark = yaml.mark.map { ($0.line, $0.column) } ?? (1, 1)
        let start = place(mark.0, mark.1)
        if yaml.anchor != nil {
            diagnostics.report(
                .anchor, "anchors and aliases are not part of this file format", at: start,
                fix: "write the value out where it is used")
        }
        switch yaml {
        case .scalar(let scalar): return self.scalar(scalar, at: start)
        case .sequence(let sequence):
            return SpecNode(
                content: .list(sequence.map { node($0, renamed: renamed) }), position: start)
        case .mapping(let mapping):
            var entries: [SpecNode.Entry] = []
            var first: [String: Position] = [:]
            for (key, value) in mapping {
                let place = self.node(key, renamed: renamed)
                guard let name = place.scalar?.raw else {
                    diagnostics.report(
                        .wrongKind, "a key must be one word", at: place.position,
                        fix: "write KEY: VALUE")
                    continue
                }
                if let marker = name.unicodeScalars.first.map(String.init),
                    let original = renamed[marker]
                {
                    let tail = String(name.unicodeScalars.dropFirst())
                    first[original.initial + tail] = original.position
                    continue
                }
                entries.append(
                    .init(
                        key: name, keyPosition: place.position,
                        value: node(value, renamed: renamed)))
            }
            for entry in entries {
                guard let there = first[entry.key] else { continue }
                diagnostics.report(
                    .repeatedKey, "the key \"\(entry.key)\" is given twice", at: entry.keyPosition,
                    notes: ["it is first given in line \(there.line)"],
                    fix: "keep one of them, or give the second another name")
            }
            return SpecNode(content: .mapping(entries), position: start)
        case .alias:
            return SpecNode(content: .mapping([]), position: start)
        }
    }

    private func scalar(_ scalar: Node.Scalar, at start: Position) -> SpecNode {
        let style: ScalarPlaces.Style =
            switch scalar.style {
            case .singleQuoted: .singleQuoted
            case .doubleQuoted: .doubleQuoted
            case .literal, .folded: .block
            case .plain, .any: .plain
            }
        let places = ScalarPlaces.find(scalar.string, style: style, from: start, in: source)
        let resolved = variables.resolve(scalar.string)
        let end = places.last!
        let closing = style == .plain || style == .block ? 0 : 1
        let length =
            end.line == start.line
            ? end.column - start.column + closing
            : source.line(start.line).count - start.column + 1
        let made = SpecScalar(
            raw: scalar.string, text: resolved.text,
            // A variable without a value is a string to complain of, not an absent value.
            kind: style == .plain && !(resolved.hasVariables && resolved.text.isEmpty)
                ? SpecScalar.kind(ofPlain: resolved.text) : .string,
            isQuoted: style == .singleQuoted || style == .doubleQuoted,
            hasVariables: resolved.hasVariables, unset: resolved.unset, places: places)
        return SpecNode(
            content: .scalar(made),
            position: Position(
                line: start.line, column: start.column, length: length, file: source.ordinal))
    }

    private func report(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            let tabbed = linesIndentedByTabs()
            if !tabbed.isEmpty {
                for line in tabbed {
                    diagnostics.report(
                        .tab, "a tab in the indentation", at: line,
                        fix: "indent with spaces, two for each level")
                }
                return
            }
            let line = min(mark.line, source.lineCount)
            let (text, fix) = YAMLReader.explain(problem)
            diagnostics.report(
                .syntax, text, at: place(line, mark.column), fix: fix)
        case .reader(let problem, _, _, _):
            diagnostics.report(
                .syntax, "the file is not UTF-8 text: \(problem)", at: place(1, 1),
                fix: "save the file as UTF-8")
        default:
            diagnostics.report(
                .syntax, "the file cannot be read as YAML", at: place(1, 1),
                fix: "compare it with the examples in docs/PIPELINES.md")
        }
    }

    private func linesIndentedByTabs() -> [Position] {
        (1...source.lineCount).compactMap { number in
            let line = source.line(number)
            guard let tab = line.firstIndex(where: { $0 != " " }), line[tab] == "\t" else {
                return nil
            }
            return place(number, tab + 1)
        }
    }

    /// The parser's words in the user's, with what usually causes them.
    private static func explain(_ problem: String) -> (String, String) {
        switch problem {
        case "mapping values are not allowed in this context":
            return (
                "a colon is not allowed here",
                "put the value in quotes when it holds \": \"; otherwise check the indentation"
            )
        case "did not find expected key", "did not find expected '-' indicator":
            return (
                "the indentation does not fit, or a quote or bracket is not closed above",
                "line the keys of one mapping up, and the dashes of one list"
            )
        case "did not find expected ',' or '}'", "did not find expected ',' or ']'":
            return (
                "a \(problem.hasSuffix("'}'") ? "{" : "[") is not closed",
                "close it, put a comma between entries, and quote text that holds , : { } [ or ]"
            )
        case "found unexpected end of stream":
            return ("a quote is not closed", "close the quote")
        case "could not find expected ':'":
            return ("a key without a colon", "write KEY: VALUE")
        case "found character that cannot start any token":
            return ("text cannot begin with this character", "put the text in quotes")
        case "found undefined alias":
            return (
                "text cannot begin with * (YAML takes it for an alias)", "put the text in quotes"
            )
        case "but found another document":
            return ("a second document begins here", "keep one document in a file: remove the ---")
        default: return ("the file is not YAML here: \(problem)", "check quotes and indentation")
        }
    }
}

extension Node {
    /// Anchors hang on each kind of node.
    fileprivate var anchor: Anchor? {
        switch self {
        case .scalar(let scalar): scalar.anchor
        case .sequence(let sequence): sequence.anchor
        case .mapping(let mapping): mapping.anchor
        case .alias: nil
        }
    }
}
