/// A benchmark by its name on the command line.
struct Benchmark {
    let name: String
    let run: () throws -> Void

    /// Those of single parts, without a job around them.
    static var kernels: [Benchmark] {
        [
            Benchmark(name: "cores") { try CoreBenchmarks.run() },
            Benchmark(name: "decode") { DecodeBenchmarks.run() },
            Benchmark(name: "exchange") { ExchangeBenchmarks.run() },
            Benchmark(name: "expressions") { ExpressionBenchmarks.run() },
            Benchmark(name: "rows") { RowBenchmarks.run() },
            Benchmark(name: "joins") { try JoinBenchmarks.run() },
            Benchmark(name: "lookups") { try LookupBenchmarks.run() },
            Benchmark(name: "tables") { try TableBenchmarks.run() },
            Benchmark(name: "log") { LogBenchmarks.run() },
            Benchmark(name: "windows") { WindowBenchmarks.run() },
            Benchmark(name: "state") { StateBenchmarks.run() },
            Benchmark(name: "serve") { ServeBenchmarks.run() },
            Benchmark(name: "grpc") { GRPCBenchmarks.run() },
            Benchmark(name: "resp") { RESPBenchmarks.run() },
        ]
    }
}
