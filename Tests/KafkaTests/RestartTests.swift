import FeatureServe
import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors
@testable import Pipelines

/// Failures that a job survives in its process.
@Suite(.serialized) struct RestartTests {
    /// Waits that a test can wait for.
    private static let soon = RestartPolicy.Settings(
        attempts: 20, withinNanos: 60_000_000_000, firstNanos: 1_000_000, longestNanos: 20_000_000)

    private func runner(
        _ job: CopyJob, untilEnd: Bool = true, restart: RestartPolicy.Settings? = RestartTests.soon
    ) throws -> JobRunner {
        JobRunner(
            plan: try job.plan,
            options: RunOptions(
                untilEnd: untilEnd, workers: 1, batchRows: 64, serves: false, isQuiet: true,
                restart: restart))
    }

    @Test func `an aborted transaction is gone over again in the process, and counted`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 1500)
        for _ in 0..<3 { try cluster.broker.fail(.addPartitionsToTxn, with: .unknownServerError) }
        let runner = try runner(job)
        let summary = try runner.run { false }
        #expect(summary.outcome == .finished)
        try job.verify()
        #expect(runner.restarts.count > 0)
        #expect(runner.restarts.lastReason != nil)
        #expect(
            runner.metrics.contains("millrace_job_restarts_total \(runner.restarts.count)\n"))
    }

    @Test func `features are served again from the same port, as the input says`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(
            cluster, rows: 1500,
            features: """
                entities: {user: {keys: {user: int64}}}
                feature_views: {counts: {entity: user, from: counts, features: [n]}}
                """)
        try cluster.broker.fail(.addPartitionsToTxn, with: .unknownServerError, times: 2)
        let plan = try job.plan
        do {
            let runner = JobRunner(
                plan: plan,
                options: RunOptions(
                    untilEnd: true, workers: 1, batchRows: 64, port: 0, isQuiet: true,
                    restart: RestartTests.soon))
            var ports: Set<Int> = []
            let summary = try runner.run {
                if let port = runner.servedPort { ports.insert(port) }
                return false
            }
            #expect(summary.outcome == .finished)
            #expect(runner.restarts.count > 0)
            #expect(ports.count == 1)
            runner.stopServing()
        }
        try job.verify()
        let store = try OnlineStores.open(plan, budget: 16 << 20)
        let lines = try store.dump()
        #expect(lines.count == 7)
    }

    @Test func `brokers that are gone for too long cost a restart, not the job`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 20_000, kafka: ", outage_limit: 100ms")
        let plan = try job.plan
        #expect(plan.connections[0].outageLimit == .milliseconds(100))
        let runner = try runner(job)
        var isBroken = false
        let summary = try runner.run {
            // Asked while the job runs: a moment at which it is under way.
            if !isBroken {
                isBroken = true
                cluster.restart(afterMillis: 2500)
            }
            return false
        }
        #expect(summary.outcome == .finished)
        #expect(runner.restarts.count > 0)
        try job.verify()
    }

    @Test func `what fails too often is given up, and what is final at once`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 300)
        try cluster.broker.fail(.addPartitionsToTxn, with: .unknownServerError, times: 1000)
        var settings = RestartTests.soon
        settings.attempts = 3
        let often = try runner(job, restart: settings)
        guard case .failed(let failure) = try often.run(isStopping: { false }).outcome else {
            Issue.record("a job that cannot write has finished")
            return
        }
        #expect(failure.recovery == .restart)
        #expect(often.restarts.count == 3)

        try cluster.broker.clearFaults()
        try cluster.broker.delete("counts")
        let gone = try runner(job)
        #expect(throws: JobFailure.self) { _ = try gone.run { false } }
        #expect(gone.restarts.count == 0)
    }

    @Test func `a stop is heard while a restart is waited for`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 300)
        try cluster.broker.fail(.addPartitionsToTxn, with: .unknownServerError, times: 1000)
        var settings = RestartTests.soon
        settings.firstNanos = 3_600_000_000_000
        settings.longestNanos = 3_600_000_000_000
        let runner = try runner(job, restart: settings)
        #expect(try runner.run { runner.restarts.count > 0 }.outcome == .stopped)
        try cluster.broker.clearFaults()
        #expect(try job.run() == [])
        try job.verify()
    }

    @Test func `a topic that gets partitions is gone on with at a checkpoint, all of it read`()
        throws
    {
        let cluster = try Cluster()
        let job = try CopyJob(
            cluster, rows: 300, idle: ", idle: 100ms",
            properties: #", topic.metadata.refresh.interval.ms: "20""#)
        let runner = try runner(job, untilEnd: false)
        var hasGrown = false
        let until = SystemClock().nanos + 20_000_000_000
        let summary = try runner.run {
            guard SystemClock().nanos < until else { return true }
            let seen = (try? cluster.committed("all").count) ?? 0
            if seen == 297, !hasGrown {
                hasGrown = true
                try? cluster.grow("in", to: 5)
                try? cluster.produce(
                    "in",
                    (0..<10).map {
                        Seen(
                            partition: Int32(3 + $0 % 2),
                            value: #"{"id":\#(1000 + $0),"user":1,"ts":\#(1_700_000_000_000 + $0)}"#
                        )
                    })
            }
            return seen == 307
        }
        #expect(summary.outcome == .stopped)
        #expect(try cluster.committed("all").count == 307)
        #expect(runner.restarts.count == 1)
        #expect(
            runner.restarts.lastReason == "topic in has grown from 3 to 5 partitions")
        let offsets = try cluster.offsets("millrace.copy", "in", partitions: 5)
        #expect(offsets[3].hasPrefix("in/3 5 ") && offsets[4].hasPrefix("in/4 5 "), "\(offsets)")
    }

    @Test func `two instances that begin at once agree on what was committed`() throws {
        let cluster = try Cluster()
        try cluster.create("in")
        try cluster.create("out")
        func domain() throws -> KafkaTransactionDomain {
            try KafkaTransactionDomain(
                cluster.connection,
                KafkaTransactionDomain.Settings(
                    name: "millrace.job",
                    group: KafkaGroup(name: "millrace.job", topics: ["in": "in"], marker: "out"),
                    checkpointMillis: 1000))
        }
        let slow = try domain()
        #expect(try slow.lastCommitted() == nil)
        // Another begins, and commits before the first one has looked at the store.
        let quick = try domain()
        #expect(try quick.lastCommitted() == nil)
        quick.resume(after: 0)
        for number in 1...2 as ClosedRange<Int64> {
            try quick.commit(checkpoint: number, manifest: "\(number)-q", positions: [:])
        }
        let last = CommittedCheckpoint(checkpoint: 2, manifest: "2-q")
        #expect(try slow.lastCommittedAgain() == last)
        slow.resume(after: 2)
        let told = failure { try slow.commit(checkpoint: 3, manifest: "3-s", positions: [:]) }
        #expect(told?.problem.hasPrefix("another process runs this job") == true)
        try quick.commit(checkpoint: 3, manifest: "3-q", positions: [:])
        #expect(
            try domain().lastCommitted() == CommittedCheckpoint(checkpoint: 3, manifest: "3-q"))
    }
}
