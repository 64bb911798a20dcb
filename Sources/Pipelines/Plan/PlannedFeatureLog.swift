import StreamRuntime

/// Where every version of every feature view is kept, and for how long.
struct PlannedFeatureLog: Equatable, Sendable {
    /// The connection of its topics; nil for the state directory.
    let connection: String?
    /// The partitions of the topics; nil for those they have, and `usualPartitions` of one that has to be made.
    let partitions: Int?
    /// How long versions are kept, in microseconds of event time.
    let keepMicros: Int64
    /// Views with a time of their own.
    let viewMicros: [String: Int64]
    /// Whether the file says how long, for all views.
    let saysKeep: Bool
    /// Views that are not logged.
    let without: Set<String>

    static let usualPartitions = 4

    /// How long versions are kept when the file does not say: as long as a month of labels needs them.
    static let usualKeep = Duration.seconds(30 * 86_400)

    /// What `spec` says; nil when nothing is to be kept.
    init?(_ spec: FeatureLogSpec) {
        if spec.isNone { return nil }
        connection = spec.connection?.value
        partitions = spec.partitions
        saysKeep = spec.keep != nil
        keepMicros = (spec.keep ?? PlannedFeatureLog.usualKeep).micros
        viewMicros = Dictionary(spec.views.map { ($0.view.value, $0.keep.micros) }) { $1 }
        without = Set(spec.without.map(\.value))
    }

    /// How long versions of `view` are kept.
    func keepMicros(of view: String) -> Int64 { viewMicros[view] ?? keepMicros }
}

/// How much of what lookups give is logged, and where.
struct PlannedServedSample: Equatable, Sendable {
    /// The share of entities, 0 to 1.
    let share: Double
    /// The topic, in the place of the feature log.
    let topic: String
}

extension Planner {
    /// Tells of a feature log that names what there is not.
    func checkFeatureLog() {
        guard let log = spec.job.featureLog else { return }
        if let named = log.connection, let connection = declared(named), !connection.holdsTopics {
            diagnostics.report(
                .wrongConnection,
                "the connection \"\(named.value)\" holds \(connection.holding)",
                at: named.position, fix: "name one of: \(topicConnections.joined(separator: ", "))")
        }
        let views = spec.featureViews.map(\.name.value)
        for view in log.views.map(\.view) + log.without
        where !views.contains(view.value)
            && !spec.unreadable.contains("feature_views/\(view.value)")
        {
            diagnostics.report(
                .unknownView, "there is no feature view \"\(view.value)\"", at: view.position,
                fix: NearestWord.advice(view.value, among: views, what: "feature views"))
        }
    }
}
