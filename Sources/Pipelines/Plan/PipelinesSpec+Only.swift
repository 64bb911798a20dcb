extension PipelinesSpec {
    /// The file with only the pipelines called `names`, those whose rows they read, and the feature views
    /// and services these fill.
    ///
    /// - Returns: nil, with the first name that is no pipeline's in `unknown`, when there is one.
    func keeping(only names: [String], unknown: inout String?) -> PipelinesSpec? {
        let known = Dictionary(pipelines.map { ($0.name.value, $0) }) { first, _ in first }
        unknown = names.first { known[$0] == nil }
        guard unknown == nil else { return nil }
        var kept: Set<String> = []
        var open = names
        while let name = open.popLast() {
            guard let pipeline = known[name], kept.insert(name).inserted else { continue }
            // "pipeline.route" reads a named output of a pipeline.
            open += pipeline.from.compactMap {
                $0.value.split(separator: ".").first.map(String.init)
            }
        }
        var spec = self
        spec.pipelines = pipelines.filter { kept.contains($0.name.value) }
        spec.featureViews = featureViews.filter { view in
            kept.contains(view.from.value.split(separator: ".").first.map(String.init) ?? "")
        }
        let views = Set(spec.featureViews.map(\.name.value))
        spec.services = services.filter { service in
            service.features.allSatisfy { feature in
                views.contains(feature.value.split(separator: ":").first.map(String.init) ?? "")
            }
        }
        let read = Set(spec.pipelines.flatMap { $0.from.map(\.value) })
        spec.streams = streams.filter { read.contains($0.name.value) }
        return spec
    }
}
