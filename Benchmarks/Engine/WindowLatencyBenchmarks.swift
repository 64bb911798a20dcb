import Glibc
import Pipelines
import StreamRuntime
import Synchronization

/// The time from the event that completes a window to the window's rows at the sink, at a steady share of what
/// the job can take, with a checkpoint every second.
///
/// The event times are the times of appending, so a window is complete with the first event behind its end, and
/// the lag of its rows is the time since then. One thread appends to an embedded topic, one worker runs the job.
enum WindowLatencyBenchmarks {
    static var all: [Benchmark] {
        cases.map { one in Benchmark(name: one.name) { try run(one) } }
    }

    private struct Case {
        let name: String
        let title: String
        let steps: String
    }

    private static let cases = [
        Case(
            name: "latency-q5",
            title: "bids of each auction, hopping 10 s / 2 s (q5's windows)",
            steps: """
                      - aggregate:
                          id: hot
                          by: auction
                          window: {hop: 10s, every: 2s}
                          select: {bids: count(*)}
                          late: {allow: 0s, then: drop}
                """),
        Case(
            name: "latency-q7",
            title: "highest bid, tumbling 10 s (q7's windows)",
            steps: """
                      - aggregate:
                          id: highest
                          by: []
                          window: {tumble: 10s}
                          select: {price: max(price)}
                          late: {allow: 0s, then: drop}
                """),
    ]

    private static let share = 0.7

    private final class Line: Sendable {
        let isStopping = Atomic<Bool>(false)
        let failure = Mutex<String?>(nil)
        let report = Mutex<BenchmarkRun.Report?>(nil)
    }

    private static func run(_ one: Case) throws {
        let root = try KafkaBenchmarks.place()
        let directory = "\(root)/\(one.name)-\(getpid())"
        _ = system("rm -rf '\(directory)'")
        mkdir(directory, 0o755)
        defer { _ = system("rm -rf '\(directory)'") }
        let log = EmbeddedLog(root: directory + "/topics")
        try log.createTopic("full", TopicSettings(partitions: 1))
        try log.createTopic("paced", TopicSettings(partitions: 1))
        // What it can take: as fast as it goes over 10 M rows, of 40 s of event time.
        let writer = try log.writer("full", syncing: false)
        var bids = Bids()
        for row in 0..<10_000_000 {
            try bids.append(row, at: 1_700_000_000_000_000 + Int64(row) * 4, to: writer)
        }
        try writer.commit()
        writer.close()
        let full = try BenchmarkRun.run(
            path: try write(one, topic: "full", in: directory), workers: 1)
        let saturation = Double(full.rows) / full.seconds
        let paced = try pace(
            rate: saturation * share, seconds: 30, log: log,
            path: try write(one, topic: "paced", in: directory))
        guard let lag = paced.lag, lag.count > 0 else { throw BenchmarkProblem("no row came out") }
        func at(_ share: Double) -> String { "\(Double(lag.quantile(share)!) / 1000)" }
        print(
            "\(one.title): \(Int(saturation / 1000)) K rows/s as fast as it goes; at \(Int(share * 100)) % of that "
                + "\(paced.rows) rows in, \(lag.count) rows out, \(paced.checkpoints) checkpoints, longest pause \(KafkaBenchmarks.hundredths(paced.longestPauseMillis)) ms: window end to sink "
                + "p50 \(at(0.5)), p99 \(at(0.99)), p99.9 \(at(0.999)), p99.99 \(at(0.9999)) ms; "
                + "target p99.99 <= 20 ms")
    }

    /// Appends at a steady rate while the job runs; ends the job when all is read.
    private static func pace(
        rate: Double, seconds: Int, log: EmbeddedLog, path: String
    ) throws -> BenchmarkRun.Report {
        let line = Line()
        let job = try BenchmarkThread {
            do throws(JobFailure) {
                let report = try BenchmarkRun.run(
                    path: path, workers: 1,
                    isStopping: { line.isStopping.load(ordering: .acquiring) })
                line.report.withLock { $0 = report }
            } catch {
                line.failure.withLock { $0 = "\(error)" }
            }
        }
        let writer = try log.writer("paced", syncing: false)
        let clock = SystemClock()
        let began = clock.nanos
        var bids = Bids()
        var sent = 0
        var now = began
        while now - began < Int64(seconds) * 1_000_000_000, line.failure.withLock({ $0 == nil }) {
            // What this thread has fallen behind it makes up for within a few rounds: readers wait for a commit.
            let due = min(Int(Double(now - began) / 1e9 * rate), sent + Int(rate / 200))
            let micros = clock.nowMicros
            while sent < due {
                try bids.append(sent, at: micros, to: writer)
                sent += 1
            }
            try writer.commit()
            usleep(300)
            now = clock.nanos
        }
        let wanted = Int(rate * Double(seconds))
        if sent < wanted * 99 / 100 {
            print("the producer came to \(sent * 100 / wanted) % of its rate")
        }
        line.isStopping.store(true, ordering: .releasing)
        job.join()
        writer.close()
        if let failure = line.failure.withLock({ $0 }) { throw BenchmarkProblem(failure) }
        guard let report = line.report.withLock({ $0 }) else {
            throw BenchmarkProblem("the job told nothing")
        }
        return report
    }

    /// Bids as JSON lines, made by writing digits over those of the bid before.
    ///
    /// - Shape: one of 9,000 auctions, half of the bids on one in a hundred.
    private struct Bids {
        private var bytes = Array(#"{"auction":1000,"price":10000,"ts":1700000000000000}"#.utf8)

        mutating func append(_ row: Int, at micros: Int64, to writer: TopicWriter) throws {
            let mixed = UInt64(row) &* 0x9E37_79B9_7F4A_7C15
            let auction = mixed >> 63 == 0 ? (mixed >> 40) % 90 * 100 : (mixed >> 40) % 9000
            put(1000 + auction, digits: 4, at: 11)
            put(10_000 + (mixed >> 20) % 90_000, digits: 5, at: 24)
            put(UInt64(micros), digits: 16, at: 35)
            try bytes.withUnsafeBufferPointer {
                try writer.append(partition: 0, key: nil, value: $0, timestamp: micros)
            }
        }

        private mutating func put(_ number: UInt64, digits: Int, at place: Int) {
            var rest = number
            var index = place + digits
            while index > place {
                index -= 1
                bytes[index] = UInt8(48 + rest % 10)
                rest /= 10
            }
        }
    }

    private static func write(_ one: Case, topic: String, in directory: String) throws -> String {
        let path = "\(directory)/\(topic).yaml"
        guard let file = fopen(path, "w") else { throw BenchmarkProblem("cannot write \(path)") }
        defer { fclose(file) }
        fputs(
            """
            version: 1
            job: {name: \(topic), state: \(directory)/state-\(topic), memory: 2GiB, checkpoints: {every: 1s}}
            connections: {log: {embedded: \(directory)/topics}}
            streams:
              bids:
                from: {topic: \(topic), connection: log}
                format: json
                fields: {auction: int64, price: int64, ts: {type: timestamp, unit: us}}
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              bench:
                from: bids
                steps:
            \(one.steps.reindented(6))
                to: {topic: out-\(topic), connection: log}

            """, file)
        return path
    }
}
