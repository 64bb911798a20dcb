import StreamRuntime

/// What a set of feature references asks of the store, worked out once and kept.
final class ServingPlan: Sendable {
    struct JoinKey: Sendable {
        let field: Field
        let nameBytes: [UInt8]
        /// The entity's name, where it stands for the key (entities of one key).
        let aliasBytes: [UInt8]
        let entity: String
    }

    /// The views of one entity that are wanted: one read for each entity row.
    struct Group: Sendable {
        let table: Int
        /// Positions in `joinKeys` of the parts of the entity's key.
        let keyParts: [Int]
        let slots: [Int]
        /// The position of the first of them in `views`.
        let firstView: Int
    }

    struct View: Sendable {
        let declaration: FeatureView
        var columns = 0
        let statuses: [Counter]
    }

    struct OutputColumn: Sendable {
        let view: Int
        let feature: Int
    }

    /// What tells the plan from others: the bytes it was made from and whether names are full.
    let identity: [UInt8]
    let joinKeys: [JoinKey]
    let groups: [Group]
    let views: [View]
    let columns: [OutputColumn]
    /// The names of the columns as JSON strings with commas between, and those of the views as objects.
    let columnNames: [UInt8]
    let viewNames: [UInt8]
    let latency: Histogram

    init(
        identity: [UInt8], references: [(view: String, feature: String)], fullNames: Bool,
        store: OnlineStore, metrics: MetricsRegistry
    ) throws(LookupProblem) {
        guard !references.isEmpty else {
            throw .invalid(
                "No features were asked for: name some in \"features\", as view:feature, "
                    + "or a feature_service")
        }
        let catalog = store.catalog
        var wanted: [FeatureView] = []
        var names: [String] = []
        var picked: [(view: FeatureView, feature: Int)] = []
        for (name, feature) in references {
            guard let view = catalog.view(name) else { throw .noView(name) }
            guard let index = view.features.firstIndex(where: { $0.name == feature }) else {
                throw .noFeature(feature, view: view)
            }
            let shown = fullNames ? "\(name)__\(feature)" : feature
            guard !names.contains(shown) else { throw .collision(shown) }
            names.append(shown)
            picked.append((view, index))
            if !wanted.contains(view) { wanted.append(view) }
        }
        var joinKeys: [JoinKey] = []
        var groups: [Group] = []
        var views: [View] = []
        for (table, entity) in catalog.entities.enumerated() {
            let mine = wanted.filter { $0.entity == entity.name }
            guard !mine.isEmpty else { continue }
            var parts: [Int] = []
            for key in entity.keys {
                if let known = joinKeys.firstIndex(where: { $0.field == key }) {
                    parts.append(known)
                } else {
                    parts.append(joinKeys.count)
                    let alias = entity.keys.count == 1 ? entity.name : key.name
                    joinKeys.append(
                        JoinKey(
                            field: key, nameBytes: Array(key.name.utf8),
                            aliasBytes: Array(alias.utf8), entity: entity.name))
                }
            }
            groups.append(
                Group(
                    table: table, keyParts: parts,
                    slots: mine.map { catalog.place(of: $0.name)!.slot }, firstView: views.count))
            for view in mine {
                views.append(
                    View(
                        declaration: view,
                        statuses: FeatureStatus.allCases.map {
                            metrics.counter(
                                "feast_online_features_status_total",
                                help: "Values served, by feature view and status.",
                                labels: [
                                    ("feature_view", view.name),
                                    ("status", $0.wireName.lowercased()),
                                ])
                        }))
            }
        }
        var columns: [OutputColumn] = []
        for (view, feature) in picked {
            let at = views.firstIndex { $0.declaration == view }!
            views[at].columns += 1
            columns.append(OutputColumn(view: at, feature: feature))
        }
        self.identity = identity
        self.joinKeys = joinKeys
        self.groups = groups
        self.views = views
        self.columns = columns
        columnNames = ServingPlan.joined(names)
        viewNames = ServingPlan.joined(wanted.map(\.name), open: "{\"name\":", close: "}")
        latency = metrics.histogram(
            "feast_feature_server_request_latency_seconds",
            help: "Time to answer a lookup, by its size.",
            labels: [
                ("endpoint", "/get-online-features"), ("feature_count", "\(columns.count)"),
                ("feature_view_count", "\(views.count)"),
            ])
    }

    private static func joined(
        _ names: [String], open: StaticString = "", close: StaticString = ""
    ) -> [UInt8] {
        let arena = ByteArena(capacity: 64)
        for (index, name) in names.enumerated() {
            if index > 0 { JSONText.append(",", to: arena) }
            JSONText.append(open, to: arena)
            JSONText.append(string: name, to: arena)
            JSONText.append(close, to: arena)
        }
        return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    /// The references of a service, in its order.
    static func references(
        service name: String, catalog: FeatureCatalog
    ) throws(LookupProblem) -> [(view: String, feature: String)] {
        guard let service = catalog.service(name) else { throw .noService(name) }
        return service.parts.flatMap { part in
            (part.features ?? catalog.view(part.view)?.features.map(\.name) ?? [])
                .map { (view: part.view, feature: $0) }
        }
    }

    /// A reference as written: `view:feature`, or `view@latest:feature`.
    static func reference(_ text: String) throws(LookupProblem) -> (view: String, feature: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw .invalid("\"\(text)\" is not a feature reference; write view:feature")
        }
        var view = parts[0]
        if let mark = view.firstIndex(of: "@") {
            guard view[view.index(after: mark)...] == "latest" else {
                throw .invalid("\"\(text)\" names a version; only @latest is served")
            }
            view = view[..<mark]
        }
        return (String(view), String(parts[1]))
    }
}
