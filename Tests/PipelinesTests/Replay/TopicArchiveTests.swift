import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Archives a topic whose retention takes its records away, and replays from the archive.
@Suite struct TopicArchiveTests {
    private func replay(
        _ place: ReplayPlace, _ name: String, archive: String? = nil
    ) throws -> ReplayLedger? {
        var options = ReplayCommand.Options()
        options.isQuiet = true
        options.name = name
        options.archive = archive
        let plan = try ReplaySession.plan(place.file, only: [])
        return try ReplayCommand(path: place.file, options: options).replay(plan) { false }
    }

    private func archive(_ place: ReplayPlace, _ target: String) -> ArchiveCommand {
        ArchiveCommand(path: place.file, topic: "orders", connection: nil, target: target)
    }

    @Test func `a replay reads the archive first and the topic from its end on`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        let kept = place.directory + "/kept"
        // The same orders in a topic that keeps everything.
        let whole = try ReplayPlace(scale: nil)
        defer { whole.remove() }
        try place.log.createTopic(
            "orders", TopicSettings(partitions: 3, segmentBytes: 1000, retentionBytes: 4000))
        for (count, first) in [(150, 0), (150, 150), (200, 300)] {
            try place.append(count, from: first)
            try whole.append(count, from: first)
            if first < 300 {
                let parts = try archive(place, kept).copy()
                #expect(parts.reduce(0) { $0 + $1.records } == Int64(count))
            }
        }
        #expect(try place.log.extents("orders").contains { $0.oldest > 0 })
        #expect(try archive(place, kept).copy().allSatisfy { $0.gaps.isEmpty })
        #expect(try archive(place, kept).copy().allSatisfy { $0.records == 0 })
        try place.append(50, from: 500)
        try whole.append(50, from: 500)

        let ledger = try #require(try replay(place, "archived", archive: kept))
        let expected = try #require(try replay(whole, "whole"))
        #expect(ledger.complete)
        #expect(ledger.outputs == expected.outputs)
        #expect(ledger.partitions.map(\.records) == expected.partitions.map(\.records))
        let seams = try EmbeddedLog(root: kept).extents("orders").map { Optional($0.end) }
        #expect(ledger.partitions.map(\.archived) == seams)
        #expect(ledger.text.contains("archive: orders/0 up to offset"))

        let without = try #require(try replay(place, "without"))
        #expect(without.outputs != expected.outputs)
    }

    @Test func `what cannot be archived is refused`() throws {
        let place = try ReplayPlace(scale: nil)
        defer { place.remove() }
        try place.append(20, from: 0)
        #expect(archive(place, place.directory + "/topics").run().text.contains("the topic itself"))
        let other = ArchiveCommand(
            path: place.file, topic: "order", connection: nil, target: place.directory + "/a")
        #expect(other.run().text.contains("there is no topic order"))
        let elsewhere = ArchiveCommand(
            path: place.file, topic: "orders", connection: "kafka", target: place.directory + "/a")
        #expect(elsewhere.run().text.contains("there is no connection \"kafka\""))
        _ = try archive(place, place.directory + "/a").copy()
        try place.log.deleteTopic("orders")
        try place.append(5, from: 0)
        #expect(
            archive(place, place.directory + "/a").run().text
                .contains("it is not the topic that was archived"))
    }
}
