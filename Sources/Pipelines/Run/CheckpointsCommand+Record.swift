import Connectors
import StreamRuntime

extension CheckpointsCommand {
    /// Tells Kafka that checkpoint `checkpoint` of the job, or of one of its shares, was the last one
    /// committed.
    public static func accept(
        path: String, checkpoint: Int64, share: Int? = nil
    ) -> CommandOutput {
        withRecord(path, share) { (plan, record) throws(JobFailure) in
            let found = try FoundCheckpoints(plan, share: share)
            let manifest = try found.inspect(checkpoint)
            guard !manifest.id.isEmpty else {
                throw JobFailure(
                    .checkpoint, "checkpoint \(checkpoint) was made by an older version",
                    at: found.places, remedy: "accept a newer one")
            }
            try record.accept(
                CommittedCheckpoint(checkpoint: checkpoint, manifest: manifest.id),
                positions: manifest.positions)
            let which = share.map { " of share \($0)" } ?? ""
            return "the next run goes on from checkpoint \(checkpoint)\(which)\n"
        }
    }

    /// Makes Kafka forget what was committed, so that the job, all its shares with it, may start afresh.
    public static func forget(path: String) -> CommandOutput {
        withRecord(path, nil) { (plan, record) throws(JobFailure) in
            let shares = plan.settings.shares.map { count in (0..<count).map { Int?($0) } }
            for share in shares ?? [nil] {
                guard let found = try? FoundCheckpoints(plan, share: share),
                    try !found.listings().isEmpty
                else { continue }
                throw JobFailure(
                    .checkpoint, "there are still checkpoints of the job", at: found.places,
                    remedy: "remove them first: with them the job would not start afresh")
            }
            try record.forget()
            return "the next run starts afresh\n"
        }
    }

    private static func withRecord(
        _ path: String, _ share: Int?,
        _ body: (JobPlan, KafkaGroupRecord) throws(JobFailure) -> String
    ) -> CommandOutput {
        switch PlanReader.read(path: path) {
        case .failure(let output): return output
        case .success(let plan):
            do throws(JobFailure) {
                for connection in plan.connections {
                    let group =
                        plan.settings.shares == nil
                        ? JobTransactions.group(of: plan, on: connection.name)
                        : plan.group(ofShare: share ?? 0)
                    guard case .kafka(let bootstrap, let properties) = connection.kind,
                        group.marker != nil
                    else { continue }
                    let record = KafkaGroupRecord(
                        KafkaConnection(bootstrap: bootstrap, planned: properties), group)
                    return CommandOutput(text: try body(plan, record), exitCode: 0)
                }
                throw JobFailure(
                    .environment, "the job writes nothing to Kafka exactly once", at: path,
                    remedy: "its checkpoints count by themselves: see \"millrace checkpoints list\""
                )
            } catch {
                return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
            }
        }
    }
}
