import Foundation
import Glibc
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors

/// Processes of one job on machines of their own, which share nothing but the store of checkpoints.
@Suite(.serialized) struct ShareStoreTests {
    @Test func `shares go on from the store on a machine that never ran them`() throws {
        let directory = NSTemporaryDirectory() + "millrace-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let broker = try TestBroker(directory: directory + "/broker")
        defer { broker.stop() }
        let seed: UInt64 = 20_261_121
        var random = KillRandom(seed)
        let job = try NumberJob(
            "store", on: KafkaConnection(bootstrap: broker.bootstrap), directory: directory,
            shares: 2)
        let processes = try ["a", "b"].map {
            try ShareProcess($0, file: try job.file(of: $0, every: "200ms", store: "./shared"))
        }
        try job.produce(300, random: &random)
        for process in processes {
            _ = poll(nil, 0, 1500)
            process.kill()
            // The disk goes with the machine; its successor has the same name.
            try? FileManager.default.removeItem(
                atPath: directory + "/state-\(process.instance)")
            try job.produce(200, random: &random)
            try process.start()
        }
        try job.close()
        let wanted = job.expectedSizes
        let until = SystemClock().nanos + 60_000_000_000
        while SystemClock().nanos < until {
            let found = try job.sizes()
            if found.copy >= wanted.copy, found.counts >= wanted.counts { break }
            _ = poll(nil, 0, 100)
        }
        for process in processes { process.terminate() }
        for process in processes {
            #expect(process.wait(millis: 20_000) == 0, "\(process.told.suffix(2000))")
        }
        try job.verify("seed \(seed), \(processes.map { $0.told.suffix(1500) })")
        let kept = FileManager.default.enumerator(atPath: directory + "/shared/store")
        let names = (kept?.allObjects as? [String] ?? []).sorted()
        for share in ["0", "1"] {
            #expect(names.contains { $0.hasPrefix("\(share)/checkpoints/") }, "\(names.prefix(20))")
        }
    }
}
