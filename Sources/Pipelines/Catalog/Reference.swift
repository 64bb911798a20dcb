/// The tables of the reference, written from the catalogue.
enum Reference {
    /// Every mapping of the file with its keys, and every verb with an example.
    static var tables: String {
        var text = ""
        let parts: [(String, Shape)] = [
            ("The file", Catalog.file), ("job", Catalog.job), ("connections", Catalog.connections),
            ("streams", Catalog.streams), ("fields", Catalog.fields),
            ("pipelines", Catalog.pipelines), ("to", Catalog.target),
            ("entities", Catalog.entities), ("feature_views", Catalog.featureViews),
            ("push_sources", Catalog.pushSources), ("on_demand", Catalog.onDemand),
            ("tests", Catalog.tests),
        ]
        for (title, shape) in parts { text += "### \(title)\n\n" + table(shape) + "\n" }
        text += "### format\n\n| format | options | meaning |\n|---|---|---|\n"
        for format in Formats.options {
            let options = format.keys.map { "`\($0.name)`: \($0.meaning)" }
            text +=
                "| `\(format.format.rawValue)` | \(escaped(options.joined(separator: "<br>"))) "
                + "| \(escaped(format.meaning)) |\n"
        }
        text += "\n## Verbs\n\n"
        for verb in Verb.present {
            text += "### \(verb.name)\n\n\(verb.meaning)"
            text += verb.isStateful ? " Keeps state under its `id`.\n\n" : "\n\n"
            text += "```yaml\n\(verb.example)\n```\n\n"
            let rows = table(verb.shape)
            if !rows.isEmpty { text += rows + "\n" }
        }
        return text
    }

    private static func table(_ shape: Shape) -> String {
        let rows = self.rows(shape, prefix: "")
        if rows.isEmpty { return "" }
        return "| key | value | needed | meaning |\n|---|---|---|---|\n" + rows
    }

    private static func rows(_ shape: Shape, prefix: String) -> String {
        switch shape {
        case .mapping(let mapping):
            return mapping.keys.filter { !$0.isLater }.map { key in
                let isChoice = mapping.oneOf.joined().contains(key.name)
                let need =
                    key.isRequired
                    ? "yes"
                    : isChoice
                        ? "one of these"
                        : key.name == mapping.requiredUnless?.key
                            ? "yes, unless \(mapping.requiredUnless!.other): \(mapping.requiredUnless!.word)"
                            : ""
                let line =
                    "| `\(prefix)\(key.name)` | \(escaped(value(key.shape))) | \(need) "
                    + "| \(escaped(key.meaning)) |\n"
                return line
                    + (isTopLevel(key.name) ? "" : nested(key.shape, prefix + key.name + "."))
            }.joined()
        case .table(let table): return rows(table.value, prefix: prefix)
        case .either(let shapes): return shapes.map { rows($0, prefix: prefix) }.joined()
        case .list(let item, _): return rows(item, prefix: prefix)
        case .text, .step, .anything: return ""
        }
    }

    /// Parts with a table of their own.
    private static func isTopLevel(_ key: String) -> Bool {
        [
            "job", "connections", "streams", "fields", "format", "pipelines", "entities",
            "feature_views", "services", "push_sources", "on_demand", "to", "steps", "tests",
        ].contains(key)
    }

    private static func nested(_ shape: Shape, _ prefix: String) -> String {
        switch shape {
        case .mapping: rows(shape, prefix: prefix)
        case .either(let shapes): shapes.map { nested($0, prefix) }.joined()
        default: ""
        }
    }

    private static func value(_ shape: Shape) -> String {
        switch shape {
        case .text(let kind): kind.description
        case .list(let item, _): "list of \(value(item))"
        case .mapping: "mapping"
        case .table(let table):
            "mapping of "
                + (table.what.hasSuffix("y") ? table.what.dropLast() + "ies" : table.what + "s")
        case .either(let shapes): shapes.map(value).joined(separator: ", or ")
        case .step: "step"
        case .anything: "anything"
        }
    }

    private static func escaped(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
