import Connectors
import StreamRuntime

/// A directory that a job runs in apart from the live one: its own state, topics, files and features.
struct ScratchPlace: Equatable, Sendable {
    let directory: String

    /// The job's state directory, with the online store in it.
    var state: String { directory + "/state" }
    /// The root of the topics that are written instead of the live ones.
    var topics: String { directory + "/topics" }
    /// The directory of files that are written instead of the live ones.
    var files: String { directory + "/files" }

    /// The connection that what would be called is on.
    static let calls = "(scratch calls)"

    /// The connection that topics redirected from `connection` are on; no file can name it so.
    static func connection(_ connection: String) -> String { "(scratch) \(connection)" }
}

/// Something a job writes, as it is found in its scratch place.
struct ScratchOutput: Equatable, Sendable {
    /// What it is.
    enum Kind: Equatable, Sendable {
        case topic(String)
        case files(directory: String, format: PlannedFormat.Kind)
    }

    /// The sink's stable id.
    let id: String
    /// The name for a person.
    let name: String
    let kind: Kind
}

extension JobPlan {
    /// The same job with everything it writes put into `place`; `spared` sinks keep their targets.
    ///
    /// - Parameter partitions: the partitions of a topic sink's live topic, where they are known.
    func redirected(
        to place: ScratchPlace, sparing spared: Set<String> = [],
        partitions: (PlannedSink) -> Int? = { _ in nil }
    ) -> JobPlan {
        var plan = self
        plan.settings.answersFrom.append(settings.stateDirectory)
        plan.settings.stateDirectory = place.state
        // One process reads everything again, however many the live job has.
        plan.settings.shares = nil
        // With the registry of the live topics, records have the very bytes they would have there.
        plan.connections += connections.filter(\.holdsTopics).map {
            PlannedConnection(
                name: ScratchPlace.connection($0.name), kind: .embedded(root: place.topics),
                registry: $0.registry)
        }
        plan.connections.append(
            PlannedConnection(
                name: ScratchPlace.calls, kind: .embedded(root: place.topics)))
        for (index, output) in outputs(in: place) where !spared.contains(output.id) {
            switch (sinks[index].target, output.kind) {
            case (.topic(let connection, _, let keys, let planned), .topic(let name)):
                plan.sinks[index].target = .topic(
                    connection: ScratchPlace.connection(connection), topic: name, keys: keys,
                    partitions: partitions(sinks[index]) ?? planned)
            case (.call(let call), .topic(let name)):
                // Nothing is called: what would be is written.
                plan.sinks[index].target = .topic(
                    connection: ScratchPlace.calls, topic: name,
                    keys: call.settings.tenant.flatMap { sinks[index].schema.index(of: $0) }
                        .map { [$0] } ?? [], partitions: 1)
            case (.table(_, _, let keys), .files(let directory, let format)):
                plan.sinks[index].target = .table(
                    path: directory + "/table", format: format, keys: keys)
            case (_, .files(let directory, let format)):
                plan.sinks[index].target = .files(path: directory, format: format)
                plan.sinks[index].partitions = nil
            default: preconditionFailure("a topic stays a topic")
            }
            plan.sinks[index].delivery = .exactlyOnce
        }
        return plan
    }

    /// What the job writes besides features, by its place in `sinks`.
    func outputs(in place: ScratchPlace) -> [(sink: Int, output: ScratchOutput)] {
        var names: [String: Int] = [:]
        for sink in sinks {
            if case .topic(_, let topic, _, _) = sink.target { names[topic, default: 0] += 1 }
        }
        return sinks.enumerated().compactMap { index, sink in
            switch sink.target {
            case .features, .blackhole: return nil
            case .call(let call):
                let name = call.scratchTopic
                return (index, ScratchOutput(id: sink.id, name: name, kind: .topic(name)))
            case .topic(let connection, let topic, _, _):
                let name = names[topic] == 1 ? topic : "\(connection).\(topic)"
                return (index, ScratchOutput(id: sink.id, name: name, kind: .topic(name)))
            case .files(_, let format), .table(_, let format, _):
                let plain = sink.id.map {
                    $0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "." ? $0 : "-"
                }
                let directory = place.files + "/\(index)-" + String(plain)
                return (
                    index,
                    ScratchOutput(
                        id: sink.id, name: sink.id,
                        kind: .files(directory: directory, format: format))
                )
            }
        }
    }

    /// The partitions of the live topic that a sink writes, where it is there already.
    func livePartitions(of sink: PlannedSink) -> Int? {
        guard case .topic(let name, let topic, _, _) = sink.target,
            let connection = connection(name)
        else { return nil }
        if case .embedded(let root) = connection.kind,
            !EmbeddedLog(root: root).hasTopic(topic)
        {
            return nil
        }
        return try? ReplaySources.topic(topic, on: connection).partitions().count
    }
}
