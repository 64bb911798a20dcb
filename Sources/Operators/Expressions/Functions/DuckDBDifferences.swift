/// Where expressions mean something else than in DuckDB, each with the reason.
enum DuckDBDifferences {
    /// By the name that `Tests/Data/duckdb-differences.tsv` gives each difference.
    static let reasons: [String: String] = [:]
}
