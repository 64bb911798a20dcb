import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors
@testable import Pipelines

/// A job in shares in this process, to the end of its input.
@Suite(.serialized) struct ShareRunTests {
    private func withJob(
        shares: Int, _ body: (NumberJob, TestBroker) throws -> Void
    ) throws {
        let directory = NSTemporaryDirectory() + "millrace-shares-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let broker = try TestBroker(directory: directory + "/broker")
        defer { broker.stop() }
        let job = try NumberJob(
            "numbers", on: KafkaConnection(bootstrap: broker.bootstrap), directory: directory,
            shares: shares)
        try body(job, broker)
    }

    private func run(_ job: NumberJob) throws -> JobFailure? {
        let file = try job.file(of: "one", every: "50ms")
        guard case .success(let plan) = PlanReader.read(path: file, only: []) else {
            throw JobFailure(.environment, "the file is invalid", at: file, remedy: "see it")
        }
        return try ShareRunner(plan: plan, options: RunOptions(untilEnd: true, isQuiet: true)).run {
            false
        }
    }

    @Test(arguments: [1, 2, 4])
    func `one process runs all shares and gives what the input says`(shares: Int) throws {
        try withJob(shares: shares) { job, _ in
            var random = KillRandom(7)
            try job.produce(400, random: &random)
            #expect(try run(job) == nil)
            try job.verify("\(shares) shares")
            // What comes later is added, and what is there is not done again.
            try job.produce(100, random: &random)
            #expect(try run(job) == nil)
            try job.verify("\(shares) shares, again")
        }
    }

    @Test func `a repartition topic that is gone stops the job with a message`() throws {
        try withJob(shares: 2) { job, _ in
            var random = KillRandom(7)
            try job.produce(100, random: &random)
            #expect(try run(job) == nil)
            try job.delete("millrace.numbers.counts.repartition")
            let found = try run(job)
            #expect(
                found?.problem == "the job's topic millrace.numbers.counts.repartition is gone")
        }
    }

    @Test func `the number of shares is fixed for the life of the job`() throws {
        try withJob(shares: 2) { job, _ in
            let first = try run(job)
            #expect(first == nil)
            job.shares = 4
            var refused: JobFailure?
            do { _ = try run(job) } catch { refused = error as? JobFailure }
            #expect(
                refused?.problem
                    == "topic millrace.numbers.shares has 2 partitions, and the job has 4 shares")
        }
    }
}
