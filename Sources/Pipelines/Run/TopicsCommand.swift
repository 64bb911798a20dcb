import Connectors
import Glibc
import StreamRuntime

/// `millrace topics`: finds the log or cluster that is meant and runs `TopicCommands` on it.
public struct TopicsCommand {
    private let file: String
    private let connection: String?
    private let root: String?

    /// Commands on the topics under `root`, or of a connection of `file`.
    public init(file: String, connection: String?, root: String?) {
        self.file = file
        self.connection = connection
        self.root = root
    }

    /// `topics list`.
    public func list(json: Bool) -> Int32 {
        run { (store) throws(JobFailure) in
            try TopicCommands(store).list(json: json, to: Terminal.line)
        }
    }

    /// `topics describe`.
    ///
    /// - Parameter group: whose lag is shown; nil for the job's, where it reads the topic from a cluster.
    public func describe(_ topic: String, group: String?, json: Bool) -> Int32 {
        run { (store) throws(JobFailure) in
            try TopicCommands(store).describe(
                topic, group: group ?? jobGroup(reading: topic, store), json: json,
                to: Terminal.line)
        }
    }

    /// The group of the file's job, when the job reads the topic from a cluster.
    private func jobGroup(reading topic: String, _ store: any TopicStore) -> String? {
        guard store is KafkaTopics, case .success(let plan) = PlanReader.read(path: file) else {
            return nil
        }
        let isRead = plan.sources.contains {
            if case .topic(_, topic) = $0.location { true } else { false }
        }
        return isRead ? plan.group : nil
    }

    /// `topics create`; settings are written "name=value".
    public func create(_ topic: String, partitions: Int, settings: [String]) -> Int32 {
        run { (store) throws(JobFailure) in
            var read: [String: String] = [:]
            for text in settings {
                guard let sign = text.firstIndex(of: "=") else {
                    throw JobFailure(
                        .environment, "\"\(text)\" is no setting", at: "--setting",
                        remedy: "write it as retention.ms=-1")
                }
                read[String(text[..<sign])] = String(text[text.index(after: sign)...])
            }
            try TopicCommands(store).create(topic, partitions: partitions, settings: read)
        }
    }

    /// `topics produce`: standard input, one record a line.
    public func produce(_ topic: String, keySeparator: String?, partitions: Int) -> Int32 {
        run { (store) throws(JobFailure) in
            // A cluster's topics are made on purpose, with replicas and retention somebody chose.
            if store is EmbeddedLog {
                _ = try store.create(topic, partitions: partitions, settings: [:])
            }
            var options = TopicCommands.Produce()
            options.keySeparator = keySeparator
            var lines = InputLines(descriptor: STDIN_FILENO)
            let clock = SystemClock()
            let count = try TopicCommands(store).produce(
                topic, options, from: &lines, now: { clock.nowMicros })
            Terminal.error("\(Grouped.text(Int64(count))) records\n")
        }
    }

    /// `topics consume`.
    public func consume(
        _ topic: String, partition: Int?, from: Int64?, to: Int64?, count: Int?, follow: Bool,
        json: Bool
    ) -> Int32 {
        StopSignal.install()
        return run { (store) throws(JobFailure) in
            var options = TopicCommands.Consume()
            options.partitions = partition.map { [Int32($0)] }
            options.from = from
            options.before = to
            options.count = count
            options.follow = follow
            options.json = json
            _ = try TopicCommands(store).consume(
                topic, options,
                wait: {
                    _ = poll(nil, 0, 100)
                    return !StopSignal.isRaised
                }, to: Terminal.line)
        }
    }

    private func run(_ body: (any TopicStore) throws(JobFailure) -> Void) -> Int32 {
        do throws(JobFailure) {
            try body(try store())
            return 0
        } catch {
            if case .invalidFile(let text)? = problem(error) {
                Terminal.error(text)
                return 2
            }
            Terminal.error("error: \(error)\n")
            return error.exitCode
        }
    }

    private enum Problem { case invalidFile(String) }

    private func problem(_ failure: JobFailure) -> Problem? {
        failure.place == TopicsCommand.fileMark ? .invalidFile(failure.problem) : nil
    }

    private static let fileMark = "pipelines file"

    /// The directory given, or what the connection of the file leads to.
    private func store() throws(JobFailure) -> any TopicStore {
        if let root { return EmbeddedLog(root: root) }
        let plan: JobPlan
        switch PlanReader.read(path: file) {
        case .success(let read): plan = read
        case .failure(let output):
            throw JobFailure(
                .environment, output.text, at: TopicsCommand.fileMark, remedy: "correct the file")
        }
        let candidates = plan.connections.filter {
            $0.holdsTopics
        }
        let names = candidates.map(\.name).joined(separator: ", ")
        if let connection {
            if let found = candidates.first(where: {
                $0.name == connection || $0.name == "(\(connection))"
            }) {
                return try TopicsCommand.store(found)
            }
            throw JobFailure(
                .environment, "there is no connection \"\(connection)\" with topics", at: file,
                remedy: names.isEmpty ? "declare one" : "use one of: \(names)")
        }
        let own = candidates.filter { $0.name != ArrivalPlace.connection }
        if own.count == 1 { return try TopicsCommand.store(own[0]) }
        guard candidates.count == 1 else {
            throw JobFailure(
                .environment,
                candidates.isEmpty
                    ? "the file has no connection with topics"
                    : "the file has several connections with topics",
                at: file,
                remedy: candidates.isEmpty
                    ? "name a directory with --root"
                    : "name one with --connection: \(names)")
        }
        return try TopicsCommand.store(candidates[0])
    }

    private static func store(
        _ connection: PlannedConnection
    ) throws(JobFailure) -> any TopicStore {
        switch connection.kind {
        case .embedded(let root): return EmbeddedLog(root: root)
        case .kafka(let bootstrap, let properties):
            return try KafkaTopics(KafkaConnection(bootstrap: bootstrap, planned: properties))
        case .files, .http, .redis: preconditionFailure("this connection has no topics")
        }
    }
}
