import FeatureServe
import Foundation
import MockCRM
import SampleData
import StreamRuntime

@testable import Pipelines

/// The marketplace of the root `pipelines.yaml` in a directory of its own: the same input for every run.
final class Marketplace {
    /// All that a run leaves behind, as comparable text.
    struct Results: Equatable, Sendable {
        /// "topic/partition@offset timestamp key value" of every record of every output topic.
        let records: [String]
        /// Every row of the online store without the times it became visible.
        let features: [String]
    }

    /// The provider that all runs call.
    static let crm = MockCRM()
    /// Says once where the provider is: processes may be started at the same time.
    private static let callsCRM: Void = { _ = setenv("CRM_URL", crm.url, 1) }()

    let directory: String
    let file: String
    private(set) var outputs: [String] = []
    /// The plan of `file`.
    private let plan: JobPlan
    /// How long the last undisturbed run took, for tests that cut one short.
    private(set) var lastRunMillis = 400

    /// The pipelines that run; all when empty.
    private let only: [String]

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The files that the root file includes, by their names without ending.
    static let parts = ["inventory", "availability", "campaigns", "fraud", "fulfilment"]

    /// The pipelines that a part declares.
    static func pipelines(of part: String) throws -> [String] {
        let path = root.appendingPathComponent("marketplace/\(part).yaml")
        var isInside = false
        var names: [String] = []
        for line in try String(contentsOf: path, encoding: .utf8).split(separator: "\n") {
            if let first = line.first, first != " ", first != "#" {
                isInside = line == "pipelines:"
            } else if isInside, line.hasPrefix("  "), let match = line.wholeMatch(of: #/  (\w+):/#)
            {
                names.append(String(match.1))
            }
        }
        return names
    }

    /// Generates `scale` times the standard sample, for the root file with `edit` done to it, and the files it
    /// includes with `included`.
    init(
        scale: Double, only: [String] = [], edit: (String) -> String = { $0 },
        included: (String) -> String = { $0 }
    ) throws {
        self.only = only
        directory = NSTemporaryDirectory() + "millrace-recovery-\(UUID().uuidString)"
        file = directory + "/pipelines.yaml"
        try FileManager.default.createDirectory(
            atPath: directory + "/data", withIntermediateDirectories: true)
        var options = SampleData.Options(root: directory + "/data")
        options.scale = scale
        _ = try SampleData.generate(options)
        let root = Marketplace.root
        try FileManager.default.copyItem(
            atPath: root.appendingPathComponent("marketplace").path,
            toPath: directory + "/marketplace")
        // What the CRM answers comes at the clock's pace and is no function of the input.
        let campaigns = directory + "/marketplace/campaigns.yaml"
        let whole = try String(contentsOfFile: campaigns, encoding: .utf8)
        var quiet = whole.replacingOccurrences(
            of: "from: {topic: crm.send_results,", with: "from: {topic: crm.no_results,")
        try EmbeddedLog(root: directory + "/data/topics").ensureTopic(
            "crm.no_results", TopicSettings(partitions: 1))
        _ = Marketplace.callsCRM
        let text = try String(
            contentsOf: root.appendingPathComponent("pipelines.yaml"), encoding: .utf8
        )
        .replacingOccurrences(of: "every: 10s", with: "every: 50ms")
        let edited = edit(text)
        try edited.write(toFile: file, atomically: true, encoding: .utf8)
        // Requests wait on one machine's disk: a job that moves makes none.
        if edited.contains("keep: 3, store:"), let call = quiet.firstRange(of: "      - call:"),
            let end = quiet[call.upperBound...].firstRange(of: "\n\n")
        {
            quiet.removeSubrange(call.lowerBound..<end.lowerBound)
            // Its tests expect them.
            if let tests = quiet.firstRange(of: "\ntests:") {
                quiet.removeSubrange(tests.lowerBound..<quiet.endIndex)
            }
        }
        try quiet.write(toFile: campaigns, atomically: true, encoding: .utf8)
        for name in try FileManager.default.contentsOfDirectory(
            atPath: directory + "/marketplace")
        {
            let path = directory + "/marketplace/" + name
            try included(try String(contentsOfFile: path, encoding: .utf8))
                .write(toFile: path, atomically: true, encoding: .utf8)
        }
        switch PlanReader.read(path: file, only: only) {
        case .success(let read): plan = read
        case .failure(let told):
            throw JobFailure(
                .environment, "pipelines.yaml is invalid: \(told.text)", at: file,
                remedy: "run millrace validate")
        }
        outputs = plan.sinks.compactMap {
            if case .topic(_, let topic, _, _) = $0.target { topic } else { nil }
        }
    }

    private var errors: String { directory + "/errors" }

    /// What the last process printed as errors.
    var lastErrors: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

    /// The command line of a run, to the end of the input unless it is to go on.
    func command(
        workers: Int, batchRows: Int, untilEnd: Bool = true
    ) -> (words: [String], errors: String) {
        let binary =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return (
            [
                binary.appendingPathComponent("millrace").path, "run", file, "--no-serve",
                "--workers", "\(workers)", "--batch-rows", "\(batchRows)",
            ] + (untilEnd ? ["--until-end"] : []) + only.flatMap { ["--only", $0] }, errors
        )
    }

    /// Forgets every result and all state; the input stays.
    func reset() throws {
        for path in ["data/state"] + outputs.map({ "data/topics/\($0)" }) {
            let full = directory + "/" + path
            if FileManager.default.fileExists(atPath: full) {
                try FileManager.default.removeItem(atPath: full)
            }
        }
    }

    /// Forgets the state, as a new machine would not have it; topics stay.
    func forgetState() throws {
        let path = directory + "/data/state"
        if FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// Whether the next process has state to begin from.
    var hasCheckpoint: Bool {
        let manifests = try? FileManager.default.contentsOfDirectory(
            atPath: directory + "/data/state/checkpoints")
        return manifests?.isEmpty == false
    }

    /// What a run that nothing happens to leaves.
    func undisturbed(workers: Int, batchRows: Int) throws -> Results {
        try reset()
        let began = SystemClock().nanos
        defer { lastRunMillis = max(100, Int((SystemClock().nanos - began) / 1_000_000)) }
        let process = try ChildProcess(command(workers: workers, batchRows: batchRows))
        guard process.wait(millis: 120_000) == .exited(0) else {
            throw JobFailure(
                .environment, "the undisturbed run failed: \(lastErrors)", at: file,
                remedy: "see the message")
        }
        return try results()
    }

    /// Runs to the end of the input in this process.
    func run(workers: Int) throws -> JobRunner.Summary {
        switch PlanReader.read(path: file, only: only) {
        case .failure(let told):
            throw JobFailure(
                .environment, "the file is invalid: \(told.text)", at: file,
                remedy: "run millrace validate")
        case .success(let plan):
            let options = RunOptions(
                untilEnd: true, workers: workers, serves: false, isQuiet: true)
            let summary = try JobRunner(plan: plan, options: options).run { false }
            if case .failed(let failure) = summary.outcome { throw failure }
            return summary
        }
    }

    /// A record of a topic.
    struct Record {
        var partition: Int
        var key: [UInt8]?
        var value: [UInt8]?
        var timestamp: Int64
    }

    /// The records of a topic, partition by partition in their order; none of one that is not there yet.
    func records(of topic: String) throws -> [Record] {
        let log = EmbeddedLog(root: directory + "/data/topics")
        guard log.hasTopic(topic) else { return [] }
        let source = try log.source(topic, bounded: true)
        var found: [Record] = []
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    found.append(
                        Record(
                            partition: Int(partition),
                            key: batch.keys.isValid(row) ? Array(batch.keys.bytes(row)) : nil,
                            value: batch.values.isValid(row)
                                ? Array(batch.values.bytes(row)) : nil,
                            timestamp: batch.timestamps.int64s[row]))
                }
            }
        }
        return found
    }

    /// Puts what `change` makes of the records of every input topic in their place.
    func rewriteInputs(_ change: (_ topic: String, _ records: [Record]) -> [Record]) throws {
        let log = EmbeddedLog(root: directory + "/data/topics")
        for topic in try log.topics() where !outputs.contains(topic) {
            let before = try records(of: topic)
            guard !before.isEmpty else { continue }
            let settings = try log.settings(topic)
            try log.deleteTopic(topic)
            try log.createTopic(topic, settings)
            let writer = try log.writer(topic, syncing: false)
            for record in change(topic, before) {
                try writer.append(
                    key: record.key, value: record.value, timestamp: record.timestamp,
                    partition: record.partition)
            }
            try writer.commit()
            writer.close()
        }
    }

    /// All that is in the output topics and the online store now.
    func results() throws -> Results {
        var records: [String] = []
        let log = EmbeddedLog(root: directory + "/data/topics")
        for topic in outputs.sorted() where log.hasTopic(topic) {
            var offsets: [Int: Int] = [:]
            for record in try self.records(of: topic) {
                let offset = offsets[record.partition, default: 0]
                offsets[record.partition] = offset + 1
                records.append(
                    "\(topic)/\(record.partition)@\(offset) \(record.timestamp) "
                        + (record.key.map { String(decoding: $0, as: UTF8.self) } ?? "-") + " "
                        + (record.value.map { String(decoding: $0, as: UTF8.self) } ?? "-"))
            }
        }
        return Results(records: records, features: try features())
    }

    /// The final state of every output topic: of each key its last record.
    func tables() throws -> [String: [String: String]] {
        var tables: [String: [String: String]] = [:]
        let log = EmbeddedLog(root: directory + "/data/topics")
        for topic in outputs where log.hasTopic(topic) {
            var table: [String: String] = [:]
            for record in try records(of: topic) {
                let key = record.key.map { String(decoding: $0, as: UTF8.self) } ?? "-"
                table[key] = record.value.map { String(decoding: $0, as: UTF8.self) }
            }
            tables[topic] = table
        }
        return tables
    }

    private func features() throws -> [String] {
        let store = try OnlineStores.open(plan, budget: 64 << 20)
        return try store.dump()
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }
}
