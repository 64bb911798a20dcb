import Connectors
import Glibc
import StreamRuntime

/// The Kafka cluster of the benchmarks: the one that KAFKA_BOOTSTRAP names, or a test broker as a process
/// of its own, which shares the cores with what is measured.
///
/// KAFKA_PROPERTIES, "name=value,…", are properties of all clients.
final class BenchmarkBroker {
    let connection: KafkaConnection
    private var child: pid_t = 0
    private let directory: String

    init(root: String) throws {
        directory = "\(root)/broker-\(getpid())"
        if let named = getenv("KAFKA_BOOTSTRAP") {
            connection = KafkaConnection(
                bootstrap: String(cString: named), properties: BenchmarkBroker.properties)
            return
        }
        let program =
            CommandLine.arguments[0].split(separator: "/", omittingEmptySubsequences: false)
            .dropLast().joined(separator: "/") + "/test-broker"
        guard access(program, X_OK) == 0 else {
            throw BenchmarkProblem(
                "there is no \(program): build it, or name a cluster in KAFKA_BOOTSTRAP")
        }
        (child, connection) = try BenchmarkBroker.start(program, directory)
    }

    deinit {
        guard child > 0 else { return }
        kill(child, SIGKILL)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        // Only what this process made: the directory carries its number.
        _ = system("rm -rf '\(directory)'")
    }

    private static func start(
        _ program: String, _ directory: String
    ) throws -> (pid_t, KafkaConnection) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw BenchmarkProblem("no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        let words: [String] = [program, "--dir", directory]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        guard posix_spawn(&child, program, &actions, nil, arguments, environ) == 0 else {
            throw BenchmarkProblem("cannot start \(program)")
        }
        close(ends[1])
        defer { close(ends[0]) }
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(ends[0], &byte, 1) == 1, byte != 10 { line.append(byte) }
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix("listening ") else { throw BenchmarkProblem("\(program): \(text)") }
        return (
            child, KafkaConnection(bootstrap: String(text.dropFirst(10)), properties: properties)
        )
    }

    private static var properties: [String: String] {
        guard let text = getenv("KAFKA_PROPERTIES").map({ String(cString: $0) }) else { return [:] }
        var properties: [String: String] = [:]
        for part in text.split(separator: ",") {
            let words = part.split(separator: "=", maxSplits: 1)
            if words.count == 2 { properties[String(words[0])] = String(words[1]) }
        }
        return properties
    }

    /// The connection in a pipelines file.
    var text: String {
        let properties = connection.properties.sorted { $0.key < $1.key }
            .map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ")
        return "{kafka: {bootstrap: \"\(connection.bootstrap)\", properties: {\(properties)}}}"
    }

    /// Makes a topic that keeps records of any age.
    func create(_ topic: String, partitions: Int) throws {
        try KafkaAdmin(connection).create(
            topic, partitions: partitions, settings: ["retention.ms": "-1"])
    }

    /// Puts the first `rows` lines of a file into a topic, round about its partitions.
    func fill(_ topic: String, with path: String, rows: Int) throws {
        let appender = try KafkaAppender(connection, topic: topic)
        guard let file = fopen(path, "r") else { throw BenchmarkProblem("cannot read \(path)") }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        for row in 0..<rows {
            let length = getline(&line, &capacity, file)
            guard length > 1, let line else { break }
            let bytes = UnsafeRawBufferPointer(start: line, count: length - 1)
            try appender.append(
                key: nil, value: Array(bytes), timestamp: 1_700_000_000_000_000,
                partition: row % appender.partitions)
        }
        try appender.flush()
    }
}
