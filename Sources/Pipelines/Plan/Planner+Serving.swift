extension Planner {
    /// Tells of keys that name views or streams there are not.
    func checkServedViews() {
        let streams = spec.streams.filter { $0.ingest != nil }.map(\.name.value)
        for name in spec.job.servedStreams
        where !streams.contains(name.value) && !spec.unreadable.contains("streams/\(name.value)") {
            diagnostics.report(
                .unknownInput, "there is no stream \"\(name.value)\" with ingest",
                at: name.position,
                fix: NearestWord.advice(name.value, among: streams, what: "streams with ingest"))
        }
        let declared = spec.featureViews.map(\.name.value) + spec.onDemand.map(\.name.value)
        for name in spec.job.servedViews
        where !declared.contains(name.value)
            && !spec.unreadable.contains("feature_views/\(name.value)")
            && !spec.unreadable.contains("on_demand/\(name.value)")
        {
            diagnostics.report(
                .unknownView, "there is no feature view \"\(name.value)\"", at: name.position,
                fix: NearestWord.advice(name.value, among: declared, what: "feature views"))
        }
    }
}
