import Glibc
import StreamRuntime

/// `millrace topics`: finds the log that is meant and runs `TopicCommands` on it.
public struct TopicsCommand {
    private let file: String
    private let connection: String?
    private let root: String?

    /// Commands on the topics under `root`, or of an embedded connection of `file`.
    public init(file: String, connection: String?, root: String?) {
        self.file = file
        self.connection = connection
        self.root = root
    }

    /// `topics list`.
    public func list(json: Bool) -> Int32 {
        run { (log) throws(JobFailure) in
            try TopicCommands(log).list(json: json, to: Terminal.line)
        }
    }

    /// `topics produce`: standard input, one record a line.
    public func produce(_ topic: String, keySeparator: String?, partitions: Int) -> Int32 {
        run { (log) throws(JobFailure) in
            try log.ensureTopic(topic, TopicSettings(partitions: partitions))
            var options = TopicCommands.Produce()
            options.keySeparator = keySeparator
            var lines = InputLines(descriptor: STDIN_FILENO)
            let clock = SystemClock()
            let count = try TopicCommands(log).produce(
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
        return run { (log) throws(JobFailure) in
            var options = TopicCommands.Consume()
            options.partitions = partition.map { [Int32($0)] }
            options.from = from
            options.before = to
            options.count = count
            options.follow = follow
            options.json = json
            _ = try TopicCommands(log).consume(
                topic, options,
                wait: {
                    _ = poll(nil, 0, 100)
                    return !StopSignal.isRaised
                }, to: Terminal.line)
        }
    }

    private func run(_ body: (EmbeddedLog) throws(JobFailure) -> Void) -> Int32 {
        do throws(JobFailure) {
            try body(EmbeddedLog(root: try directory()))
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

    /// The directory of the log: the one given, or that of the connection of the file.
    private func directory() throws(JobFailure) -> String {
        if let root { return root }
        let plan: JobPlan
        switch PlanReader.read(path: file) {
        case .success(let read): plan = read
        case .failure(let output):
            throw JobFailure(
                .environment, output.text, at: TopicsCommand.fileMark, remedy: "correct the file")
        }
        var embedded: [(name: String, root: String)] = []
        for candidate in plan.connections {
            if case .embedded(let root) = candidate.kind { embedded.append((candidate.name, root)) }
        }
        if let connection {
            if let found = embedded.first(where: { $0.name == connection }) { return found.root }
            throw JobFailure(
                .environment, "there is no embedded connection \"\(connection)\"", at: file,
                remedy: "use one of: \(embedded.map(\.name).joined(separator: ", "))")
        }
        guard embedded.count == 1 else {
            throw JobFailure(
                .environment,
                embedded.isEmpty
                    ? "the file has no embedded connection"
                    : "the file has several embedded connections",
                at: file,
                remedy: "name one with --connection, or the directory with --root")
        }
        return embedded[0].root
    }
}
