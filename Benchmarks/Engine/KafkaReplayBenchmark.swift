import Connectors
import Glibc
import Pipelines
import StreamRuntime

extension KafkaBenchmarks {
    /// A replay of a topic against what it is made of: the same job on a file, and reading the topic.
    static func replay() throws {
        let root = try place()
        let broker = try BenchmarkBroker(root: root)
        let name = "rows-\(getpid())"
        try broker.create(name, partitions: partitions)
        let file = BenchmarkFile()
        let input = try file.path(under: root)
        try broker.fill(name, with: input, rows: file.rows)
        let reading = try seconds { try consume(name, broker.connection) }
        let job = { (place: String) -> String in
            """
            \(rows(from: place))
            pipelines:
              bench:
                from: rows
                steps:
                  - \(perMinute)
                to: {topic: results, connection: out}
            """
        }
        let onFile = try write(job("files: \(input)"), broker, root, every: "10s")
        let plain = try seconds { _ = try BenchmarkRun.run(path: onFile.path, workers: 1) }
        // The directory is made anew.
        let onTopic = try write(
            job("topic: \(name), connection: broker"), broker, root, every: "10s")
        defer { _ = system("rm -rf '\(onTopic.directory)'") }
        var options = ReplayCommand.Options()
        options.pipelines = ["bench"]
        options.workers = 1
        options.isQuiet = true
        options.json = true
        var code: Int32 = 0
        let replay = seconds {
            code = withoutOutput { ReplayCommand(path: onTopic.path, options: options).run() }
        }
        guard code == 0 else { throw BenchmarkProblem("the replay ended with \(code)") }
        let share = Int((replay / (plain + reading) * 100).rounded())
        print(
            "replay of \(file.rows) rows: \(hundredths(replay)) s with its ledger; the same job on a "
                + "file \(hundredths(plain)) s, reading the topic \(hundredths(reading)) s: "
                + "\(share) % of the two; target <= 110 %")
    }

    /// Reads all of a topic, without a look at the records.
    private static func consume(_ topic: String, _ connection: KafkaConnection) throws {
        let source = try KafkaSource(connection, topic: topic, bounded: true)
        var readers = try source.partitions().map { try source.reader(partition: $0) }
        while !readers.isEmpty {
            var isIdle = true
            for (index, reader) in readers.enumerated().reversed() {
                switch try reader.read(maxRecords: Limits.batchRows, maxBytes: Limits.batchBytes) {
                case .records: isIdle = false
                case .ended: readers.remove(at: index)
                case .caughtUp, .waiting: break
                }
            }
            if isIdle { usleep(200) }
        }
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let began = SystemClock().nanos
        try body()
        return Double(SystemClock().nanos - began) / 1e9
    }

    /// Runs `body` with its standard output thrown away.
    private static func withoutOutput(_ body: () -> Int32) -> Int32 {
        fflush(nil)
        let kept = dup(1)
        let nowhere = open("/dev/null", O_WRONLY)
        dup2(nowhere, 1)
        defer {
            fflush(nil)
            dup2(kept, 1)
            close(kept)
            close(nowhere)
        }
        return body()
    }
}
