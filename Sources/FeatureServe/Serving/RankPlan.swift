import StreamRuntime

/// What a service's ranking reads, computes and answers, worked out once and kept.
struct RankPlan {
    /// A feature of an answer.
    struct Part {
        let name: String
        let column: ServingPlan.OutputColumn
    }

    let service: String
    let serving: ServingPlan
    let ranking: OnDemandView.Ranking
    /// The view the score is of.
    let view: String
    /// The score, and who is a candidate, in the serving plan's computed views.
    let score: ServingPlan.OutputColumn
    let filter: ServingPlan.OutputColumn?
    /// The service's features in its order.
    let parts: [Part]

    init(
        service name: String, score asked: String?, store: OnlineStore, metrics: MetricsRegistry
    ) throws(LookupProblem) {
        let catalog = store.catalog
        let features = try ServingPlan.references(service: name, catalog: catalog)
        let (view, ranking) = try RankPlan.ranking(asked, name, features, catalog)
        let wanted = [ranking.score] + (ranking.filter.map { [$0] } ?? [])
        var references = features
        for feature in wanted
        where !references.contains(where: { $0.view == view && $0.feature == feature }) {
            references.append((view, feature))
        }
        let serving = try ServingPlan(
            identity: [], references: references, fullNames: true, store: store, metrics: metrics)
        func column(_ feature: String) -> ServingPlan.OutputColumn {
            let at = references.firstIndex { $0.view == view && $0.feature == feature }!
            return serving.columns[at]
        }
        self.serving = serving
        service = name
        self.view = view
        self.ranking = ranking
        score = column(ranking.score)
        filter = ranking.filter.map(column)
        let names = features.map(\.feature)
        var parts: [Part] = []
        for (index, reference) in features.enumerated() {
            let isUnique = names.count { $0 == reference.feature } == 1
            parts.append(
                Part(
                    name: isUnique
                        ? reference.feature : "\(reference.view)__\(reference.feature)",
                    column: serving.columns[index]))
        }
        self.parts = parts
    }

    /// The ranking asked for, or the only one there is.
    private static func ranking(
        _ asked: String?, _ service: String, _ features: [(view: String, feature: String)],
        _ catalog: FeatureCatalog
    ) throws(LookupProblem) -> (view: String, ranking: OnDemandView.Ranking) {
        if let asked {
            let (name, feature) = try ServingPlan.reference(asked)
            guard let view = catalog.onDemandView(name) else { throw .noView(name) }
            guard let field = view.features.first(where: { $0.name == feature }) else {
                throw .noFeature(feature, view: name, features: view.features)
            }
            switch field.type {
            case .int64, .float64, .decimal: break
            default: throw .invalid("\(asked) is \(field.type); candidates are ranked by a number")
            }
            return (
                name,
                .init(score: feature, filter: view.ranking?.filter, top: view.ranking?.top)
            )
        }
        let views = catalog.onDemandViews.filter { view in
            view.ranking != nil && features.contains { $0.view == view.name }
        }
        guard views.count == 1, let ranking = views[0].ranking else {
            throw .invalid(
                views.isEmpty
                    ? "No view of service \(service) has a rank: declare one, or name the score in \"by\""
                    : "Several views of service \(service) have a rank: name one's score in \"by\": "
                        + views.map { "\($0.name):\($0.ranking!.score)" }.joined(separator: ", "))
        }
        return (views[0].name, ranking)
    }

    /// The candidates' rows, best first; those without a score come last, ties in the order they were given.
    func order(_ computed: [ComputedFeatures], rows: Int) -> [Int] {
        var chosen: [Int] = []
        if let filter {
            let column = computed[filter.view].columns[filter.feature]
            for row in 0..<rows where column.isValid(row) && column.bools[row] != 0 {
                chosen.append(row)
            }
        } else {
            chosen = Array(0..<rows)
        }
        let column = computed[score.view].columns[score.feature]
        func isScored(_ row: Int) -> Bool {
            column.isValid(row) && !(column.type == .float64 && column.float64s[row].isNaN)
        }
        func isBetter(_ left: Int, _ right: Int) -> Bool? {
            switch column.type {
            case .float64:
                let (a, b) = (column.float64s[left], column.float64s[right])
                return a == b ? nil : a > b
            case .decimal:
                let (a, b) = (column.decimals[left], column.decimals[right])
                return a == b ? nil : a > b
            default:
                let (a, b) = (column.int64s[left], column.int64s[right])
                return a == b ? nil : a > b
            }
        }
        let scored = chosen.filter(isScored).sorted { isBetter($0, $1) ?? ($0 < $1) }
        return scored + chosen.filter { !isScored($0) }
    }
}
