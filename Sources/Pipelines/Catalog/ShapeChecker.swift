/// Compares a file with the catalogue's shapes and tells of every difference.
struct ShapeChecker {
    let diagnostics: Diagnostics

    /// Checks a whole file, or one that it includes.
    func check(_ root: SpecNode, as shape: Shape = Catalog.file) {
        check(
            root, shape, key: "", in: "the file",
            owner: Position(line: 1, column: 1, file: root.position.file))
    }

    /// - Parameters:
    ///   - key: the key `node` is the value of.
    ///   - place: what it is part of, in words.
    ///   - owner: where that key stands.
    private func check(
        _ node: SpecNode, _ shape: Shape, key: String, in place: String, owner: Position
    ) {
        if node.isNull, node.scalar?.isQuoted != true, !ShapeChecker.takesNull(shape) {
            diagnostics.report(
                .wrongKind,
                key.isEmpty ? "\(place) is empty" : "\(named(key, in: place)) has no value",
                at: owner, fix: "write \(ShapeChecker.describe(shape))")
            return
        }
        guard let fitting = fitting(shape, node) else {
            diagnostics.report(
                .wrongKind,
                "\(key.isEmpty ? place : named(key, in: place)) is \(node.kindName)",
                at: node.position, fix: "write \(ShapeChecker.describe(shape))")
            return
        }
        switch fitting {
        case .text(let kind):
            ScalarChecker(diagnostics: diagnostics).check(node, kind, key: key, in: place)
        case .list(let item, let min):
            if node.items.count < min {
                diagnostics.report(
                    .wrongKind, "the list \"\(key)\" in \(place) is empty", at: node.position,
                    fix: "give at least one: \(ShapeChecker.describe(item))")
            }
            for element in node.items {
                check(element, item, key: key, in: place, owner: element.position)
            }
        case .mapping(let mapping): check(node, mapping, in: place, owner: owner)
        case .table(let table):
            if node.entries.count < table.min {
                diagnostics.report(
                    .wrongKind, "\(named(key, in: place)) is empty", at: owner,
                    fix: "declare at least one \(table.what)")
            }
            for entry in node.entries {
                let isFine = ScalarChecker(diagnostics: diagnostics)
                    .checkKey(entry, table.key, what: table.what)
                if !isFine, entry.value.isNull { continue }
                let inner: String
                switch table.value {
                case .mapping, .list: inner = "\(table.what) \"\(entry.key)\""
                default: inner = place
                }
                check(entry.value, table.value, key: entry.key, in: inner, owner: entry.keyPosition)
            }
        case .step: checkStep(node, in: place)
        case .either, .anything: break
        }
    }

    /// A key and what it is in; a part of the file itself has no need of that.
    private func named(_ key: String, in place: String) -> String {
        key == place ? "\"\(key)\"" : "\"\(key)\" in \(place)"
    }

    private static func takesNull(_ shape: Shape) -> Bool {
        if case .text(.expressionOrNull) = shape { true } else { false }
    }

    private func fitting(_ shape: Shape, _ node: SpecNode) -> Shape? {
        switch (shape, node.content) {
        case (.either(let shapes), _):
            for candidate in shapes {
                if let found = fitting(candidate, node) { return found }
            }
            return nil
        case (.text, .scalar), (.list, .list), (.mapping, .mapping), (.table, .mapping), (.step, _),
            (.anything, _):
            return shape
        default: return nil
        }
    }

    private func check(_ node: SpecNode, _ mapping: MappingShape, in place: String, owner: Position)
    {
        let known = mapping.keys.filter { !$0.isLater }.map(\.name)
        for entry in node.entries {
            guard let key = mapping.keys.first(where: { $0.name == entry.key }) else {
                diagnostics.report(
                    .unknownKey, "unknown key \"\(entry.key)\" in \(place)", at: entry.keyPosition,
                    fix: NearestWord.advice(entry.key, among: known, what: "keys"))
                continue
            }
            if key.isLater {
                diagnostics.report(
                    .notYet, "\"\(key.name)\" is not in this version", at: entry.keyPosition,
                    fix: "leave it out; here there is: \(known.joined(separator: ", "))")
                continue
            }
            checkCompanions(key, entry, of: node)
            let nested: String
            if mapping.what == "file" {
                nested = key.name
            } else if case .mapping? = fitting(key.shape, entry.value) {
                nested = "\(key.name) of \(place)"
            } else {
                nested = place
            }
            check(entry.value, key.shape, key: key.name, in: nested, owner: entry.keyPosition)
        }
        for key in mapping.keys where key.isRequired && node.entry(key.name) == nil {
            diagnostics.report(
                key.missing, "\(place) has no \"\(key.name)\"", at: owner,
                fix: "add \(key.name): \(ShapeChecker.describe(key.shape))")
        }
        if !mapping.needsOne.isEmpty,
            !mapping.needsOne.contains(where: { node.entry($0) != nil })
        {
            let words = mapping.needsOne.joined(separator: ", ")
            diagnostics.report(
                .missingKey, "\(place) has none of: \(words)", at: owner,
                fix: "add at least one of: \(words)")
        }
        for group in mapping.oneOf { checkGroup(group, node, in: place, owner: owner, mapping) }
        if let rule = mapping.requiredUnless, node.entry(rule.key) == nil,
            node[rule.other]?.scalar?.text != rule.word
        {
            diagnostics.report(
                .missingKey, "\(place) has no \"\(rule.key)\"", at: owner,
                fix: "add \(rule.key): drop, or say where those rows go")
        }
    }

    private func checkCompanions(_ key: KeyShape, _ entry: SpecNode.Entry, of node: SpecNode) {
        if !key.with.isEmpty, !key.with.contains(where: { node.entry($0) != nil }) {
            let wanted = key.with.joined(separator: "\" or \"")
            diagnostics.report(
                .conflictingKeys, "\"\(key.name)\" goes with \"\(wanted)\" only",
                at: entry.keyPosition, fix: "remove it, or add \"\(wanted)\"")
        }
        for needed in key.needs where node.entry(needed) == nil {
            diagnostics.report(
                .conflictingKeys, "\"\(key.name)\" needs \"\(needed)\"", at: entry.keyPosition,
                fix: "add \"\(needed)\" beside it")
        }
    }

    private func checkGroup(
        _ group: [String], _ node: SpecNode, in place: String, owner: Position,
        _ mapping: MappingShape
    ) {
        let given = node.entries.filter { group.contains($0.key) }
        let words = group.joined(separator: ", ")
        let later = node.entries.contains { entry in
            mapping.keys.contains { $0.name == entry.key && $0.isLater }
        }
        if given.isEmpty, !later {
            diagnostics.report(
                .missingKey, "\(place) has none of: \(words)", at: owner,
                fix: "add one of: \(words)")
        }
        for extra in given.dropFirst() {
            diagnostics.report(
                .conflictingKeys,
                "\"\(extra.key)\" beside \"\(given[0].key)\" in \(place): only one can be",
                at: extra.keyPosition, fix: "keep one of: \(words)")
        }
    }

    private func checkStep(_ node: SpecNode, in place: String) {
        let verbs = Verb.present.map(\.name)
        guard case .mapping(let entries) = node.content, let first = entries.first else {
            let word = node.scalar?.text ?? ""
            diagnostics.report(
                .severalVerbs, "a step in \(place) is \(node.kindName), not a verb with its value",
                at: node.position,
                fix: Verb.named(word).map { "write \($0.example)" }
                    ?? "write - VERB: …; verbs: \(verbs.joined(separator: ", "))")
            return
        }
        if entries.count > 1 {
            let isOutdented = first.value.isNull && Verb.named(first.key) != nil
            diagnostics.report(
                .severalVerbs, "a step in \(place) has \(entries.count) keys; it must be one verb",
                at: entries[1].keyPosition,
                fix: isOutdented
                    ? "indent the keys of \"\(first.key)\" two spaces more than it"
                    : "begin each step with a dash: - \(entries[1].key): …")
            return
        }
        guard let verb = Verb.named(first.key) else {
            diagnostics.report(
                .unknownVerb, "unknown verb \"\(first.key)\" in \(place)", at: first.keyPosition,
                fix: NearestWord.advice(first.key, among: verbs, what: "verbs"))
            return
        }
        if verb.isLater {
            diagnostics.report(
                .notYet, "the verb \"\(verb.name)\" is not in this version", at: first.keyPosition,
                fix: "verbs: \(verbs.joined(separator: ", "))")
            return
        }
        let id = first.value["id"]?.scalar?.text
        let inner =
            switch verb.shape {
            case .mapping: "\(verb.name)\(id.map { " \"\($0)\"" } ?? "") of \(place)"
            default: place
            }
        check(first.value, verb.shape, key: verb.name, in: inner, owner: first.keyPosition)
    }

    /// What belongs in a place, in words and brackets.
    static func describe(_ shape: Shape) -> String {
        switch shape {
        case .text(let kind): kind.description
        case .list(let item, _): "[" + describe(item) + ", …]"
        case .mapping(let mapping):
            "{"
                + mapping.keys.filter { $0.isRequired || mapping.oneOf.joined().contains($0.name) }
                .map { "\($0.name): …" }.joined(separator: mapping.oneOf.isEmpty ? ", " : " | ")
                + "}"
        case .table(let table):
            "\(table.what.uppercased().replacing(" ", with: "_")): \(describe(table.value))"
        case .either(let shapes): shapes.map(describe).joined(separator: ", or ")
        case .step: "- VERB: …"
        case .anything: "a value"
        }
    }
}
