import Connectors
import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Pipelines

/// The log of features on a broker, and what becomes of it when its settings change.
@Suite struct FeatureLogSettingsTests {
    private let labels = """
        user,event_timestamp,label
        u1,2023-11-14T22:16:00Z,1
        nobody,2023-11-14T22:14:00Z,0
        u1,2023-11-14T22:13:00Z,0
        u2,2023-11-14T22:15:00Z,1

        """

    private func write(_ place: ReplayPlace, log: String, connections: String = "") throws {
        let text = ReplayPlace.orders
            .replacingOccurrences(
                of: "checkpoints: {every: 50ms}}",
                with: "checkpoints: {every: 50ms}, feature_log: \(log)}"
            )
            .replacingOccurrences(
                of: "{local: {embedded: ./topics}}",
                with: "{local: {embedded: ./topics}\(connections)}")
        // Two connections hold topics: each stream and output names its own.
        let named =
            connections.isEmpty
            ? text
            : text.replacingOccurrences(
                of: "{topic: orders}", with: "{topic: orders, connection: local}"
            )
            .replacingOccurrences(of: "key: user}", with: "key: user, connection: local}")
        try named.write(toFile: place.file, atomically: true, encoding: .utf8)
    }

    /// Runs the job to the end of its input; the failure's text, if it failed.
    private func run(_ place: ReplayPlace) throws -> String? {
        let plan = try ReplaySession.plan(place.file, only: [])
        let options = RunOptions(untilEnd: true, workers: 1, serves: false, isQuiet: true)
        do throws(JobFailure) {
            let summary = try JobRunner(plan: plan, options: options).run { false }
            if case .failed(let failure) = summary.outcome { return failure.description }
            return nil
        } catch {
            return error.description
        }
    }

    private func set(_ place: ReplayPlace) throws -> String {
        var options = TrainingSetCommand.Options()
        options.file = place.file
        options.labels = place.directory + "/labels.csv"
        try labels.write(toFile: options.labels, atomically: true, encoding: .utf8)
        options.features = ["spending"]
        options.out = place.directory + "/set.csv"
        options.isQuiet = true
        options.ignoresVisible = true
        let output = TrainingSetCommand.run(options)
        try #require(output.exitCode == 0, "\(output.text)")
        return try String(contentsOfFile: options.out, encoding: .utf8)
    }

    @Test func `on Kafka the log gives the training set that it gives on this machine`() throws {
        let local = try ReplayPlace(scale: nil)
        defer { local.remove() }
        try local.append(60, from: 0)
        #expect(try run(local) == nil)
        let wanted = try set(local)
        #expect(wanted.contains("PRESENT"))

        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(60, from: 0)
        let broker = try TestBroker(directory: place.directory + "/broker")
        defer { broker.stop() }
        let kafka = ", cluster: {kafka: {bootstrap: \"\(broker.bootstrap)\"}}"
        func write(_ more: String) throws {
            try self.write(place, log: "{connection: cluster\(more)}", connections: kafka)
        }
        try write(", keep: 3650d, partitions: 2")
        #expect(try run(place) == nil)
        #expect(try set(place) == wanted)
        let admin = try KafkaAdmin(KafkaConnection(bootstrap: broker.bootstrap))
        let made = try admin.topics().first { $0.name == "_features.spending" }
        #expect(made?.partitions == 2)
        #expect(try admin.setting("retention.ms", of: "_features.spending") == "315360000000")

        // What the topic is, and what the file says, must be one.
        try place.append(10, from: 60)
        try write(", keep: 7d")
        #expect(try run(place)?.contains("retention.ms=604800000") == true)
        try write(", keep: 3650d, partitions: 3")
        #expect(try run(place)?.contains("has 2 partitions, and feature_log says 3") == true)
        try write("")
        #expect(try run(place) == nil)
        #expect(try set(place).contains("PRESENT"))
    }

    @Test func `a compacted topic is no log of versions`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(5, from: 0)
        let broker = try TestBroker(directory: place.directory + "/broker")
        defer { broker.stop() }
        try broker.create("_features.spending", partitions: 4, ["cleanup.policy": "compact"])
        try write(
            place, log: "{connection: cluster}",
            connections: ", cluster: {kafka: {bootstrap: \"\(broker.bootstrap)\"}}")
        #expect(try run(place)?.contains("is compacted") == true)
    }

    @Test
    func `on this machine another time to keep is applied, another number of partitions refused`()
        throws
    {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(20, from: 0)
        let log = EmbeddedLog(root: place.directory + "/state/features")
        for (settings, days) in [
            ("{keep: 9d, partitions: 3}", Int64(9)), ("{keep: 2d}", 2),
            ("{views: {spending: 5d}}", 5),
            ("{keep: 0s}", nil), ("{}", 30),
        ] as [(String, Int64?)] {
            try write(place, log: settings)
            #expect(try run(place) == nil, "\(settings)")
            let found = try log.settings("_features.spending")
            #expect(found.retentionMicros == days.map { $0 * 86_400_000_000 }, "\(settings)")
            #expect(found.partitions == 3)
        }
        try write(place, log: "{partitions: 8}")
        #expect(try run(place)?.contains("has 3 partitions, and feature_log says 8") == true)
    }
}
