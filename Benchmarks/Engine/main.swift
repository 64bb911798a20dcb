// The benchmarks: `EngineBenchmarks NAME…` runs those, without names all of them. Each runs in a process of its
// own when `scripts/bench` asks for it, so that one's memory is not another's.

import Glibc

let benchmarks =
    Benchmark.kernels + LoadBenchmarks.all + EndToEndBenchmarks.all + KafkaBenchmarks.all
    + WindowLatencyBenchmarks.all + TrainingBenchmarks.all

let asked = CommandLine.arguments.dropFirst()
if asked.first == "list" {
    for benchmark in benchmarks { print(benchmark.name) }
} else {
    for name in asked where !benchmarks.contains(where: { $0.name == name }) {
        print("no benchmark \(name); there are: \(benchmarks.map(\.name).joined(separator: " "))")
        exit(2)
    }
    for benchmark in benchmarks where asked.isEmpty || asked.contains(benchmark.name) {
        do { try benchmark.run() } catch {
            print("\(benchmark.name) failed: \(error)")
            exit(1)
        }
    }
}
