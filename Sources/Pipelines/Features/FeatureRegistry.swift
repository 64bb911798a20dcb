import FeatureServe
import StreamRuntime

/// Every definition of a plan as a record: what it is, what decides it, where it comes from, who uses it.
struct FeatureRegistry {
    /// The kinds of definitions, in the order they are listed.
    enum Kind: String, CaseIterable {
        case entity
        case featureView = "feature_view"
        case onDemandView = "on_demand"
        case pushSource = "push_source"
        case service
    }

    /// A definition.
    struct Entry {
        let kind: Kind
        let name: String
        /// The hash of what decides its values; for definitions without values, of the whole record.
        let hash: DefinitionHash
        /// What is declared: a change of it is a new version.
        let declared: [(String, JSONText)]
        /// What follows from the rest of the file.
        let derived: [(String, JSONText)]
        /// One line about it.
        let summary: String

        /// The canonical text of what is declared.
        var canonicalText: String { JSONText.object(declared).compact }
    }

    /// By kind, then in the file's order.
    let entries: [Entry]

    init(_ plan: JobPlan) throws(JobFailure) {
        let catalog = try FeatureCatalogs.catalog(plan)
        let records = RegistryRecords(plan: plan, catalog: catalog)
        entries =
            catalog.entities.map(records.entity) + plan.featureViews.map(records.view)
            + catalog.onDemandViews.map(records.onDemand)
            + catalog.pushSources.map(records.pushSource) + plan.services.map(records.service)
    }

    /// The definitions called `name`; VIEW:FEATURE is the view.
    func entries(named name: String) -> [Entry] {
        let base = name.split(separator: ":").first.map(String.init) ?? name
        return entries.filter { $0.name == base }
    }

    /// The whole registry as JSON, with the version of each definition.
    func json(_ log: RegistryLog) -> JSONText {
        .object([("definitions", .array(entries.map { json($0, log) }))])
    }

    /// One definition as JSON.
    func json(_ entry: Entry, _ log: RegistryLog) -> JSONText {
        let versions = log.versions(of: entry)
        let current = versions.last
        return .object(
            [
                ("kind", .string(entry.kind.rawValue)), ("name", .string(entry.name)),
                ("definition", .string(entry.hash.text)),
                ("version", current.map { .integer($0.number) } ?? .null),
                ("since", current.map { .string($0.time) } ?? .null),
            ] + entry.declared + entry.derived + [
                (
                    "versions",
                    .array(
                        versions.map {
                            .object([
                                ("version", .integer($0.number)), ("since", .string($0.time)),
                                ("definition", .string($0.hash)),
                            ])
                        })
                )
            ])
    }

    /// The registry as the server gives it out.
    func pages(_ log: RegistryLog) -> RegistryPages {
        var pages: [String: String] = [:]
        for entry in entries where pages[entry.name] == nil {
            let found = entries(named: entry.name)
            pages[entry.name] =
                JSONText.object([("definitions", .array(found.map { json($0, log) }))]).text
        }
        return RegistryPages(all: json(log).text, pages: pages)
    }
}
