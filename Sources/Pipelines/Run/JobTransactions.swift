import Connectors
import StreamRuntime

/// What of a job's checkpoints is committed on Kafka: by transactions where the plan writes exactly-once,
/// as plain offsets of its consumer group on the other clusters it reads from.
struct JobTransactions {
    /// The transactions of the exactly-once outputs; nil when there are none.
    let domain: KafkaTransactionDomain?
    let followers: [KafkaOffsetFollower]

    /// Nothing is asked of a cluster yet.
    init(plan: JobPlan) throws(JobFailure) {
        var domain: KafkaTransactionDomain?
        var followers: [KafkaOffsetFollower] = []
        for connection in plan.connections {
            guard case .kafka(let bootstrap, let properties) = connection.kind else { continue }
            let address = KafkaConnection(
                bootstrap: bootstrap, planned: properties, outage: connection.outageLimit)
            let group = JobTransactions.group(of: plan, on: connection.name)
            if group.marker != nil {
                precondition(domain == nil, "the planner allows one cluster")
                domain = try KafkaTransactionDomain(
                    address,
                    KafkaTransactionDomain.Settings(
                        name: group.name, group: group,
                        checkpointMillis: Int(plan.settings.checkpointEvery.micros / 1000)))
            } else if !group.topics.isEmpty {
                followers.append(
                    try KafkaOffsetFollower(address, group: group) {
                        Terminal.error("warning: \($0)\n")
                    })
            }
        }
        self.domain = domain
        self.followers = followers
    }

    /// Gives up what is open and waits for the last offsets.
    func close() {
        domain?.close()
        for follower in followers { follower.close() }
    }

    /// The offsets that the job commits on a connection; with a marker when it writes there exactly-once.
    static func group(of plan: JobPlan, on connection: String) -> KafkaGroup {
        var topics: [String: String] = [:]
        for source in plan.sources {
            if case .topic(connection, let topic) = source.location { topics[source.name] = topic }
        }
        var marker: String?
        for sink in plan.sinks where sink.delivery == .exactlyOnce {
            if case .topic(connection, let topic, _, _) = sink.target {
                marker = min(marker ?? topic, topic)
            }
        }
        return KafkaGroup(name: "millrace.\(plan.name)", topics: topics, marker: marker)
    }
}
