import FeatureServe
import Foundation
import MockCRM
import SampleData
import StreamRuntime

@testable import Pipelines

/// The marketplace of the root `pipelines.yaml` in a directory of its own: the same input for every run.
final class Marketplace {
    /// All that a run leaves behind, as comparable text.
    struct Results: Equatable {
        /// "topic/partition@offset timestamp key value" of every record of every output topic.
        let records: [String]
        /// Every row of the online store without the times it became visible.
        let features: [String]
    }

    /// The provider that all runs call.
    static let crm = MockCRM()

    private let directory: String
    private let file: String
    private var outputs: [String] = []

    /// Generates `scale` times the standard sample, for the root file with `edit` done to it.
    init(scale: Double, edit: (String) -> String = { $0 }) throws {
        directory = NSTemporaryDirectory() + "millrace-recovery-\(UUID().uuidString)"
        file = directory + "/pipelines.yaml"
        try FileManager.default.createDirectory(
            atPath: directory + "/data", withIntermediateDirectories: true)
        var options = SampleData.Options(root: directory + "/data")
        options.scale = scale
        _ = try SampleData.generate(options)
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
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
        setenv("CRM_URL", Marketplace.crm.url, 1)
        let text = try String(
            contentsOf: root.appendingPathComponent("pipelines.yaml"), encoding: .utf8
        )
        .replacingOccurrences(of: "every: 10s", with: "every: 50ms")
        let edited = edit(text)
        try edited.write(toFile: file, atomically: true, encoding: .utf8)
        // Requests wait on one machine's disk: a job that moves makes none.
        if edited.contains("store:"), let call = quiet.firstRange(of: "      - call:"),
            let end = quiet[call.upperBound...].firstRange(of: "\n\n")
        {
            quiet.removeSubrange(call.lowerBound..<end.lowerBound)
            // Its tests expect them.
            if let tests = quiet.firstRange(of: "\ntests:") {
                quiet.removeSubrange(tests.lowerBound..<quiet.endIndex)
            }
        }
        try quiet.write(toFile: campaigns, atomically: true, encoding: .utf8)
        let plan: JobPlan
        switch PlanReader.read(path: file, only: []) {
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

    /// The command line of a run to the end of the input.
    func command(workers: Int, batchRows: Int) -> (words: [String], errors: String) {
        let binary =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return (
            [
                binary.appendingPathComponent("millrace").path, "run", file, "--until-end",
                "--no-serve", "--workers", "\(workers)", "--batch-rows", "\(batchRows)",
            ], errors
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

    /// What a run that nothing happens to leaves.
    func undisturbed(workers: Int, batchRows: Int) throws -> Results {
        try reset()
        let process = try ChildProcess(command(workers: workers, batchRows: batchRows))
        guard process.wait(millis: 120_000) == .exited(0) else {
            throw JobFailure(
                .environment, "the undisturbed run failed: \(lastErrors)", at: file,
                remedy: "see the message")
        }
        return try results()
    }

    /// All that is in the output topics and the online store now.
    func results() throws -> Results {
        var records: [String] = []
        let log = EmbeddedLog(root: directory + "/data/topics")
        for topic in outputs.sorted() where log.hasTopic(topic) {
            let source = try log.source(topic, bounded: true)
            for partition in try source.partitions() {
                let reader = try source.reader(partition: partition)
                reading: while true {
                    switch try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                    case .records(let batch):
                        for row in 0..<batch.count {
                            records.append(
                                "\(topic)/\(partition)@\(batch.offsets.int64s[row]) "
                                    + "\(batch.timestamps.int64s[row]) "
                                    + (batch.keys.isValid(row) ? batch.keys.string(row) : "-") + " "
                                    + (batch.values.isValid(row) ? batch.values.string(row) : "-"))
                        }
                    case .caughtUp, .ended, .waiting: break reading
                    }
                }
            }
        }
        return Results(records: records, features: try features())
    }

    private func features() throws -> [String] {
        guard case .success(let plan) = PlanReader.read(path: file, only: []) else { return [] }
        let store = try OnlineStores.open(plan, budget: 64 << 20)
        return try store.dump()
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }
}
