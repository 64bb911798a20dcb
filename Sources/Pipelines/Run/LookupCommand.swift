import FeatureServe
import Glibc
import StreamRuntime

/// `millrace lookup`.
public enum LookupCommand {
    /// What the online store answers for an entity of a view: of the running job if there is one, else of
    /// the store on disk.
    public static func run(path: String, view: String, key: [String], json: Bool) -> CommandOutput {
        let plan: JobPlan
        switch PlanReader.read(path: path) {
        case .success(let read): plan = read
        case .failure(let output): return output
        }
        do throws(JobFailure) {
            let lookup = try answer(plan, view: view, key: key)
            return CommandOutput(text: json ? lookup.json + "\n" : lookup.table, exitCode: 0)
        } catch {
            return CommandOutput(
                text: "error: \(error)\n", exitCode: error.exitCode)
        }
    }

    private static func answer(
        _ plan: JobPlan, view: String, key: [String]
    ) throws(JobFailure) -> Lookup {
        let settings = plan.settings
        if settings.servePort > 0,
            let lookup = try? Lookup.onServer(
                host: settings.serveHost, port: settings.servePort,
                catalog: try OnlineStores.catalog(plan),
                view: view, keys: key, secret: getenv("MILLRACE_KEY").map { String(cString: $0) })
        {
            return lookup
        }
        return try Lookup.inStore(
            OnlineStores.open(plan, budget: 64 << 20), view: view, keys: key)
    }
}
