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
        /// Whether something is computed from its views.
        let isComputedFrom: Bool
    }

    struct View: Sendable {
        let declaration: FeatureView
        var columns = 0
        let statuses: [Counter]
    }

    struct OutputColumn: Sendable {
        /// The position in `views`, or in `computed` when it is computed.
        let view: Int
        let feature: Int
        var isComputed = false
        /// The text that stands in for what was never written or is not known; nil for null.
        var standIn: FixedText?
        /// What is given for a value that has outlived its ttl.
        var aged = AgedValue.lastKnown
    }

    /// What is given for a value that has outlived its ttl.
    enum AgedValue: Sendable { case lastKnown, standIn, null }

    /// What tells the plan from others: the bytes it was made from and whether names are full.
    let identity: [UInt8]
    let joinKeys: [JoinKey]
    let groups: [Group]
    let views: [View]
    let columns: [OutputColumn]
    /// What has to be computed for the answer.
    let computed: [ComputedView]
    /// What the request has to say for that.
    let inputs: [RequestInput]
    /// The names of the columns as JSON strings with commas between, and those of the views as objects.
    let columnNames: [UInt8]
    let outputNames: [String]
    let viewNames: [UInt8]
    let latency: Histogram

    init(
        identity: [UInt8], references: [(view: String, feature: String)], fullNames: Bool,
        style: Compatibility = .millrace, store: OnlineStore, metrics: MetricsRegistry
    ) throws(LookupProblem) {
        guard !references.isEmpty else {
            throw .invalid(
                "No features were asked for: name some in \"features\", as view:feature, "
                    + "or a feature_service")
        }
        let catalog = store.catalog
        var wanted: [FeatureView] = []
        var onDemand: [OnDemandView] = []
        var names: [String] = []
        var picked: [(view: String, feature: Int)] = []
        for (name, feature) in references {
            let stored = catalog.view(name)
            let made = stored == nil ? catalog.onDemandView(name) : nil
            guard let features = stored?.features ?? made?.features else { throw .noView(name) }
            guard let index = features.firstIndex(where: { $0.name == feature }) else {
                throw .noFeature(feature, view: name, features: features)
            }
            let shown = style.name(view: name, feature: feature, full: fullNames)
            guard !names.contains(shown) else { throw .collision(shown) }
            names.append(shown)
            picked.append((name, index))
            if let stored, !wanted.contains(stored) { wanted.append(stored) }
            if let made, !onDemand.contains(where: { $0.name == name }) { onDemand.append(made) }
        }
        let shownViews = wanted.map(\.name) + onDemand.map(\.name)
        let read = Set(onDemand.flatMap(\.sources).map(\.view))
        for name in read.sorted() {
            if let view = catalog.view(name), !wanted.contains(view) { wanted.append(view) }
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
                    slots: mine.map { catalog.place(of: $0.name)!.slot }, firstView: views.count,
                    isComputedFrom: mine.contains { read.contains($0.name) }))
            for view in mine {
                views.append(
                    View(
                        declaration: view,
                        statuses: ServingPlan.statusCounters(view.name, metrics)))
            }
        }
        var columns: [OutputColumn] = []
        for (name, feature) in picked {
            if let at = views.firstIndex(where: { $0.declaration.name == name }) {
                views[at].columns += 1
                let definition = views[at].declaration.definitions[feature]
                columns.append(
                    OutputColumn(
                        view: at, feature: feature,
                        standIn: definition.standIn.map { FixedText($0.json(definition.type)) },
                        aged: ServingPlan.aged(definition)))
            } else {
                let at = onDemand.firstIndex { $0.name == name }!
                columns.append(OutputColumn(view: at, feature: feature, isComputed: true))
            }
        }
        inputs = try RequestInput.inputs(of: onDemand, joinKeys: joinKeys)
        var computed: [ComputedView] = []
        for view in onDemand {
            computed.append(ComputedView(view, views: views, inputs: inputs, metrics: metrics))
        }
        self.computed = computed
        self.identity = identity
        self.joinKeys = joinKeys
        self.groups = groups
        self.views = views
        self.columns = columns
        columnNames = ServingPlan.joined(names)
        outputNames = names
        viewNames = ServingPlan.joined(shownViews, open: "{\"name\":", close: "}")
        latency = metrics.histogram(
            "feast_feature_server_request_latency_seconds",
            help: "Time to answer a lookup, by its size.",
            labels: [
                ("endpoint", "/get-online-features"),
                ("feature_count", ServingPlan.countLabel(columns.count)),
                ("feature_view_count", "\(shownViews.count)"),
            ])
    }

    /// The range a number of features falls in: a label with few values, whatever clients ask for.
    ///
    /// - Source: the bins of Feast 0.67, `feature_count_bins`.
    static func countLabel(_ count: Int) -> String {
        var first = 1
        for last in [10, 50, 200] {
            if count <= last { return "\(first)-\(last)" }
            first = last + 1
        }
        return "\(first)+"
    }

    /// A counter of the values served of `view` for every status.
    static func statusCounters(_ view: String, _ metrics: MetricsRegistry) -> [Counter] {
        FeatureStatus.allCases.map {
            metrics.counter(
                "feast_online_features_status_total",
                help: "Values served, by feature view and status.",
                labels: [("feature_view", view), ("status", $0.wireName.lowercased())])
        }
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
            (part.features ?? catalog.features(of: part.view).map(\.name))
                .map { (view: part.view, feature: $0) }
        }
    }

    /// A reference as written: `view:feature`, or `view@latest:feature`.
    static func reference(
        _ text: String, style: Compatibility = .millrace
    ) throws(LookupProblem) -> (view: String, feature: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw .invalid("\"\(text)\" is not a feature reference; write view:feature")
        }
        var view = parts[0]
        if let mark = view.firstIndex(of: "@") {
            guard style != .go else {
                throw .invalid(
                    "\"\(text)\" names a version; the Go server, whose answers are wanted, serves none"
                )
            }
            guard view[view.index(after: mark)...] == "latest" else {
                throw .invalid("\"\(text)\" names a version; only @latest is served")
            }
            view = view[..<mark]
        }
        return (String(view), String(parts[1]))
    }
}
