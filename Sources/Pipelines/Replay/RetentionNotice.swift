import Connectors
import StreamRuntime

/// Says which Kafka topics delete records by time: a broker judges by the records' own timestamps, so that
/// old ones go away while, or right after, they are replayed.
enum RetentionNotice {
    /// One line for each such topic that the replay reads, or writes when it is its target.
    static func lines(of plan: JobPlan, target: ReplaySpec.Target) -> [String] {
        var lines: [String] = []
        for source in plan.sources {
            guard case .topic(let name, let topic) = source.location,
                let millis = retention(of: topic, on: name, plan)
            else { continue }
            lines.append(
                "warning: Kafka topic \(topic) deletes records older than \(text(millis)) "
                    + "(retention.ms): old records of the range may be gone before they are read; "
                    + "archive the topic first, or set retention.ms=-1\n")
        }
        if case .topic(let name, let topic) = target,
            let millis = retention(of: topic, on: name, plan)
        {
            lines.append(
                "warning: Kafka topic \(topic) deletes records older than \(text(millis)) "
                    + "(retention.ms): replayed rows keep their old times and may be deleted at once; "
                    + "set retention.ms=-1 for it\n")
        }
        return lines
    }

    private static func retention(of topic: String, on name: String, _ plan: JobPlan) -> Int64? {
        guard case .kafka(let bootstrap, let properties)? = plan.connection(name)?.kind,
            let admin = try? KafkaAdmin(
                KafkaConnection(bootstrap: bootstrap, planned: properties)),
            let text = try? admin.setting("retention.ms", of: topic), let millis = Int64(text)
        else { return nil }
        return millis < 0 ? nil : millis
    }

    private static func text(_ millis: Int64) -> String {
        let hours = millis / 3_600_000
        if hours >= 48 { return "\(hours / 24) days" }
        return hours > 0 ? "\(hours) hours" : "\(millis / 1000) seconds"
    }
}
