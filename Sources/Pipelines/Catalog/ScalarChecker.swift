import StreamRuntime

/// Checks scalars and names against what they may hold.
struct ScalarChecker {
    let diagnostics: Diagnostics

    /// Checks the value of `key`.
    func check(_ node: SpecNode, _ kind: TextKind, key: String, in place: String) {
        guard let scalar = node.scalar else { return }
        let takesVariables =
            kind != .expression && kind != .expressionOrNull && kind != .type
        if takesVariables, let unset = scalar.unset.first {
            let name = unset.name
            diagnostics.report(
                .unsetVariable,
                name.hasPrefix("file:")
                    ? "the file \"\(name.dropFirst(5))\" cannot be read"
                    : "the environment variable \"\(name)\" is not set",
                at: scalar.position(
                    utf8Offset: utf8Offset(unset.offset, in: scalar.raw),
                    length: name.utf8.count + 3),
                fix: name.hasPrefix("file:")
                    ? "create it, or correct the path"
                    : "set it, or give a default: ${\(name):-VALUE}")
            return
        }
        if kind == .any || kind == .place, !scalar.hasVariables,
            let reason = SecretText.reason(key: key, value: scalar.raw)
        {
            diagnostics.report(
                .literalSecret, "\"\(key)\" in \(place) holds a secret: \(reason)",
                at: node.position,
                fix: "write ${NAME} and set the variable, or ${file:PATH}; then change the secret")
            return
        }
        if scalar.text.isEmpty {
            diagnostics.report(
                .badValue, "\"\(key)\" in \(place) is empty", at: node.position,
                fix: "write \(kind.description)")
            return
        }
        check(scalar, kind, key: key, in: place, at: node.position)
    }

    private func check(
        _ scalar: SpecScalar, _ kind: TextKind, key: String, in place: String, at position: Position
    ) {
        let text = scalar.text
        let isText = scalar.kind == .string || scalar.hasVariables
        func bad(_ code: DiagnosticCode, _ message: String, fix: String? = nil) {
            diagnostics.report(
                code, message, at: position, fix: fix ?? "write \(kind.description)")
        }
        switch kind {
        case .any, .expression, .expressionOrNull: break
        case .place:
            if !isText { bad(.badValue, "\"\(text)\" is not a path or an address") }
        case .name, .template, .reference, .topic:
            if !isText || !isAllowed(text, kind) {
                bad(.badName, "\"\(text)\" cannot be \(kind.description)")
            }
        case .duration:
            if SpecScalars.duration(text) == nil {
                bad(
                    .badDuration, "\"\(text)\" is not a duration",
                    fix: durationFix(text))
            }
        case .size:
            if SpecScalars.size(text) == nil { bad(.badSize, "\"\(text)\" is not a size") }
        case .integer(let range):
            let isWhole = scalar.kind == .integer || scalar.hasVariables
            if !isWhole || !(Int(text).map(range.contains) ?? false) {
                bad(
                    key == "version" ? .version : .badValue,
                    key == "version"
                        ? "this program does not read version \"\(text)\""
                        : "\"\(key)\" is \"\(text)\", not \(kind.description)",
                    fix: range.lowerBound == range.upperBound ? "write \(range.lowerBound)" : nil)
            }
        case .boolean:
            if !["true", "false"].contains(text) || scalar.isQuoted {
                bad(.badValue, "\"\(key)\" is \"\(text)\", not true or false")
            }
        case .type: checkType(scalar, at: position)
        case .words(let words):
            if !words.contains(text) {
                bad(
                    .badValue, "\"\(key)\" in \(place) cannot be \"\(text)\"",
                    fix: NearestWord.advice(text, among: words, what: "possible"))
            }
        case .fieldOrigin:
            let known = [
                "value", "key", "timestamp", "offset", "partition", "file_name", "file_time",
            ]
            let isHeader = text.hasPrefix("header:") && text.utf8.count > 7
            if !known.contains(text), !isHeader {
                bad(
                    .badValue, "\"from\" cannot be \"\(text)\"",
                    fix: NearestWord.advice(text, among: known + ["header:NAME"], what: "possible"))
            }
        }
    }

    /// Checks a name of the user's choice; false after telling what is wrong with it.
    func checkKey(_ entry: SpecNode.Entry, _ kind: TextKind, what: String) -> Bool {
        if isAllowed(entry.key, kind) { return true }
        let isCut = entry.value.isNull && entry.key.hasSuffix(")")
        diagnostics.report(
            .badName, "\"\(entry.key)\" cannot be the name of a \(what)", at: entry.keyPosition,
            fix: isCut
                ? "put the value before it in quotes: in { } a comma ends a value"
                : "use letters, digits and _, beginning with a letter")
        return false
    }

    private func isAllowed(_ text: String, _ kind: TextKind) -> Bool {
        switch kind {
        case .name: SpecScalars.isName(text)
        case .template: SpecScalars.isTemplate(text)
        case .reference: SpecScalars.isReference(text)
        case .topic: SpecScalars.isTopic(text)
        default: !text.isEmpty
        }
    }

    private func checkType(_ scalar: SpecScalar, at position: Position) {
        do {
            _ = try TypeText.parse(scalar.raw)
        } catch {
            let isCut = scalar.raw.hasPrefix("decimal(") && !scalar.raw.hasSuffix(")")
            diagnostics.report(
                .badType, error.message,
                at: scalar.position(utf8Offset: error.offset, length: error.length),
                fix: isCut
                    ? "put the type in quotes: in { } a comma ends a value: \"decimal(12,2)\""
                    : error.fix)
        }
    }

    private func durationFix(_ text: String) -> String {
        if Int(text) != nil { return "add a unit: \(text)s, \(text)m, \(text)h or \(text)d" }
        return "write a whole number and one of us, ms, s, m, h, d: 5s, 10m, 1h, 30d"
    }

    private func utf8Offset(_ scalars: Int, in text: String) -> Int {
        text.unicodeScalars.prefix(scalars).reduce(0) { $0 + UTF8.width($1) }
    }
}
