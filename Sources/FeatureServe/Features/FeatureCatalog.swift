import StreamRuntime

/// The checked set of entities, views, on-demand views, push sources and services of one pipelines file.
public struct FeatureCatalog: Sendable {
    /// Every entity.
    public let entities: [Entity]
    /// Every view.
    public let views: [FeatureView]
    /// Every service.
    public let services: [FeatureService]
    /// Every view that is computed at lookup.
    public let onDemandViews: [OnDemandView]
    /// Every name that pushes use.
    public let pushSources: [PushSource]

    /// Where a view is kept: the entity's table and the view's place in its rows.
    struct Place: Hashable, Sendable {
        let table: Int
        let slot: Int
    }
    private let places: [String: Place]

    /// Checks the declarations against each other.
    ///
    /// - Throws: naming the first declaration that is wrong: a name used twice, an unknown entity or view, a
    ///   key or feature of a type that cannot be one, one join key with two types.
    public init(
        entities: [Entity], views: [FeatureView], services: [FeatureService] = [],
        onDemandViews: [OnDemandView] = [], pushSources: [PushSource] = []
    ) throws(JobFailure) {
        self.entities = entities
        self.views = views
        self.services = services
        self.onDemandViews = onDemandViews
        self.pushSources = pushSources
        var keyTypes: [String: ColumnType] = [:]
        var tables: [String: Int] = [:]
        for (index, entity) in entities.enumerated() {
            guard tables.updateValue(index, forKey: entity.name) == nil, !entity.keys.isEmpty else {
                throw Self.wrong(
                    "entity \"\(entity.name)\" is declared twice or has no key", "entities",
                    "give each entity one name and at least one key")
            }
            for key in entity.keys {
                guard KeyEncoder.accepts(key.type),
                    keyTypes.updateValue(key.type, forKey: key.name) ?? key.type == key.type
                else {
                    throw Self.wrong(
                        "join key \"\(key.name)\" cannot have the type \(key.type)",
                        "entity \(entity.name)",
                        "use a scalar type, the same wherever the key appears")
                }
            }
        }
        var places: [String: Place] = [:]
        var slots = [Int](repeating: 0, count: entities.count)
        for view in views {
            guard let table = tables[view.entity] else {
                throw Self.wrong(
                    "feature view \"\(view.name)\" is about the unknown entity \"\(view.entity)\"",
                    "feature_views",
                    "declare the entity, or use one of: "
                        + entities.map(\.name).joined(separator: ", "))
            }
            let names = Set(view.features.map(\.name))
            guard !view.features.isEmpty, names.count == view.features.count else {
                throw Self.wrong(
                    "feature view \"\(view.name)\" has no features, or one twice", "feature_views",
                    "list each feature once")
            }
            for feature in view.features where !FeatureView.accepts(feature.type) {
                throw Self.wrong(
                    "feature \"\(feature.name)\" cannot have the type \(feature.type)",
                    "feature view \(view.name)", "select the parts of it that are scalars or lists")
            }
            if let geo = view.geo {
                for name in [geo.latitude, geo.longitude]
                where !view.features.contains(Field(name, .float64)) {
                    throw Self.wrong(
                        "\"\(name)\" is no double among the features", "feature view \(view.name)",
                        "let geo name two features of type double")
                }
            }
            guard places[view.name] == nil else {
                throw Self.wrong(
                    "feature view \"\(view.name)\" is declared twice", "feature_views", "rename one"
                )
            }
            places[view.name] = Place(table: table, slot: slots[table])
            slots[table] += 1
        }
        self.places = places
        try checkOnDemand(keyTypes)
        for service in services {
            for part in service.parts {
                let known = view(part.view)?.features ?? onDemandView(part.view)?.features
                let missing = part.features?.first { name in
                    !(known?.contains { $0.name == name } ?? false)
                }
                guard known != nil, missing == nil else {
                    throw Self.wrong(
                        "there is no \"\(part.view)\(missing.map { ":" + $0 } ?? "")\"",
                        "service \(service.name)",
                        "name a declared feature view and its features")
                }
            }
        }
        for source in pushSources where view(source.view) == nil {
            throw Self.wrong(
                "push source \"\(source.name)\" goes to the unknown view \"\(source.view)\"",
                "push_sources", "name a declared feature view")
        }
    }

    /// Checks that what on-demand views read is there.
    private func checkOnDemand(_ keyTypes: [String: ColumnType]) throws(JobFailure) {
        var names: Set<String> = []
        for onDemand in onDemandViews {
            guard names.insert(onDemand.name).inserted, view(onDemand.name) == nil else {
                throw Self.wrong(
                    "two views are called \"\(onDemand.name)\"", "on_demand", "rename one")
            }
            for source in onDemand.sources {
                let known = view(source.view)?.features.map(\.name) ?? []
                guard let missing = source.features.first(where: { !known.contains($0) }) else {
                    continue
                }
                throw Self.wrong(
                    "there is no \"\(source.view):\(missing)\"", "on_demand \(onDemand.name)",
                    "name a declared feature view and its features")
            }
            for input in onDemand.request
            where keyTypes[input.field.name] ?? input.field.type != input.field.type {
                throw Self.wrong(
                    "\"\(input.field.name)\" is a join key of another type",
                    "on_demand \(onDemand.name)", "give it the type of the key, or another name")
            }
        }
    }

    /// The entity called `name`, or nil.
    public func entity(_ name: String) -> Entity? { entities.first { $0.name == name } }

    /// The view called `name`, or nil.
    public func view(_ name: String) -> FeatureView? { views.first { $0.name == name } }

    /// The on-demand view called `name`, or nil.
    public func onDemandView(_ name: String) -> OnDemandView? {
        onDemandViews.first { $0.name == name }
    }

    /// The features of a stored or on-demand view; none of an unknown one.
    public func features(of name: String) -> [Field] {
        view(name)?.features ?? onDemandView(name)?.features ?? []
    }

    /// The push source called `name`, or nil.
    public func pushSource(_ name: String) -> PushSource? {
        pushSources.first { $0.name == name }
    }

    /// The service called `name`, or nil.
    public func service(_ name: String) -> FeatureService? { services.first { $0.name == name } }

    func place(of view: String) -> Place? { places[view] }

    /// The views of an entity in the order of their slots.
    func views(ofTable table: Int) -> [FeatureView] {
        views.filter { $0.entity == entities[table].name }
    }

    private static func wrong(_ problem: String, _ place: String, _ remedy: String) -> JobFailure {
        JobFailure(.step, problem, at: place, remedy: remedy)
    }
}
