import FeatureServe
import StreamRuntime

/// What a plan serves, as the feature store knows it.
enum FeatureCatalogs {
    /// The catalog of `plan`.
    static func catalog(_ plan: JobPlan) throws(JobFailure) -> FeatureCatalog {
        let entities = plan.entities.map { Entity(name: $0.name, keys: $0.keys, notes: $0.notes) }
        let lineage = PlanLineage(plan)
        let views = plan.featureViews.map { view in
            FeatureView(
                name: view.name, entity: entities[view.entity].name,
                definitions: view.definitions, ttlMicros: view.ttl?.micros ?? 0,
                source: view.from, plan: lineage.canonicalText(of: view), notes: view.notes,
                geo: view.geo)
        }
        var onDemand: [OnDemandView] = []
        for view in plan.onDemand { onDemand.append(try made(view, plan, views)) }
        let services = plan.services.map { service in
            FeatureService(
                name: service.name,
                parts: service.features.map {
                    FeatureService.Part(view: $0.view, features: [$0.feature])
                })
        }
        let pushSources = plan.pushSources.map {
            PushSource(name: $0.name, view: plan.featureViews[$0.view].name)
        }
        return try FeatureCatalog(
            entities: entities, views: views, services: services, onDemandViews: onDemand,
            pushSources: pushSources)
    }

    private static func made(
        _ view: PlannedOnDemand, _ plan: JobPlan, _ views: [FeatureView]
    ) throws(JobFailure) -> OnDemandView {
        let sources = view.sources.map { source in
            let stored = plan.featureViews[source.view]
            return (
                name: stored.name,
                features: source.features.map { name in
                    stored.features.first { $0.name == name }!
                }
            )
        }
        return OnDemandView(
            name: view.name, request: view.request,
            sources: view.sources.map {
                .init(view: plan.featureViews[$0.view].name, features: $0.features)
            },
            definitions: view.features.map { FeatureDefinition($0) },
            expressions: view.items.map(\.text), dependencies: view.dependencies,
            ranking: view.ranking, notes: view.notes,
            sourceHashes: view.sources.map { views[$0.view].definition },
            transform: try ExpressionTransform(view, sources: sources))
    }
}
