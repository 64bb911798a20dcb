/// Where expressions mean something else than in DuckDB, each with the reason.
enum DuckDBDifferences {
    /// By the name that `Tests/Data/duckdb-differences.tsv` gives each difference.
    static let reasons: [String: String] = [
        "ambiguous":
            "DuckDB has several functions of one name and does not know which one is meant; here there is one.",
        "bounds": "Whole numbers are 64 bits wide; DuckDB has wider ones.",
        "bytes":
            "The bytes of a text are its UTF-8; DuckDB takes only ASCII where bytes are wanted.",
        "domain":
            "A root, logarithm or angle of a number that has none is an error; DuckDB gives nan or an infinity.",
        "empty-format": "An empty time format is an empty text; DuckDB refuses it.",
        "json-words": "Numbers and strings of JSON stay as written; DuckDB writes them anew.",
        "overflow": "A number too large for a double is an error; DuckDB makes it infinite.",
        "quantile":
            "Between two decimals there is a double; DuckDB cuts it to the decimals' digits.",
        "signed": "Whole numbers have a sign; DuckDB shows the same bits as an unsigned number.",
    ]
}
