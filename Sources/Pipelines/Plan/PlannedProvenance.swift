import FeatureServe
import StreamRuntime

/// Where a plan's features come from, as the online store tells it of each value.
struct PlannedProvenance {
    private let plan: JobPlan

    init(_ plan: JobPlan) { self.plan = plan }

    /// The topics behind the views, and the windows of their features.
    var provenance: FeatureProvenance {
        var provenance = FeatureProvenance(topics: plan.sources.map(PlannedProvenance.topic))
        for sink in plan.sinks {
            guard case .features(let index) = sink.target else { continue }
            let view = plan.featureViews[index]
            var sources = provenance.sources[view.name].map(Set.init) ?? []
            var visited: Set<PlannedEdge.Node> = []
            for edge in sink.inputs { collect(edge.from, into: &sources, &visited) }
            provenance.sources[view.name] = sources.sorted()
            var windows: [String: Int64] = [:]
            for (feature, column) in zip(view.features, view.featureColumns) {
                let name = sink.schema.fields[column].name
                windows[feature.name] = sink.inputs.lazy.compactMap { window(name, $0.from) }.first
            }
            if !windows.isEmpty { provenance.windows[view.name] = windows }
        }
        return provenance
    }

    private static func topic(_ source: PlannedSource) -> String {
        switch source.location {
        case .topic(_, let topic): topic
        case .files(let path): path
        }
    }

    private func collect(
        _ node: PlannedEdge.Node, into sources: inout Set<Int>,
        _ visited: inout Set<PlannedEdge.Node>
    ) {
        guard visited.insert(node).inserted else { return }
        switch node {
        case .source(let index): sources.insert(index)
        case .step(let index):
            for edge in plan.steps[index].inputs { collect(edge.from, into: &sources, &visited) }
        }
    }

    /// The width in microseconds of the window that `column` of the rows of `node` was computed in; nil when
    /// it is not the plain result of one whose width is always the same.
    private func window(_ column: String, _ node: PlannedEdge.Node) -> Int64? {
        guard case .step(let index) = node else { return nil }
        let step = plan.steps[index]
        var before = column
        switch step.operation {
        case .aggregate(let shape, let items, _, _, _):
            guard items.contains(where: { $0.name == column }) else { return nil }
            switch shape {
            case .tumble(let size), .hop(let size, _): return size.micros
            case .none, .session, .cumulate, .ended: return nil
            }
        case .rolling(let shape):
            if let width = shape.widths.first(where: { $0.items.contains { $0.name == column } }) {
                return width.over.micros
            }
        case .select(let items):
            guard let item = items.first(where: { $0.name == column }),
                step.inputSchema.index(of: item.text) != nil
            else { return nil }
            before = item.text
        case .extend(let items):
            if let item = items.first(where: { $0.name == column }) {
                guard step.inputSchema.index(of: item.text) != nil else { return nil }
                before = item.text
            }
        case .process, .match: return nil
        case .filter, .unnest, .route, .deduplicate, .latest, .rebatch, .joinSide, .join, .lookup,
            .top:
            break
        }
        return step.inputs.lazy.compactMap { window(before, $0.from) }.first
    }
}
