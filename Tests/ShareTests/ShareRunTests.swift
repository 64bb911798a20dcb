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

    private func plan(_ job: NumberJob) throws -> JobPlan {
        let file = try job.file(of: "one", every: "50ms")
        guard case .success(let plan) = PlanReader.read(path: file, only: []) else {
            throw JobFailure(.environment, "the file is invalid", at: file, remedy: "see it")
        }
        return plan
    }

    private func run(_ job: NumberJob) throws -> JobFailure? {
        try ShareRunner(plan: try plan(job), options: RunOptions(untilEnd: true, isQuiet: true)).run
        {
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

    @Test func `rows of a key meet in one share, wherever they came in`() throws {
        try withJob(shares: 3) { job, _ in
            var random = KillRandom(11)
            try job.produce(300, random: &random)
            let file = try job.file(of: "one", every: "50ms")
            let text = try String(contentsOfFile: file, encoding: .utf8).replacing(
                "  copy: {from: numbers, to: {topic: numbers.copy}}",
                with: """
                      sevens: {from: numbers, steps: [{filter: number % 7 = 0}]}
                      copy:
                        from: numbers
                        steps:
                          - join: {id: pairs, with: sevens, as: s, on: user, tables: {}, where: s.number < number, ttl: 30d}
                          - select: {user: user, number: number, seven: s.number}
                        to: {topic: numbers.copy}
                    """)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            guard case .success(let plan) = PlanReader.read(path: file, only: []) else {
                Issue.record("the file is invalid")
                return
            }
            let options = RunOptions(untilEnd: true, isQuiet: true)
            #expect(try ShareRunner(plan: plan, options: options).run { false } == nil)
            var expected: [String] = []
            for row in job.rows {
                for seven in job.rows
                where seven.number % 7 == 0 && seven.number < row.number && seven.user == row.user {
                    expected.append(
                        #"{"user":"\#(row.user)","number":\#(row.number),"seven":\#(seven.number)}"#
                    )
                }
            }
            #expect(!expected.isEmpty)
            #expect(try job.committed("copy").sorted() == expected.sorted())
        }
    }

    @Test func `a process tells the figures of its shares at one endpoint`() throws {
        try withJob(shares: 2) { job, _ in
            var random = KillRandom(7)
            try job.produce(200, random: &random)
            let file = try job.file(of: "one", every: "50ms")
            let text = try String(contentsOfFile: file, encoding: .utf8)
            try (text + "\non_demand: {twice: {request: {x: int64}, select: {y: x * 2}}}\n")
                .write(toFile: file, atomically: true, encoding: .utf8)
            guard case .success(let plan) = PlanReader.read(path: file, only: []) else {
                Issue.record("the file is invalid")
                return
            }
            let session = ShareSession(plan: plan, options: RunOptions(port: 0, isQuiet: true))
            let wanted = [
                "millrace_shares 2", "millrace_rows_in_total{share=\"0\",step=\"numbers\"}",
                "millrace_rows_in_total{share=\"1\",step=\"numbers\"}",
                "millrace_watermark_lag_seconds{share=\"1\"",
                "millrace_checkpoints_total{share=\"0\"}",
                "millrace_source_lag_records{share=\"0\",stream=\"numbers\"}",
                "millrace_source_lag_records{share=\"1\",stream=\"numbers\"}",
                "millrace_process_rejoins_total 0",
            ]
            let until = SystemClock().nanos + 20_000_000_000
            var missing = wanted
            #expect(
                try session.run {
                    // Shares that are being ended have no figures any more.
                    guard !missing.isEmpty else { return true }
                    let told = session.metrics
                    missing = wanted.filter { !told.contains($0) }
                    return missing.isEmpty || SystemClock().nanos > until
                } == nil)
            #expect(missing == [])
            #expect((session.servedPort ?? 0) > 0)
            // Its definitions are noted as those of any job.
            let noted = try String(
                contentsOfFile: plan.settings.stateDirectory + "/registry/definitions.jsonl",
                encoding: .utf8)
            #expect(noted.contains("\"twice\""))
        }
    }

    @Test func `a share that fails is started again, alone, and counted`() throws {
        try withJob(shares: 2) { job, broker in
            var random = KillRandom(7)
            try job.produce(200, random: &random)
            try broker.fail(.addPartitionsToTxn, with: .unknownServerError, times: 1)
            let plan = try plan(job)
            let figures = ShareFigures(clock: SystemClock())
            let runner = try ShareRunner(
                plan: plan, options: RunOptions(untilEnd: true, isQuiet: true), figures: figures)
            #expect(try runner.run { false } == nil)
            try job.verify("one failure")
            let told = figures.text.split(separator: "\n").filter {
                $0.hasPrefix("millrace_job_restarts_total{")
            }
            #expect(told.count == 1 && told[0].hasSuffix("} 1"), "\(told)")
        }
    }

    @Test func `what every restart would skip of a repartition topic is deleted, and no more`()
        throws
    {
        try withJob(shares: 2) { job, broker in
            var random = KillRandom(7)
            try job.produce(300, random: &random)
            #expect(try run(job) == nil)
            let plan = try plan(job)
            let topics = try ShareTopics(plan, at: job.connection)
            let admin = try KafkaAdmin(job.connection)
            let committed = try admin.committedOffsets(of: plan.group)
            #expect(plan.repartitions.count == 2)
            // Only what this process reads itself: others may be behind.
            try topics.forgetRead(by: [1])
            for repartition in plan.repartitions {
                #expect(try admin.extent(repartition.topic, partition: 0).oldest == 0)
                let read = committed.first {
                    $0.topic == repartition.topic && $0.partition == 1
                }
                let extent = try admin.extent(repartition.topic, partition: 1)
                #expect(extent.oldest > 0 && extent.oldest == read?.offset, "\(extent)")
            }
            try topics.forgetRead(by: [0, 1])
            for repartition in plan.repartitions {
                #expect(try admin.extent(repartition.topic, partition: 0).oldest > 0)
            }
            // The job goes on from behind it, and sources are left alone.
            #expect(try admin.extent("numbers.in", partition: 1).oldest == 0)
            try job.produce(100, random: &random)
            #expect(try run(job) == nil)
            try job.verify("after purging")
        }
    }

    @Test func `there is news when a topic has what no share has committed`() throws {
        try withJob(shares: 2) { job, broker in
            var random = KillRandom(7)
            let topics = try ShareTopics(try plan(job), at: job.connection)
            #expect(try !topics.hasNews())
            try job.produce(50, random: &random)
            #expect(try topics.hasNews())
            #expect(try run(job) == nil)
            #expect(try !topics.hasNews())
            try job.produce(1, random: &random)
            #expect(try topics.hasNews())
        }
    }

    @Test func `plan tells of partitions that shares do not divide, as the broker has them`() throws
    {
        try withJob(shares: 2) { job, broker in
            try broker.create("odd", partitions: 3)
            let path = job.directory + "/keyed.yaml"
            func problems(_ topic: String) throws -> (CommandOutput, JobFailure?) {
                let text = """
                    version: 1
                    job: {name: keyed, state: ./keyed, shares: 2}
                    connections: {c: {kafka: {bootstrap: "\(job.connection.bootstrap)"}}}
                    streams:
                      rows:
                        from: {topic: \(topic), key: user}
                        format: json
                        fields: {user: string, ts: timestamp}
                        time: {field: ts, out_of_orderness: 1s}
                        on_error: fail
                    pipelines:
                      counts:
                        from: rows
                        steps:
                          - aggregate: {id: counts, by: user, window: none, select: {n: count(*)}}
                        to: {topic: numbers.counts, key: user}
                    """
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                guard case .success(let plan) = PlanReader.read(path: path, only: []) else {
                    throw JobFailure(.environment, "invalid", at: path, remedy: "see it")
                }
                var told: JobFailure?
                do throws(JobFailure) {
                    let runner = try ShareRunner(
                        plan: plan, options: RunOptions(untilEnd: true, isQuiet: true))
                    told = try runner.run { false }
                } catch { told = error }
                return (PlanCommand.run(path: path, format: .text, environment: [:]), told)
            }
            let (odd, refused) = try problems("odd")
            #expect(odd.exitCode == 2)
            #expect(odd.text.contains("topic odd has 3 partitions, which 2 shares do not divide"))
            #expect(refused?.problem == "topic odd has 3 partitions, which 2 shares do not divide")
            let (even, fine) = try problems("numbers.in")
            #expect(even.exitCode == 0 && fine == nil)
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
