import FeatureServe
import StreamRuntime

/// `millrace features`: the definitions of a file, their versions and where they come from.
public enum FeaturesCommand {
    /// A table of every definition.
    public static func list(path: String, json: Bool) -> CommandOutput {
        run(path: path) { (registry, log) throws(JobFailure) in
            if json { return CommandOutput(text: registry.json(log).text, exitCode: 0) }
            var table = TextTable(
                ["kind", "name", "version", "definition", "what", "owner"], widthMax: 56)
            for entry in registry.entries {
                table.append([
                    entry.kind.rawValue, entry.name,
                    log.versions(of: entry).last.map { "\($0.number)" } ?? "not run yet",
                    entry.hash.text, entry.summary, FeaturePage.owner(of: entry),
                ])
            }
            return CommandOutput(text: table.rendered(), exitCode: 0)
        }
    }

    /// Everything about the definitions called `name`, which may be VIEW:FEATURE.
    public static func show(path: String, name: String, json: Bool) -> CommandOutput {
        run(path: path) { (registry, log) throws(JobFailure) in
            let found = registry.entries(named: name)
            let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
            let feature = parts.count == 2 ? parts[1] : nil
            let pages = found.compactMap { FeaturePage($0, feature: feature, log: log) }
            guard !pages.isEmpty else {
                let known = Array(Set(registry.entries.map(\.name))).sorted()
                throw JobFailure(
                    .request, "there is no definition \"\(name)\"", at: path,
                    remedy: NearestWord.advice(name, among: known, what: "definitions"))
            }
            if json {
                let text = JSONText.object([
                    ("definitions", .array(found.map { registry.json($0, log) }))
                ]).text
                return CommandOutput(text: text, exitCode: 0)
            }
            return CommandOutput(text: pages.map(\.text).joined(separator: "\n"), exitCode: 0)
        }
    }

    private static func run(
        path: String, _ body: (FeatureRegistry, RegistryLog) throws(JobFailure) -> CommandOutput
    ) -> CommandOutput {
        switch PlanReader.read(path: path) {
        case .failure(let output): return output
        case .success(let plan):
            do throws(JobFailure) {
                let log = try RegistryLog(stateDirectory: plan.settings.stateDirectory)
                return try body(try FeatureRegistry(plan), log)
            } catch {
                return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
            }
        }
    }
}

/// One definition for a terminal.
struct FeaturePage {
    let text: String

    /// The page of `entry`, or of one of its features; nil when it has no such feature.
    init?(_ entry: FeatureRegistry.Entry, feature: String?, log: RegistryLog) {
        var lines = ["\(entry.kind.rawValue) \(entry.name)", "  definition  \(entry.hash.text)"]
        for (name, value) in entry.declared + entry.derived {
            guard let shown = FeaturePage.line(value) else { continue }
            if name == "plan" || shown.isEmpty { continue }
            lines.append("  \(name.padding(to: 10))  \(shown)")
        }
        let features = FeaturePage.items(entry, "lineage") ?? FeaturePage.items(entry, "features")
        if entry.kind == .featureView || entry.kind == .onDemandView {
            let wanted = (features ?? []).filter {
                feature == nil || FeaturePage.text($0, "name") == feature
            }
            if feature != nil, wanted.isEmpty { return nil }
            lines.append("  features")
            for item in wanted { lines += FeaturePage.describe(item) }
        } else if feature != nil {
            return nil
        }
        let versions = log.versions(of: entry)
        if versions.isEmpty { lines.append("  not run yet: no version") }
        for version in versions {
            lines.append("  version \(version.number) since \(version.time), \(version.hash)")
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    static func owner(of entry: FeatureRegistry.Entry) -> String {
        entry.declared.first { $0.0 == "owner" }.flatMap { line($0.1) } ?? ""
    }

    /// A value that fits on a line; nil for lists of features and other parts.
    private static func line(_ value: JSONText) -> String? {
        switch value {
        case .null: ""
        case .boolean(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .string(let value): value
        case .array(let values):
            values.allSatisfy { if case .string = $0 { true } else { false } }
                ? values.compactMap(line).joined(separator: ", ") : nil
        case .members(let members):
            members.map { "\($0.name): \(line($0.value) ?? "…")" }.joined(separator: ", ")
        }
    }

    private static func items(_ entry: FeatureRegistry.Entry, _ name: String) -> [JSONText]? {
        for (member, value) in entry.declared + entry.derived where member == name {
            if case .array(let items) = value { return items }
        }
        return nil
    }

    private static func member(_ object: JSONText, _ name: String) -> JSONText? {
        guard case .members(let members) = object else { return nil }
        return members.first { $0.name == name }?.value
    }

    private static func text(_ object: JSONText, _ name: String) -> String {
        member(object, name).flatMap(line) ?? ""
    }

    private static func describe(_ feature: JSONText) -> [String] {
        var head = "    \(text(feature, "name")) \(text(feature, "type"))"
        if !text(feature, "default").isEmpty { head += ", default \(text(feature, "default"))" }
        if !text(feature, "description").isEmpty { head += ": \(text(feature, "description"))" }
        if !text(feature, "expression").isEmpty { head += " = \(text(feature, "expression"))" }
        var lines = [head]
        if !text(feature, "reads").isEmpty { lines.append("      reads \(text(feature, "reads"))") }
        guard let lineage = member(feature, "lineage") else { return lines }
        if case .array(let streams)? = member(lineage, "streams") {
            for stream in streams {
                lines.append(
                    "      stream \(text(stream, "stream")) (\(text(stream, "at"))): "
                        + text(stream, "fields"))
            }
        }
        if case .array(let steps)? = member(lineage, "steps") {
            for step in steps {
                lines.append(
                    "      → \(text(step, "pipeline")) \(text(step, "verb")) "
                        + "\(text(step, "step")): \(text(step, "does"))")
            }
        }
        return lines
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}
