import Glibc
import Pipelines

/// Whole jobs from a file of JSON lines to a topic, state durable by 10 s checkpoints, on one worker.
enum EndToEndBenchmarks {
    static var all: [Benchmark] {
        cases.map { benchmark in Benchmark(name: benchmark.name) { try run(benchmark) } }
    }

    private struct Case {
        let name: String
        let title: String
        let target: String
        var file = BenchmarkFile()
        var memory = "2GiB"
        var workers = 1
        let pipeline: String
    }

    private static let tumble = """
          - aggregate:
              id: per_minute
              by: [store_id, product_id]
              window: {tumble: 60s}
              select: {orders: count(*), units: sum(quantity), low: min(price), high: max(price), newest: last(update_id)}
              late: {allow: 0s, then: drop}
        """

    private static let cases = [
        Case(
            name: "e2e-decode", title: "decode JSON lines to columns, six fields",
            target: ">= 10 M rows/s",
            pipeline: """
                      - filter: >-
                          store_id = 'none' and product_id = 'none' and user_id < 0 and quantity < 0 and price < 0 and ts < timestamp '2000-01-01'
                """),
        Case(
            name: "e2e-tumble",
            title: "count/sum/min/max/last per (store, product), tumbling 60 s, 125 K keys",
            target: ">= 3 M rows/s", pipeline: tumble),
        Case(
            name: "e2e-tumble-2", title: "the same on two workers", target: "-", workers: 2,
            pipeline: tumble),
        Case(
            name: "e2e-latest", title: "deduplicate 1 h, then newest per (store, product)",
            target: ">= 1.2 M rows/s",
            pipeline: """
                      - deduplicate: {id: seen, by: [update_id], within: 1h}
                      - latest: {id: newest, by: [store_id, product_id], order: ts}
                """),
        Case(
            name: "e2e-hop", title: "count, sum, count distinct per user, hopping 1 h / 1 min",
            target: ">= 400 K rows/s",
            pipeline: """
                      - aggregate:
                          id: per_hour
                          by: user_id
                          window: {hop: 1h, every: 1m}
                          select: {orders: count(*), spend: sum(price), products: count(distinct product_id)}
                          late: {allow: 0s, then: drop}
                """),
        Case(
            name: "e2e-rebatch", title: "rebatch to 50 per key", target: ">= 2 M rows/s",
            pipeline: """
                      - rebatch: {id: batches, by: [store_id], size: 50, linger: 60s}
                """),
        Case(
            name: "e2e-rolling",
            title: "rolling count/sum over 1 h, 24 h, 7 d, a row out per row in",
            target: ">= 400 K rows/s",
            pipeline: """
                      - rolling:
                          id: velocity
                          by: user_id
                          over: [1h, 24h, 7d]
                          select: {"orders_{over}": count(*), "spend_{over}": sum(price)}
                """),
        Case(
            name: "e2e-memory", title: "tumbling over 5 M keys under memory: 256MiB",
            target: "<= 400 MB resident",
            file: BenchmarkFile(stores: 2500, products: 2000, rowsPerSecond: 100_000),
            memory: "256MiB", pipeline: tumble.replacing("tumble: 60s", with: "tumble: 1h")),
    ]

    private static func run(_ benchmark: Case) throws {
        let root = getenv("BENCH_DIR").map { String(cString: $0) } ?? "/tmp/millrace-bench"
        mkdir(root, 0o755)
        let input = try benchmark.file.path(under: root)
        let state = "\(root)/state-\(benchmark.name)"
        try remove(state)
        mkdir(state, 0o755)
        let yaml = """
            version: 1
            job: {name: bench, state: \(state)/state, memory: \(benchmark.memory), checkpoints: {every: 10s}}
            connections: {out: {embedded: \(state)/topics}}
            streams:
              rows:
                from: {files: \(input)}
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
            pipelines:
              bench:
                from: rows
                steps:
            \(benchmark.pipeline.reindented(6))
                to: {topic: results, connection: out}
            """
        let path = "\(state)/pipelines.yaml"
        guard let file = fopen(path, "w") else { throw BenchmarkProblem("cannot write \(path)") }
        fputs(yaml, file)
        fclose(file)
        let began = cpuSeconds
        let report = try BenchmarkRun.run(
            path: path, workers: benchmark.workers)
        let cpu = cpuSeconds - began
        let rate = Double(report.rows) / report.seconds
        print(
            "\(benchmark.title): \(Int(rate / 1000)) K rows/s (\(report.rows) rows in "
                + "\(hundredths(report.seconds)) s, CPU \(hundredths(cpu)) s), out \(report.rowsOut), "
                + "checkpoints \(report.checkpoints), longest pause \(hundredths(report.longestPauseMillis)) ms, "
                + "peak RSS \(peakMegabytes) MB; target \(benchmark.target)")
        try remove(state)
    }

    /// `RUSAGE_SELF`, whose Swift type differs between C libraries.
    private static let thisProcess: Int32 = 0

    private static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(thisProcess, &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    private static var peakMegabytes: Int {
        var usage = rusage()
        getrusage(thisProcess, &usage)
        return usage.ru_maxrss / 1024
    }

    private static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 / 10)\(scaled % 10)"
    }

    private static func remove(_ path: String) throws {
        guard path.hasPrefix("/tmp/") || path.contains("state-") else { return }
        let status = system("rm -rf '\(path)'")
        if status != 0 { throw BenchmarkProblem("cannot remove \(path)") }
    }
}

extension String {
    fileprivate func replacing(_ part: String, with other: String) -> String {
        var result = ""
        var rest = Substring(self)
        while let range = rest.firstRange(of: part) {
            result += rest[..<range.lowerBound] + other
            rest = rest[range.upperBound...]
        }
        return result + rest
    }

    /// The lines moved so that the one furthest left begins after `spaces` spaces.
    func reindented(_ spaces: Int) -> String {
        let lines = split(separator: "\n")
        let margin = lines.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        return lines.map { String(repeating: " ", count: spaces) + $0.dropFirst(margin) }
            .joined(separator: "\n")
    }
}
