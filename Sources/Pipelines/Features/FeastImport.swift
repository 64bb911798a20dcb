/// Writes a Feast registry's definitions as a pipelines file.
struct FeastImport {
    /// The file.
    let yaml: String
    /// What has no counterpart here and was left out, a line each.
    let notes: [String]

    /// A pipelines type for each of Feast's value types.
    private static let types: [Int: String] = [
        1: "bytes", 2: "string", 3: "int64", 4: "int64", 5: "double", 6: "double", 7: "bool",
        8: "timestamp", 11: "list<bytes>", 12: "list<string>", 13: "list<int64>",
        14: "list<int64>", 15: "list<double>", 16: "list<double>", 17: "list<bool>",
        18: "list<timestamp>", 36: "string", 37: "string", 38: "list<string>", 39: "list<string>",
    ]

    /// The file made of `feast`.
    init(_ feast: FeastDefinitions) {
        var writer = Writer()
        writer.entities(feast)
        writer.views(feast)
        writer.onDemand(feast)
        writer.services(feast)
        notes = writer.notes
        var head = [
            "# Imported from a Feast registry. Views are filled by pushes: name a pipeline in"
        ]
        head.append("# from: to fill one from a stream.")
        head += writer.notes.map { "# Left out: \($0)" }
        head += ["version: 1", ""]
        yaml = (head + writer.lines).joined(separator: "\n") + "\n"
    }

    /// Puts the file together line by line.
    private struct Writer {
        var lines: [String] = []
        var notes: [String] = []
        /// The entity of each view that could be written, and the views left out.
        private var keys: [String: [(name: String, type: String)]] = [:]
        private var viewEntities: [String: String] = [:]
        private var written: Set<String> = []

        mutating func entities(_ feast: FeastDefinitions) {
            for view in feast.views { place(view, feast) }
            guard !keys.isEmpty else { return }
            lines.append("entities:")
            for name in keys.keys.sorted() {
                let shown = keys[name]!.map { "\($0.name): \(quoted($0.type))" }
                lines.append("  \(name):")
                lines.append("    keys: {\(shown.joined(separator: ", "))}")
                if let entity = feast.entities.first(where: { $0.name == name }) {
                    add(entity.notes, indent: 4)
                }
            }
        }

        /// Finds the entity of a view: one of Feast's, or several of them as one composite key.
        private mutating func place(_ view: FeastDefinitions.View, _ feast: FeastDefinitions) {
            let names = view.entities.filter { $0 != "__dummy" }
            guard !names.isEmpty else {
                notes.append("view \(view.name), which is about no entity")
                return
            }
            var parts: [(name: String, type: String)] = []
            for name in names {
                let entity = feast.entities.first { $0.name == name }
                let joinKey = entity?.joinKey ?? name
                let declared = view.keys.first { $0.name == joinKey }?.type ?? entity?.type ?? 0
                guard let type = FeastImport.types[declared == 0 ? 2 : declared] else {
                    notes.append(
                        "view \(view.name), whose key \(joinKey) is of Feast's type \(declared)")
                    return
                }
                parts.append((joinKey, type))
            }
            let entity = names.joined(separator: "_")
            guard SpecScalars.isName(entity), SpecScalars.isName(view.name) else {
                notes.append("view \(view.name), whose name or entity is not letters, digits and _")
                return
            }
            keys[entity] = parts
            viewEntities[view.name] = entity
        }

        mutating func views(_ feast: FeastDefinitions) {
            let kept = feast.views.filter { viewEntities[$0.name] != nil }
            guard !kept.isEmpty else { return }
            lines += ["", "feature_views:"]
            var sources: [(source: String, view: String)] = []
            for view in kept {
                lines.append("  \(view.name):")
                lines.append("    entity: \(viewEntities[view.name]!)")
                if view.ttlSeconds > 0 { lines.append("    ttl: \(duration(view.ttlSeconds))") }
                add(view.notes, indent: 4)
                lines.append("    features:")
                for feature in view.features { add(feature, of: view.name) }
                written.insert(view.name)
                if let source = view.pushSource { sources.append((source, view.name)) }
            }
            guard !sources.isEmpty else { return }
            lines += ["", "push_sources:"]
            for (source, view) in sources {
                guard SpecScalars.isName(source) else {
                    notes.append("push source \(source), whose name is not letters, digits and _")
                    continue
                }
                lines.append("  \(source): {view: \(view)}")
            }
        }

        private mutating func add(_ feature: FeastDefinitions.Feature, of view: String) {
            guard let type = FeastImport.types[feature.type], SpecScalars.isName(feature.name)
            else {
                notes.append("feature \(view):\(feature.name), of Feast's type \(feature.type)")
                return
            }
            var members = ["name: \(feature.name)", "type: \(quoted(type))"]
            if !feature.description.isEmpty {
                members.append("description: \(text(feature.description))")
            }
            if !feature.tags.isEmpty { members.append("tags: \(map(feature.tags))") }
            lines.append("      - {\(members.joined(separator: ", "))}")
        }

        mutating func onDemand(_ feast: FeastDefinitions) {
            for view in feast.onDemand {
                let reads = view.views + view.request.map { "request \($0.name)" }
                notes.append(
                    "on-demand view \(view.name) (\(view.features.map(\.name).joined(separator: ", "))), "
                        + "Python over \(reads.joined(separator: ", ")): write its expressions under on_demand"
                )
            }
        }

        mutating func services(_ feast: FeastDefinitions) {
            var kept: [String] = []
            for service in feast.services {
                var parts: [String] = []
                for part in service.parts {
                    guard written.contains(part.view) else {
                        notes.append("\(part.view) of service \(service.name)")
                        continue
                    }
                    parts.append(
                        part.features.isEmpty
                            ? part.view
                            : "{\(part.view): [\(part.features.joined(separator: ", "))]}")
                }
                guard !parts.isEmpty, SpecScalars.isName(service.name) else {
                    notes.append("service \(service.name)")
                    continue
                }
                kept.append("  \(service.name): [\(parts.joined(separator: ", "))]")
            }
            if !kept.isEmpty { lines += ["", "services:"] + kept }
        }

        private mutating func add(_ notes: FeastDefinitions.Notes, indent: Int) {
            let margin = String(repeating: " ", count: indent)
            if !notes.description.isEmpty {
                lines.append("\(margin)description: \(text(notes.description))")
            }
            if !notes.owner.isEmpty { lines.append("\(margin)owner: \(text(notes.owner))") }
            if !notes.tags.isEmpty { lines.append("\(margin)tags: \(map(notes.tags))") }
        }

        private func map(_ tags: [(key: String, value: String)]) -> String {
            let members = tags.map { "\(text($0.key)): \(text($0.value.isEmpty ? "-" : $0.value))" }
            return "{\(members.joined(separator: ", "))}"
        }

        /// A type, in quotes where YAML needs them.
        private func quoted(_ type: String) -> String { type.contains("<") ? "\"\(type)\"" : type }

        /// Text in double quotes: JSON's are YAML's.
        private func text(_ text: String) -> String {
            JSONText.quoted(text.replacing("${", with: "$ {"))
        }

        private func duration(_ seconds: Int) -> String {
            if seconds % 86_400 == 0 { return "\(seconds / 86_400)d" }
            if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
            return seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"
        }
    }
}
