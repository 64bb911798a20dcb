import Foundation
import SampleData
import StreamRuntime
import Testing

@testable import Pipelines

/// Compares runs in other processes, over the marketplace's sample and over a file that cannot keep its
/// promise.
@Suite(.serialized) struct VerifyReplayTests {
    @Test func `the marketplace leaves the same bytes in every run, whatever its shape and kills`()
        throws
    {
        let place = try ReplayPlace(scale: 0.02)
        defer { place.remove() }
        var options = VerifyReplay.Options()
        options.runs = 3
        options.kills = 2
        options.seed = 7
        options.directory = place.directory
        options.program = ReplayPlace.program
        var comparison = VerifyReplay(path: place.file, options: options)
        let outcome = comparison.run()
        #expect(outcome.exitCode == 0, "\(outcome.text)")
        #expect(outcome.text.contains("equal: 3 runs"), "\(outcome.text)")
        #expect(outcome.text.contains(" 4 kills,"), "\(outcome.text)")
        #expect(outcome.text.contains("(features)"))
        #expect(ReplayFiles.names(place.directory) == ["data", "marketplace", "pipelines.yaml"])
    }

    @Test func `only the pipelines of the wanted topics are run`() throws {
        let place = try ReplayPlace(scale: 0.02)
        defer { place.remove() }
        var options = VerifyReplay.Options()
        options.runs = 2
        options.kills = 1
        options.topics = ["crm.batches"]
        options.directory = place.directory
        options.program = ReplayPlace.program
        var comparison = VerifyReplay(path: place.file, options: options)
        let outcome = comparison.run()
        #expect(outcome.exitCode == 0, "\(outcome.text)")
        #expect(outcome.text.contains("crm.batches") && !outcome.text.contains("fraud.alerts"))

        options.topics = ["crm.batch"]
        comparison = VerifyReplay(path: place.file, options: options)
        #expect(comparison.run().text.contains("no pipeline reads or writes a topic \"crm.batch\""))
    }

    @Test func `two topics that differ are told of by partition, offset and key`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        guard case .success(let plan) = PlanReader.read(path: place.file) else {
            Issue.record("the file is invalid")
            return
        }
        var found: [ScratchPlace] = []
        for (name, value) in [("one", "1"), ("two", "2")] {
            let scratch = ScratchPlace(directory: place.directory + "/" + name)
            let log = EmbeddedLog(root: scratch.topics)
            try log.createTopic("out", TopicSettings(partitions: 1))
            let writer = try log.writer("out")
            try writer.append(key: Array("a".utf8), value: Array("0".utf8), timestamp: 1)
            try writer.append(key: Array("b".utf8), value: Array(value.utf8), timestamp: 2)
            try writer.commit()
            writer.close()
            found.append(scratch)
        }
        let digests = try found.map { try OutputDigest.all(of: plan, in: $0) }
        #expect(digests[0] != digests[1])
        #expect(
            try FirstDifference.find(plan, found[0], found[1])
                == "topic out, partition 0, offset 1, key b: 1 at 2 and 2 at 2")
        #expect(try FirstDifference.find(plan, found[0], found[0]) == nil)
    }
}
