import FeatureServe
import Glibc
import StreamRuntime

/// The online store of a plan.
enum OnlineStores {
    /// What the plan serves.
    static func catalog(_ plan: JobPlan) throws(JobFailure) -> FeatureCatalog {
        try FeatureCatalogs.catalog(plan)
    }

    /// Opens the store in the plan's state directory, made if it is not there, for a job that goes on from
    /// `checkpoint`.
    static func open(
        _ plan: JobPlan, budget: Int, checkpoint: Int64? = nil
    ) throws(JobFailure) -> OnlineStore {
        let path = directory(of: plan)
        try Directories.make(path)
        return try OnlineStore(
            catalog: try catalog(plan),
            rows: try RocksRows(path: path, blockCacheBytes: budget / 4),
            budgetBytes: budget, checkpoint: checkpoint,
            provenance: PlannedProvenance(plan).provenance,
            history: Dictionary(
                uniqueKeysWithValues: plan.featureViews.compactMap { view in
                    view.history.map { (view.name, $0.micros) }
                }))
    }

    /// Opens the store as `open` does, and on the Redis server that the plan names, if it names one.
    static func openShared(
        _ plan: JobPlan, budget: Int, checkpoint: Int64, metrics: MetricsRegistry
    ) throws(JobFailure) -> (store: OnlineStore, redis: RedisRows?) {
        guard let redis = plan.settings.redis else {
            return (try open(plan, budget: budget, checkpoint: checkpoint), nil)
        }
        let path = directory(of: plan)
        try Directories.make(path)
        let rows = RedisRows(
            local: try RocksRows(path: path, blockCacheBytes: budget / 4), address: redis.address,
            project: redis.project, metrics: metrics)
        let store = try OnlineStore(
            catalog: try catalog(plan), rows: rows, budgetBytes: budget, checkpoint: checkpoint)
        try rows.start(store)
        return (store, rows)
    }

    /// Refuses a state that came from another machine, where its features stayed.
    static func check(_ plan: JobPlan, isFetched: Bool) throws(JobFailure) {
        guard isFetched, access(directory(of: plan), F_OK) != 0 else { return }
        throw JobFailure(
            .state,
            "the checkpoint came from the shared store, which does not hold the features of job "
                + "\"\(plan.name)\"", at: directory(of: plan),
            remedy: "copy the directory from the machine that ran the job last; or start the job "
                + "afresh with a new name or store, which reads all input again")
    }

    /// Whose answers the plan's server gives.
    static func style(_ plan: JobPlan) -> Compatibility {
        plan.settings.serveCompat.flatMap(Compatibility.init) ?? .millrace
    }

    /// How far each view's pipelines have got: up to which microsecond every event has been applied.
    static func progress(
        _ plan: JobPlan, counters: [String: [StepCounters]]
    ) -> @Sendable (String) -> Int64? {
        var views: [String: [StepCounters]] = [:]
        for sink in plan.sinks {
            guard case .features(let view) = sink.target else { continue }
            views[plan.featureViews[view].name, default: []] += counters[sink.id] ?? []
        }
        return { [views] view in
            views[view].map { tasks in
                let marks = tasks.map { $0.read(.watermarkMicros) }
                // 0 is what a task shows that has seen no watermark.
                return marks.contains(0) ? .min : marks.min() ?? .min
            }
        }
    }

    /// Where the rows at rest are.
    static func directory(of plan: JobPlan) -> String { plan.settings.stateDirectory + "/online" }
}

/// Directories on disk.
enum Directories {
    /// Makes `path` and what is missing above it.
    static func make(_ path: String) throws(JobFailure) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            if mkdir(made, 0o755) != 0, errno != EEXIST {
                throw JobFailure(
                    .environment,
                    "the directory \(made) cannot be made: \(String(cString: strerror(errno)))",
                    at: path, remedy: "make it, or give the user the right to write there")
            }
        }
    }
}
