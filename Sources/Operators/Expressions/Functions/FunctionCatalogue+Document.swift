extension FunctionCatalogue {
    /// The page `docs/FUNCTIONS.md`.
    static var document: String {
        var lines = [
            "# Functions and operators", "",
            "Expressions are SQL as DuckDB speaks it. This page is made from the catalogue the compiler uses; a",
            "test evaluates every example and compares the page.", "",
            "What differs from DuckDB:", "",
            "- A row fails, and goes the way of `on_error`, on overflow, division by zero (also of doubles), a failed",
            "  cast, and the square root or logarithm of a number that has none. `try(x)`, `try_cast` and branches of",
            "  `case` and `coalesce` that are not taken do not fail.",
            "- `now()` and `today()` are the event time of the row. There is no `random()`.",
            "- Whole numbers are `int64`, floating ones `double`. `sum(int64)` is `decimal(38,0)`.",
            "- Times are UTC; a zone written in a text is converted.",
            "- `hash(x)` is XXH3 of the value's text, as `int64`; it never changes.",
            "- `ceil`, `floor`, `round` and `trunc` of a whole number stay whole.",
            "- JSON is text: `json_extract` and `->` give a string, and a number's digits are kept as written.",
            "- `list_distinct` keeps the order in which elements first come.",
            "- Text and `null` literals take the type the other side asks for; any other cast that may lose something",
            "  is written.",
        ]
        lines += DuckDBDifferences.reasons.sorted { $0.key < $1.key }.map { "- \($0.value)" }
        lines += [
            "",
            "Thousands of expressions are compared with what DuckDB says of them (`Tests/Data/duckdb-vectors.tsv`, made by",
            "`scripts/duckdb-vectors.py`); those that differ are listed in `Tests/Data/duckdb-differences.tsv`, each with its reason.",
            "",
            "Operators, from loosest to tightest: `or`, `and`, `not`, `is [not] null | true | false | distinct from`,",
            "`= <> < <= > >=`, `[not] between | in | like | ilike | similar to`, `|| & | << >> -> ->>`, `+ -`, `* / // %`, `^ **`,",
            "unary `-` and `~`, then `::type`, `.field`, `[index]` and `[from:to]`. Besides: `case`, `cast`, `try_cast`,",
            "`extract(part from t)`, `interval 5 minutes`, `date '…'`, `timestamp '…'`, lists `[…]` and structs `{a: …}`.",
            "",
            "Lambdas, as arguments of some functions of lists: `lambda x: x + 1`, `lambda x, i: …`, `[x + 1 for x in list if x > 0]`;",
            "they may read columns. Maps are lists of structs of a `key` and a `value`: `map {'a': 1}`.",
            "",
            "Aggregates, in the select of `aggregate` and `rolling`, each with `filter (where …)`: `count(*)`, `count(x)`,",
            "`count(distinct x)`, `count_if`, `sum`, `avg`, `min`, `max`, `first`, `last`, `any_value`, `stddev_samp`, `stddev_pop`,",
            "`var_samp`, `var_pop`, `sem`, `skewness`, `kurtosis`, `kurtosis_pop`, `covar_pop(y, x)`, `covar_samp(y, x)`, `corr(y, x)`,",
            "`regr_slope(y, x)`, `regr_intercept`, `regr_r2`, `regr_count`, `regr_avgx`, `regr_avgy`, `regr_sxx`, `regr_syy`, `regr_sxy`,",
            "`bit_and`, `bit_or`, `bit_xor`, `bool_and`, `bool_or`, `fsum`, `favg`, `geomean`, `wavg(x, weight)`,",
            "`approx_quantile(x, q)`, `approx_count_distinct`, `list`, `string_agg(x, separator)`, `arg_min(x, by)`, `arg_max(x, by)`;",
            "exact ones that keep each different value and how often it came: `median`, `quantile_cont(x, q)`, `quantile_disc(x, q)`,",
            "`mad`, `mode` (the smallest of several), `entropy`, `product`, `histogram`; and these, which DuckDB has otherwise or not:",
            "",
            "| aggregate | meaning |", "|---|---|",
            "| `last_k(x, k)` | The list of the last k values in the order of rows, oldest first, nulls included; k up to 1,024. |",
            "| `lag(x, n)` | The value n rows before the last one, 1 if not given; null when there is none. In a `rolling` step that counts the row itself: the value of the row before it. |",
            "| `approx_top_k(x, k)` | The list of the k most frequent values, most frequent first, of equally frequent ones the smaller first. The counts are exact. |",
            "| `top_k(x, k)` | The same with the counts: a list of `{value, count}`. |",
            "| `ewma(x, tau)` | The mean where each value weighs e^(-age / tau) and its age is its event time's distance from the newest row's; `tau` is an interval. |",
            "| `decayed_sum(x, tau)`, `decayed_count(tau)` | The sum of the values, or of the rows, with the same weights. |",
            "| `approx_count_distinct(x)` | Exact up to 128 different values, above that a HyperLogLog sketch of 4,096 registers; `distinct_error` of the result is its standard error. In a `rolling` step without `grain` always exact. |",
        ]
        for (title, functions) in groups {
            lines += [
                "", "## \(title)", "", "| call | meaning | example | value |", "|---|---|---|---|",
            ]
            for function in functions {
                var meaning = function.meaning
                let others = function.names.dropFirst().filter { $0.first?.isLetter == true }
                if !others.isEmpty {
                    meaning += " Also `" + others.joined(separator: "`, `") + "`."
                }
                let cells = [
                    "`\(function.signature)`", meaning, "`\(function.example)`",
                    "`\(function.result)`",
                ]
                let row = cells.map { cell in
                    String(cell.flatMap { $0 == "|" ? Array("\\|") : [$0] })
                }
                lines.append("| " + row.joined(separator: " | ") + " |")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
