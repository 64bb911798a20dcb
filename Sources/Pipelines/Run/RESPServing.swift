import FeatureServe
import StreamRuntime

/// Features of a plan in the protocol of Redis.
enum RESPServing {
    /// The server that the plan asks for, not started yet; nil when it asks for none.
    ///
    /// - Throws: when it would listen beyond this machine without a password.
    static func server(
        _ plan: JobPlan, online: OnlineStore, metrics: MetricsRegistry
    ) throws(JobFailure) -> RESPServer? {
        guard let resp = plan.settings.resp else { return nil }
        let host = plan.settings.serveHost
        let shared = try ServingOptions.make(plan.settings)
        guard
            ServeReader.isLoopback(host) || !shared.access.isOpen
                || !(resp.password ?? "").isEmpty
        else {
            throw JobFailure(
                .environment, "features would be open to everyone who reaches \(host)",
                at: "job.serve.resp", remedy: "set a password there, or serve on 127.0.0.1")
        }
        let directory = directory(of: plan)
        try Directories.make(directory)
        var options = RESPServer.Options()
        options.host = host
        options.access = shared.access
        options.tls = shared.tls
        options.port = resp.port
        options.project = resp.project
        options.password = resp.password
        return try RESPServer(
            store: online, hashes: try HashStore(path: directory), metrics: metrics,
            options: options)
    }

    /// Where hashes that no view declares are kept.
    static func directory(of plan: JobPlan) -> String { plan.settings.stateDirectory + "/hashes" }
}
