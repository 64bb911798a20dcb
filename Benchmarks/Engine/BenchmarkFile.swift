import Glibc

/// The input of the end-to-end benchmarks: JSON lines of about 120 bytes, the same for the same parameters.
///
/// - Shape: `rows` lines over `stores` × `products` keys and `users` users, `rowsPerSecond` lines in each
///   second of event time, each up to two seconds out of order; one in 50 repeats the line before it.
struct BenchmarkFile {
    var rows = BenchmarkFile.asked
    var stores = 250
    var products = 500
    var users = 10_000
    var rowsPerSecond = 20_000

    /// 5 M rows, or as many as MILLRACE_BENCH_ROWS says.
    private static let asked =
        getenv("MILLRACE_BENCH_ROWS").flatMap { Int(String(cString: $0)) } ?? 5_000_000

    /// Writes the file under `directory`, unless it is there from an earlier run; returns its path.
    func path(under directory: String) throws -> String {
        let path =
            "\(directory)/bench-\(rows)-\(stores)-\(products)-\(users)-\(rowsPerSecond).jsonl"
        if access(path, R_OK) == 0 { return path }
        guard let file = fopen(path + ".tmp", "w") else {
            throw BenchmarkProblem("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        var random: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next(_ bound: Int) -> Int {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Int(random % UInt64(bound))
        }
        var last = ""
        for row in 0..<rows {
            if row % 50 == 49 {
                fputs(last, file)
                continue
            }
            let second = Int64(row / rowsPerSecond)
            let millis = 1_700_000_000_000 + second * 1000 + Int64(next(3000)) - 2000
            let cents = next(9000) + 100
            last =
                "{\"store_id\":\"s\(next(stores))\",\"product_id\":\"p\(next(products))\",\"user_id\":\(next(users)),"
                + "\"quantity\":\(next(40)),\"price\":\(cents / 100).\(cents % 100 / 10)\(cents % 10),"
                + "\"ts\":\(millis),\"update_id\":\"u-\(row)\"}\n"
            fputs(last, file)
        }
        guard fclose(file) == 0, rename(path + ".tmp", path) == 0 else {
            throw BenchmarkProblem("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        return path
    }
}

/// Why a benchmark could not run.
struct BenchmarkProblem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
