import Foundation
import StreamRuntime
import Testing

@testable import FeatureServe

/// A directory with a feature log of the shop's counters, taken away in the end.
final class VersionPlace {
    let root = NSTemporaryDirectory() + "millrace-versions-\(UUID().uuidString)"
    var log: EmbeddedLog { EmbeddedLog(root: root) }
    static let topic = "_features.user_counters"

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func sink() throws -> TopicSink {
        try log.ensureTopic(VersionPlace.topic, TopicSettings(partitions: 2))
        return TopicSink(
            try log.writer(VersionPlace.topic, syncing: false), encoder: FeatureVersionEncoder(),
            schema: FeatureVersionBatch.schema, key: [0])
    }

    /// Every version that can be read: its key and head, by partition.
    func versions() throws -> [(key: [UInt8], version: FeatureVersion, payload: [UInt8])] {
        var found: [(key: [UInt8], version: FeatureVersion, payload: [UInt8])] = []
        let source = try log.source(VersionPlace.topic, bounded: true)
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    let version = try #require(FeatureVersion(batch.values.bytes(row)))
                    found.append(
                        (
                            Array(batch.keys.bytes(row)), version,
                            Array(batch.values.bytes(row).dropFirst(version.payloadStart))
                        ))
                }
            }
        }
        return found
    }

    /// The versions as text, without the times they became readable.
    func lines() throws -> [String] {
        try versions().map { key, version, payload in
            "\(key) \(version.eventTime) \(version.flags.rawValue) \(version.origin) "
                + "\(version.offset) \(payload)"
        }
    }
}

@Suite struct VersionLogTests {
    private func sink(_ place: VersionPlace, _ store: OnlineStore, clock: Ticks) throws
        -> FeatureSink
    {
        FeatureSink(
            try FeatureWriter(
                store: store, view: "user_counters", schema: Shop.counterSchema,
                versions: try place.sink(), now: { clock.next() }))
    }

    /// A clock that goes on by one with every question.
    private final class Ticks {
        var now: Int64 = 1000
        func next() -> Int64 {
            now += 1
            return now
        }
    }

    @Test func `every version is logged, the older and the deleted ones too`() throws {
        let place = VersionPlace()
        let sink = try sink(place, try Shop.store(), clock: Ticks())
        try sink.recover(token: nil)
        try sink.write(
            Shop.batch([
                .init(user: 1, orders: 1, at: 50), .init(user: 1, orders: 2, at: 40),
                .init(user: 1, orders: nil, at: 60, change: .delete),
                .init(user: nil, orders: 9, at: 70),
            ]))
        #expect(try place.versions().isEmpty, "nothing is readable before its checkpoint")
        try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
        let versions = try place.versions().map(\.version)
        #expect(versions.map(\.eventTime) == [50, 40, 60])
        #expect(versions.map(\.visibleTime) == [1001, 1002, 1003])
        #expect(versions.map(\.offset) == [0, 1, 2])
        #expect(versions.map { $0.flags.contains(.deleted) } == [false, false, true])
        sink.close()
    }

    @Test func `a row behind the watermark of its partition is logged as late`() throws {
        let place = VersionPlace()
        let sink = try sink(place, try Shop.store(), clock: Ticks())
        try sink.recover(token: nil)
        let batch = Shop.batch([
            .init(user: 1, orders: 1, at: 50), .init(user: 1, orders: 2, at: 40),
        ])
        batch.order.watermarks.int64s[1] = 45
        try sink.write(batch)
        try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
        #expect(
            try place.versions().map { $0.version.flags.contains(.late) } == [false, true])
        sink.close()
    }

    @Test func `after a crash the log is that of an undisturbed run but for the times of reading`()
        throws
    {
        var rows: [Shop.CounterRow] = []
        for index: Int64 in 0..<200 {
            rows.append(.init(user: index * 7 % 13, orders: index, at: index * 31 % 101))
        }
        func write(_ range: Range<Int>, _ sink: FeatureSink, checkpointAt: Int?) throws {
            for index in range {
                if index == checkpointAt {
                    try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
                }
                try sink.write(Shop.batch([rows[index]]))
            }
        }
        let undisturbed = VersionPlace()
        let whole = try sink(undisturbed, try Shop.store(), clock: Ticks())
        try whole.recover(token: nil)
        try write(0..<200, whole, checkpointAt: nil)
        try whole.commit(checkpoint: 1, token: try whole.prepare(checkpoint: 1))
        whole.close()
        let expected = try undisturbed.lines()
        for crash in stride(from: 140, through: 200, by: 20) {
            let place = VersionPlace()
            let store = try Shop.store()
            let clock = Ticks()
            let first = try sink(place, store, clock: clock)
            try first.recover(token: nil)
            try write(0..<100, first, checkpointAt: nil)
            let token = try first.prepare(checkpoint: 1)
            try first.commit(checkpoint: 1, token: token)
            try write(100..<crash, first, checkpointAt: nil)
            let crashedAt = clock.now
            first.close()
            let second = try sink(place, store, clock: clock)
            try second.recover(token: token)
            try write(100..<200, second, checkpointAt: nil)
            try second.commit(checkpoint: 2, token: try second.prepare(checkpoint: 2))
            second.close()
            #expect(try place.lines() == expected, "crash at \(crash)")
            // What the store still held keeps the time at which it was first readable.
            let kept = try place.versions().filter { $0.version.visibleTime <= crashedAt }.count
            #expect(kept > 100, "crash at \(crash)")
        }
    }

    @Test func `versions that clients write are logged apart, and readable with the next commit`()
        throws
    {
        let place = VersionPlace()
        let store = try Shop.store()
        let root = place.root
        store.pushedVersions = PushedVersions { view throws(JobFailure) in
            guard view == "user_counters" else { return nil }
            let log = EmbeddedLog(root: root)
            try log.ensureTopic(VersionPlace.topic, TopicSettings(partitions: 2))
            return TopicSink(
                try log.writer(VersionPlace.topic, syncing: false),
                encoder: FeatureVersionEncoder(), schema: FeatureVersionBatch.schema, key: [0])
        }
        let writer = try FeatureWriter(
            store: store, view: "user_counters", schema: Shop.counterSchema, now: { 77 })
        _ = try writer.write(Shop.batch([.init(user: 1, orders: 1, at: 50)]))
        #expect(try place.versions().isEmpty)
        try store.pushedVersions?.commit()
        _ = try writer.write(Shop.batch([.init(user: 1, orders: 2, at: 40)]))
        // A row of a checkpoint is its sink's to log.
        _ = try writer.write(Shop.batch([.init(user: 1, orders: 3, at: 60)]), epoch: 1)
        try store.pushedVersions?.close()
        let versions = try place.versions().map(\.version)
        #expect(versions.map(\.eventTime) == [50, 40])
        #expect(versions.map(\.visibleTime) == [77, 77])
    }
}
