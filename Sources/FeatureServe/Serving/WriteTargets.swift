/// What clients may write, and under which names.
public struct WriteTargets: Equatable, Sendable {
    /// The views that rows pushed to each push source are written to.
    public var pushSources: [String: [String]]
    /// The views that `/write-to-online-store` may name; those of push sources may be named as well.
    public var views: Set<String>

    /// The targets `pushSources` and `views`.
    public init(pushSources: [String: [String]] = [:], views: Set<String> = []) {
        self.pushSources = pushSources
        self.views = views
    }

    /// What `catalog` lets clients write: the views that nothing else fills, and those of its push sources.
    public init(of catalog: FeatureCatalog) {
        pushSources = Dictionary(grouping: catalog.pushSources, by: \.name)
            .mapValues { $0.map(\.view) }
        views = Set(catalog.views.filter { $0.source == nil }.map(\.name))
    }

    /// Whether rows may be written to `view` by its name.
    func takes(_ view: String) -> Bool {
        views.contains(view) || pushSources.values.contains { $0.contains(view) }
    }
}
