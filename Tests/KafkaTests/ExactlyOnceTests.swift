import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors
@testable import Pipelines

/// A job from topic to topic: a copy of every row, and a running count of each user's.
final class CopyJob {
    private let cluster: Cluster
    private let rows: Int
    private let users = 7
    let file: String

    /// A job with `rows` records put in; `store`, `kafka` and `properties` are put into its file.
    init(
        _ cluster: Cluster, rows: Int, every: String = "30ms", store: String = "",
        idle: String = "", kafka: String = "", properties: String = "", features: String = ""
    ) throws {
        self.cluster = cluster
        self.rows = rows
        file = cluster.directory + "/pipelines.yaml"
        let text = """
            version: 1
            job: {name: copy, state: ./state, checkpoints: {every: \(every)\(store)}}
            connections:
              broker: {kafka: {bootstrap: "\(cluster.broker.bootstrap)", properties: \
            {reconnect.backoff.ms: "10", reconnect.backoff.max.ms: "50"\(properties)}\(kafka)}}
            streams:
              events:
                from: {topic: in, connection: broker}
                format: json
                fields: {id: int64, user: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 1s\(idle)}
                on_error: {dead_letter: rejected}
            pipelines:
              all: {from: events, steps: [{select: {id: id}}], to: {topic: all}}
              counts:
                from: events
                steps:
                  - aggregate: {id: counts, by: user, window: none, select: {n: count(*)}}
                to: {topic: counts, key: user}
            \(features)

            """
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try cluster.create("in", partitions: 3)
        for topic in ["all", "counts", "rejected"] { try cluster.create(topic, partitions: 2) }
        try cluster.produce(
            "in",
            (0..<rows).map { id in
                Seen(
                    partition: Int32(id % 3),
                    value: id % 100 == 99
                        ? "broken \(id)"
                        : #"{"id":\#(id),"user":\#(id % users),"ts":\#(1_700_000_000_000 + id)}"#)
            })
    }

    /// Runs in this process until the input ends, again after each failure that allows it.
    func run(batchRows: Int = 64, attempts: Int = 20) throws -> [JobFailure] {
        var failures: [JobFailure] = []
        while true {
            let runner = JobRunner(
                plan: try plan,
                options: RunOptions(
                    untilEnd: true, workers: 1, batchRows: batchRows, serves: false, isQuiet: true,
                    restart: .never))
            let failed: JobFailure
            do throws(JobFailure) {
                let summary = try runner.run { false }
                guard case .failed(let failure) = summary.outcome else { return failures }
                failed = failure
            } catch {
                failed = error
            }
            failures.append(failed)
            guard failed.recovery != .stopAndAsk, failures.count < attempts else { throw failed }
        }
    }

    var plan: JobPlan {
        get throws {
            guard case .success(let plan) = PlanReader.read(path: file, only: []) else {
                throw JobFailure(.environment, "the file is invalid", at: file, remedy: "see it")
            }
            return plan
        }
    }

    /// Recomputes everything from the input and compares it with what committed readers see.
    func verify(_ location: SourceLocation = #_sourceLocation) throws {
        let ids = try cluster.committed("all").compactMap(\.value).sorted()
        let good = (0..<rows).filter { $0 % 100 != 99 }
        #expect(ids == good.map { #"{"id":\#($0)}"# }.sorted(), sourceLocation: location)
        var counts: [Int: Int] = [:]
        for id in good { counts[id % users, default: 0] += 1 }
        var seen: [String: [String]] = [:]
        for record in try cluster.committed("counts") {
            seen[record.key ?? "", default: []].append(record.value ?? "")
        }
        let expected = Dictionary(
            uniqueKeysWithValues: counts.map { user, count in
                ("\(user)", (1...count).map { #"{"user":\#(user),"n":\#($0)}"# })
            })
        #expect(seen == expected, sourceLocation: location)
        #expect(
            try cluster.committed("rejected").count == rows - good.count, sourceLocation: location)
    }
}

@Suite(.serialized) struct ExactlyOnceTests {
    @Test func `every row comes out once, in order, with its offsets committed`() throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 3000)
        #expect(try job.run() == [])
        try job.verify()
        let offsets = try cluster.offsets("millrace.copy", "in", partitions: 3)
        for (partition, text) in offsets.enumerated() {
            #expect(text.hasPrefix("in/\(partition) 1000 checkpoint="))
        }
        // A second run finds nothing to do and changes nothing.
        #expect(try job.run() == [])
        try job.verify()
    }

    /// The requests that a job from topic to topic makes.
    static let requests: [API] = [
        .produce, .fetch, .initProducerId, .addPartitionsToTxn, .addOffsetsToTxn,
        .txnOffsetCommit, .endTxn, .findCoordinator, .metadata, .listOffsets, .offsetFetch,
    ]

    /// Plans one kind of fault at a request, twice.
    private func plan(_ fault: String, at request: API, of cluster: Cluster) throws {
        switch fault {
        // Metadata answers have an error for each topic, none for all.
        case "error" where request == .metadata:
            try cluster.broker.dropBefore(request)
        case "error":
            try cluster.broker.fail(request, with: .notCoordinator)
            try cluster.broker.fail(request, with: .unknownServerError)
        case "before": try cluster.broker.dropBefore(request, times: 2)
        case "after": try cluster.broker.dropAfter(request, times: 2)
        default: try cluster.broker.delay(request, millis: 30, times: 2)
        }
    }

    @Test(arguments: ["error", "before", "after", "delay"])
    func `faults at every request of one run lose and double nothing`(fault: String) throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 1500)
        for request in ExactlyOnceTests.requests {
            try plan(fault, at: request, of: cluster)
        }
        _ = try job.run()
        try job.verify()
    }

    @Test(
        arguments: [API.addPartitionsToTxn, .addOffsetsToTxn, .txnOffsetCommit, .endTxn],
        ["error", "after"])
    func `a fault at one step of a transaction loses and doubles nothing`(
        request: API, fault: String
    ) throws {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 300)
        try plan(fault, at: request, of: cluster)
        _ = try job.run()
        try job.verify()
    }

    @Test func `a broker that is killed in the middle of everything loses and doubles nothing`()
        throws
    {
        let cluster = try Cluster()
        let job = try CopyJob(cluster, rows: 20_000)
        let runs = Thread { [cluster] in
            for _ in 0..<3 {
                usleep(150_000)
                try? cluster.restart()
            }
        }
        runs.start()
        _ = try job.run()
        while !runs.isFinished { usleep(1000) }
        try job.verify()
    }
}
