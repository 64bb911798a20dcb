import FeatureServe
import StreamRuntime

/// The features a training set is to have, found in the catalog.
struct TrainingFeatures {
    /// A stored view that is joined, with the features wanted of it.
    struct View {
        let view: FeatureView
        let entity: Entity
        /// Positions of the wanted features in the view, ascending; none when only something computed reads it.
        var wanted: [Int]
    }

    /// An on-demand view that is computed.
    struct Computed {
        let columns: ComputedColumns
        /// The positions in `views` of what it reads, in the order of its sources.
        let sources: [Int]
    }

    /// A column of values.
    struct Column {
        /// Where its values are.
        enum Place: Equatable {
            /// In a stored view, by its position, among the features wanted of it.
            case stored(view: Int, feature: Int)
            /// In a computed view, by its position.
            case computed(view: Int, feature: Int)
        }

        let name: String
        let type: ColumnType
        var place: Place
    }

    private(set) var views: [View] = []
    private(set) var computed: [Computed] = []
    /// The columns in the order asked for.
    private(set) var columns: [Column] = []
    private let catalog: FeatureCatalog

    /// Every key of every entity asked for, once.
    var keys: [Field] {
        var keys: [Field] = []
        for view in views {
            for key in view.entity.keys where !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    /// What lookups would have to say besides the keys.
    var inputs: [OnDemandView.Input] {
        var inputs: [OnDemandView.Input] = []
        for input in computed.flatMap({ $0.columns.view.request })
        where !inputs.contains(where: { $0.field.name == input.field.name }) {
            inputs.append(input)
        }
        return inputs
    }

    /// The features that `references` (VIEW or VIEW:FEATURE) or a service name.
    ///
    /// - Throws: when something of that name is not declared, nothing is named, or two have one name.
    init(
        _ references: [String], service: String?, catalog: FeatureCatalog, fullNames: Bool
    ) throws(JobFailure) {
        self.catalog = catalog
        var wanted: [(view: String, feature: String?)] = []
        if let service {
            guard let known = catalog.service(service) else {
                throw JobFailure(
                    .request, "there is no service \"\(service)\"", at: "--service",
                    remedy: NearestWord.advice(
                        service, among: catalog.services.map(\.name), what: "services"))
            }
            for part in known.parts {
                if let features = part.features {
                    for feature in features { wanted.append((part.view, feature)) }
                } else {
                    wanted.append((part.view, nil))
                }
            }
        }
        for reference in references {
            let parts = reference.split(separator: ":", maxSplits: 1).map(String.init)
            guard let view = parts.first else { continue }
            wanted.append((view, parts.count == 2 ? parts[1] : nil))
        }
        guard !wanted.isEmpty else {
            throw JobFailure(
                .request, "no features were asked for", at: "--features",
                remedy: "name some: --features VIEW:FEATURE,VIEW, or --service NAME")
        }
        for (view, feature) in wanted { try add(view, feature, fullNames: fullNames) }
        try checkNames()
        arrange()
    }

    private mutating func add(
        _ name: String, _ feature: String?, fullNames: Bool
    ) throws(JobFailure) {
        let stored = catalog.view(name)
        let onDemand = catalog.onDemandView(name)
        guard let features = stored?.features ?? onDemand?.features else {
            throw JobFailure(
                .request, "there is no feature view \"\(name)\"", at: "--features",
                remedy: NearestWord.advice(
                    name,
                    among: catalog.views.map(\.name) + catalog.onDemandViews.map(\.name),
                    what: "feature views"))
        }
        var indices = Array(features.indices)
        if let feature {
            guard let index = features.firstIndex(where: { $0.name == feature }) else {
                throw JobFailure(
                    .request, "the view \"\(name)\" has no feature \"\(feature)\"",
                    at: "--features",
                    remedy: NearestWord.advice(
                        feature, among: features.map(\.name), what: "features"))
            }
            indices = [index]
        }
        let place = stored.map { self.place(of: $0) } ?? self.place(of: onDemand!)
        for index in indices {
            if stored != nil, !views[place].wanted.contains(index) {
                views[place].wanted.append(index)
            }
            columns.append(
                Column(
                    name: fullNames ? "\(name)__\(features[index].name)" : features[index].name,
                    type: features[index].type,
                    place: stored == nil
                        ? .computed(view: place, feature: index)
                        : .stored(view: place, feature: index)))
        }
    }

    /// The position of a stored view, which is joined from now on.
    private mutating func place(of view: FeatureView) -> Int {
        if let known = views.firstIndex(where: { $0.view.name == view.name }) { return known }
        views.append(View(view: view, entity: catalog.entity(view.entity)!, wanted: []))
        return views.count - 1
    }

    /// The position of a computed view; what it reads is joined.
    private mutating func place(of view: OnDemandView) -> Int {
        if let known = computed.firstIndex(where: { $0.columns.view.name == view.name }) {
            return known
        }
        let sources = view.sources.map { place(of: catalog.view($0.view)!) }
        computed.append(
            Computed(columns: ComputedColumns(view, catalog: catalog), sources: sources))
        return computed.count - 1
    }

    private func checkNames() throws(JobFailure) {
        var names: Set<String> = []
        for column in columns where !names.insert(column.name).inserted {
            throw JobFailure(
                .request, "two features are called \"\(column.name)\"", at: "--features",
                remedy: "add --full-feature-names, or ask for one of them")
        }
    }

    /// Turns positions in stored views into positions among the wanted features.
    private mutating func arrange() {
        for index in views.indices { views[index].wanted.sort() }
        for index in columns.indices {
            guard case .stored(let view, let feature) = columns[index].place else { continue }
            columns[index].place = .stored(
                view: view, feature: views[view].wanted.firstIndex(of: feature)!)
        }
    }

    /// The columns of the set behind those of the labels: each value with its status, then each view's event
    /// time.
    var fields: [Field] {
        columns.flatMap { [Field($0.name, $0.type), Field("\($0.name)__status", .string)] }
            + views.map { Field("\($0.view.name)__event_time", .timestamp) }
    }
}
