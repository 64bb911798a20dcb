import Connectors
import Glibc
import Pipelines
import StreamRuntime
import Synchronization

/// Whole jobs from topic to topic of a Kafka cluster whose broker shares the machine.
enum KafkaBenchmarks {
    static var all: [Benchmark] {
        [
            Benchmark(name: "kafka-consume") { try consume() },
            Benchmark(name: "kafka-window") { try window() },
            Benchmark(name: "kafka-replay") { try replay() },
            Benchmark(name: "kafka-latency") { try latency() },
            Benchmark(name: "kafka-online-latency") { try onlineLatency() },
        ]
    }

    static let partitions = 4

    private static func consume() throws {
        try throughput(
            "consume and decode JSON, six fields", target: ">= 2 M rows/s",
            pipeline: """
                filter: store_id = 'none' and product_id = 'none' and user_id < 0 and quantity < 0 \
                and price < 0 and ts < timestamp '2000-01-01'
                """)
    }

    private static func window() throws {
        try throughput(
            "JSON in, count/sum/min/max/last per (store, product) in 60 s, JSON out exactly once",
            target: ">= 800 K rows/s",
            pipeline: perMinute)
    }

    static let perMinute = """
        aggregate: {id: per_minute, by: [store_id, product_id], window: {tumble: 60s}, \
        late: {allow: 0s, then: drop}, select: {orders: count(*), units: sum(quantity), \
        low: min(price), high: max(price), newest: last(update_id)}}
        """

    /// The stream of the rows that `BenchmarkFile` makes.
    static func rows(from place: String) -> String {
        """
        streams:
          rows:
            from: {\(place)}
            format: json
            fields:
              store_id: string
              product_id: string
              user_id: int64
              quantity: int64
              price: double
              ts: {type: timestamp, unit: ms}
              update_id: string
            time: {field: ts, out_of_orderness: 3s}
            on_error: drop
        """
    }

    /// Runs a pipeline over what a topic holds, exactly once with a checkpoint every second.
    private static func throughput(_ title: String, target: String, pipeline: String) throws {
        let root = try place()
        let broker = try BenchmarkBroker(root: root)
        let name = "rows-\(getpid())"
        try broker.create(name, partitions: partitions)
        try broker.create("out-\(name)", partitions: partitions)
        let file = BenchmarkFile()
        try broker.fill(name, with: try file.path(under: root), rows: file.rows)
        let (path, directory) = try write(
            """
            \(rows(from: "topic: \(name), connection: broker"))
            pipelines:
              bench:
                from: rows
                steps:
                  - \(pipeline)
                to: {topic: out-\(name), connection: broker}
            """, broker, root, every: "1s")
        defer { _ = system("rm -rf '\(directory)'") }
        var before = rusage()
        getrusage(0, &before)
        let report = try BenchmarkRun.run(path: path, workers: 1)
        var after = rusage()
        getrusage(0, &after)
        let cpu =
            seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime)
            - seconds(before.ru_stime)
        let rate = Double(report.rows) / report.seconds
        print(
            "\(title): \(Int(rate / 1000)) K rows/s (\(report.rows) rows in "
                + "\(hundredths(report.seconds)) s, CPU \(hundredths(cpu)) s), out \(report.rowsOut), "
                + "checkpoints \(report.checkpoints), longest pause "
                + "\(hundredths(report.longestPauseMillis)) ms; target \(target)")
    }

    // MARK: latency

    /// What the producer, the job and the reader of a latency run tell each other.
    final class LatencyRun: Sendable {
        let isStopping = Atomic<Bool>(false)
        let micros = Mutex<[Int64]>([])
        let failure = Mutex<String?>(nil)
    }

    /// The time from append to the moment a reader of committed records has the row, at a steady rate.
    private static func latency() throws {
        let root = try place()
        let broker = try BenchmarkBroker(root: root)
        let (every, rate, seconds) = (100, 50_000, 10)
        let name = "live-\(getpid())"
        try broker.create(name, partitions: partitions)
        try broker.create("out-\(name)", partitions: 1)
        let (path, directory) = try write(
            """
            streams:
              rows:
                from: {topic: \(name), connection: broker}
                format: json
                fields: {id: int64, sent: int64, ts: {type: timestamp, unit: us}}
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              bench:
                from: rows
                steps: [{filter: id >= 0}, {select: {sent: sent}}]
                to: {topic: out-\(name), connection: broker}
            """, broker, root, every: "\(every)ms")
        defer { _ = system("rm -rf '\(directory)'") }
        let run = LatencyRun()
        let connection = broker.connection
        let job = try BenchmarkThread {
            do throws(JobFailure) {
                _ = try BenchmarkRun.run(path: path, workers: 1) {
                    run.isStopping.load(ordering: .acquiring)
                }
            } catch {
                run.failure.withLock { $0 = "\(error)" }
            }
        }
        let reader = try BenchmarkThread {
            do throws(JobFailure) {
                try read("out-\(name)", connection, run)
            } catch {
                run.failure.withLock { $0 = "\(error)" }
            }
        }
        let appender = try KafkaAppender(connection, topic: name)
        let began = SystemClock().nanos
        var sent = 0
        while sent < rate * seconds {
            let due = Int((SystemClock().nanos - began) / 1000) * (rate / 1000) / 1000
            while sent < due {
                let now = SystemClock().nowMicros
                try appender.append(
                    key: nil, value: Array("{\"id\":\(sent),\"sent\":\(now),\"ts\":\(now)}".utf8),
                    timestamp: now,
                    partition: sent % partitions)
                sent += 1
            }
            usleep(500)
        }
        try appender.flush()
        usleep(1_000_000)
        run.isStopping.store(true, ordering: .releasing)
        job.join()
        reader.join()
        if let failure = run.failure.withLock({ $0 }) { throw BenchmarkProblem(failure) }
        print(
            "append to committed output at \(rate) rows/s, checkpoints every \(every) ms: "
                + "\(try spread(run.micros.withLock { $0 })); target p99 <= \(every + 50) ms")
    }

    /// Reads what is committed and notes how old each row is, leaving out the first second.
    private static func read(
        _ topic: String, _ connection: KafkaConnection, _ run: LatencyRun
    ) throws(JobFailure) {
        let source = try KafkaSource(connection, topic: topic, bounded: false)
        let reader = try source.reader(partition: 0)
        var first: Int64?
        while !run.isStopping.load(ordering: .acquiring) {
            guard case .records(let batch) = try reader.read(maxRecords: 8192, maxBytes: 1 << 20)
            else {
                usleep(200)
                continue
            }
            let now = SystemClock().nowMicros
            var ages: [Int64] = []
            for row in 0..<batch.count {
                let sent = number(in: batch.values.bytes(row))
                if first == nil { first = sent }
                if sent - first! > 1_000_000 { ages.append(now - sent) }
            }
            run.micros.withLock { $0 += ages }
        }
    }

    /// The digits of a row of one number.
    private static func number(in bytes: UnsafeBufferPointer<UInt8>) -> Int64 {
        bytes.reduce(0) { $1 >= 48 && $1 <= 57 ? $0 * 10 + Int64($1 - 48) : $0 }
    }

    // MARK: helpers

    /// How many times there are, their middle, 99th percentile and largest.
    ///
    /// - Units: microseconds in, milliseconds out.
    static func spread(_ micros: [Int64]) throws -> String {
        let sorted = micros.sorted()
        guard !sorted.isEmpty else { throw BenchmarkProblem("no row came out") }
        func at(_ part: Double) -> String {
            hundredths(Double(sorted[Int(Double(sorted.count - 1) * part)]) / 1000)
        }
        return "\(sorted.count) rows, p50 \(at(0.5)) ms, p99 \(at(0.99)) ms, worst \(at(1)) ms"
    }

    static func place() throws -> String {
        let root = getenv("BENCH_DIR").map { String(cString: $0) } ?? "/tmp/millrace-bench"
        mkdir(root, 0o755)
        return root
    }

    /// Writes a pipelines file into a directory of its own; returns both paths.
    static func write(
        _ body: String, _ broker: BenchmarkBroker, _ root: String, every: String
    ) throws -> (path: String, directory: String) {
        let directory = "\(root)/kafka-\(getpid())"
        _ = system("rm -rf '\(directory)'")
        mkdir(directory, 0o755)
        let path = directory + "/pipelines.yaml"
        guard let file = fopen(path, "w") else { throw BenchmarkProblem("cannot write \(path)") }
        fputs(
            """
            version: 1
            job: {name: bench_\(getpid()), state: \(directory)/state, memory: 2GiB, checkpoints: {every: \(every)}}
            connections: {broker: \(broker.text), out: {embedded: \(directory)/topics}}
            \(body)

            """, file)
        fclose(file)
        return (path, directory)
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }

    static func hundredths(_ value: Double) -> String {
        let cents = Int((value * 100).rounded())
        return "\(cents / 100).\(cents / 10 % 10)\(cents % 10)"
    }
}
