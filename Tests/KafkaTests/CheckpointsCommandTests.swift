import Foundation
import HTTP
import StreamRuntime
import TestBroker
import TestHTTP
import Testing

@testable import Connectors
@testable import Pipelines

/// What `millrace checkpoints accept` and `forget` change at the broker.
@Suite(.serialized) struct CheckpointsCommandTests {
    /// Deletes the job's group: as retention of its offsets would.
    private func expire(_ cluster: Cluster) throws {
        try KafkaGroupRecord(
            cluster.connection, KafkaGroup(name: "millrace.copy", topics: [:])
        ).forget()
    }

    private func newest(_ job: CopyJob) throws -> Int64 {
        try #require(try FoundCheckpoints(try job.plan).listings().first?.checkpoint)
    }

    @discardableResult
    private func check(store: String, _ cluster: Cluster) throws -> CopyJob {
        let job = try CopyJob(
            cluster, rows: 300, store: store)
        #expect(try job.run() == [])
        let last = try newest(job)
        try expire(cluster)
        let lost = try #require(failure { _ = try job.run() })
        #expect(lost.problem.hasPrefix("Kafka no longer knows which checkpoint"))
        #expect(lost.remedy.contains("checkpoints accept"))

        let wrong = CheckpointsCommand.accept(path: job.file, checkpoint: last + 100)
        #expect(wrong.exitCode == 1 && wrong.text.hasPrefix("error: "), "\(wrong.text)")
        let accepted = CheckpointsCommand.accept(path: job.file, checkpoint: last)
        #expect(accepted.text == "the next run goes on from checkpoint \(last)\n")
        #expect(accepted.exitCode == 0)
        #expect(try job.run() == [])
        try job.verify()

        let early = CheckpointsCommand.forget(path: job.file)
        #expect(early.exitCode == 1)
        #expect(early.text.contains("there are still checkpoints of the job"))
        return job
    }

    @Test func `a checkpoint is accepted, and the job goes on without a row twice`() throws {
        try check(store: "", try Cluster())
    }

    @Test func `so it is with a store in a directory, on a machine without state`() throws {
        let cluster = try Cluster()
        let job = try check(store: ", store: ./store", cluster)
        try FileManager.default.removeItem(atPath: cluster.directory + "/state")
        let last = try newest(job)
        try expire(cluster)
        let accepted = CheckpointsCommand.accept(path: job.file, checkpoint: last)
        #expect(accepted.exitCode == 0, "\(accepted.text)")
        #expect(try job.run() == [])
        try job.verify()
    }

    @Test(.enabled(if: MotoServer.python != nil, "\(MotoServer.comment)"))
    func `so it is with a store in a bucket`() throws {
        let server = try #require(MotoServer.shared)
        let bucket = "accept-\(UUID().uuidString.prefix(8).lowercased())"
        _ = try HTTPClient().send(HTTPRequest(.put, "\(server.url)/\(bucket)", body: .bytes([])))
        setenv("MILLRACE_TEST_KEY", "AKID", 1)
        setenv("MILLRACE_TEST_SECRET", "secret", 1)
        try check(
            store: ", store: {s3: s3://\(bucket)/jobs, endpoint: \"\(server.url)\", "
                + "access_key: \"${MILLRACE_TEST_KEY}\", secret_key: \"${MILLRACE_TEST_SECRET}\"}",
            try Cluster())
    }

    @Test func `what is forgotten with its state and outputs starts afresh`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 300)
        #expect(try job.run() == [])
        try FileManager.default.removeItem(atPath: cluster.directory + "/state")
        for topic in ["all", "counts", "rejected"] {
            try cluster.broker.delete(topic)
            try cluster.create(topic, partitions: 2)
        }
        let gone = try #require(failure { _ = try job.run() })
        #expect(gone.remedy.contains("checkpoints forget"))
        let forgotten = CheckpointsCommand.forget(path: job.file)
        #expect(forgotten.text == "the next run starts afresh\n")
        #expect(try job.run() == [])
        try job.verify()
    }
}
