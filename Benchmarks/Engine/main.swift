// `EngineBenchmarks [NAME…]` runs the benchmarks named, or all of them.
let wanted = CommandLine.arguments.dropFirst()

if wanted.isEmpty || wanted.contains("decode") { DecodeBenchmarks.run() }
