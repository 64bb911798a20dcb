import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors

@Suite struct ShareWatchTests {
    /// An assignment of `partitions` of `topic`, as clients write it.
    private func assignment(_ topic: String, _ partitions: [Int32]) -> [UInt8] {
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.bigEndian) { Array($0) }
        }
        return bytes(Int16(1)) + bytes(Int32(1)) + bytes(Int16(topic.utf8.count))
            + Array(topic.utf8) + bytes(Int32(partitions.count)) + partitions.flatMap { bytes($0) }
            + bytes(Int32(-1))
    }

    @Test func `an assignment is read, and bytes that are none are not`() {
        let whole = assignment("shares", [3, 1])
        for count in 0...whole.count {
            let found = Array(whole[..<count]).withUnsafeBytes {
                KafkaShareWatch.partitions(of: "shares", in: $0)
            }
            #expect(found.isSubset(of: [1, 3]))
            if count == whole.count { #expect(found == [1, 3]) }
        }
        let other = whole.withUnsafeBytes { KafkaShareWatch.partitions(of: "other", in: $0) }
        #expect(other == [])
    }

    @Test func `a share that nobody owns gets an owner by a visit, and the others stay`() throws {
        let directory = NSTemporaryDirectory() + "millrace-watch-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let broker = try TestBroker(directory: directory)
        defer { broker.stop() }
        try broker.create("shares", partitions: 4)
        try broker.create("in", partitions: 1)
        let connection = KafkaConnection(
            bootstrap: broker.bootstrap,
            properties: ["heartbeat.interval.ms": "50", "session.timeout.ms": "5000"])
        let watch = try KafkaShareWatch(connection, group: "g", topic: "shares")
        #expect(try watch.owned() == nil, "no group")
        let member = try KafkaShareGroup(connection, group: "g", topic: "shares", instance: "one")
        try member.join()
        var owned = Set<Int32>()
        func take(until isDone: () throws -> Bool) throws {
            for _ in 0..<1000 where try !isDone() {
                for event in try member.poll(millis: 10) {
                    switch event {
                    case .assigned(let shares):
                        owned.formUnion(shares)
                        try member.accept(shares)
                    case .revoked(let shares), .lost(let shares):
                        owned.subtract(shares)
                        try member.release(shares)
                    }
                }
            }
        }
        try take { try owned.count == 4 && watch.owned()?.count == 4 }
        let before = try #require(try broker.group("g"))
        try broker.forgeShare(of: 0, in: "g", bytes: assignment("shares", [2, 3]))
        #expect(try watch.owned() == [2, 3])
        let visit = Thread { try? watch.visit(by: "in", millis: 5000) }
        visit.start()
        try take { visit.isFinished }
        try take { try watch.owned()?.count == 4 }
        #expect(owned == [0, 1, 2, 3])
        #expect(try broker.group("g")?.members == 1, "the visitor has left")
        #expect(try broker.group("g")!.generation > before.generation)
        member.leave()
    }
}
