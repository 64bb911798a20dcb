import Glibc
import Operators
import StreamRuntime

/// How fast expressions are evaluated, a batch of 4,096 rows at a time, on one core.
enum ExpressionBenchmarks {
    private static let rows = 4096
    private static let schema = Schema([
        Field("quantity", .int64), Field("price", .decimal(precision: 12, scale: 2)),
        Field("rating", .float64), Field("source", .string), Field("product", .string),
        Field("at", .timestamp), Field("lat", .float64), Field("lon", .float64),
    ])

    private static let expressions = [
        "quantity < 5 and source = 'square'", "quantity < 5", "source = 'square'",
        "source in ('square', 'sap', 'ncr')", "quantity * 2 + 1", "price * quantity",
        "price > 100.50", "rating / 2 > 1.5", "product || '-' || source",
        "case when quantity > 50 then price else 0 end", "coalesce(price, 0)",
        "product like '%99%'", "lower(product)", "substring(product, 1, 4)",
        "regexp_matches(product, '[0-9]9$')", "date_trunc('hour', at)",
        "at + interval 5 minutes", "haversine_km(lat, lon, 52.52, 13.405)", "md5(product)",
        "hash_bucket(product, 100)", "cast(quantity as string)",
    ]

    static func run() {
        let batch = makeBatch()
        for text in expressions {
            do {
                let expression = try ExpressionCompiler(schema: schema).compile(text)
                report(text, expression, batch)
            } catch {
                print("\(text): \(error.message)")
            }
        }
    }

    private static func makeBatch() -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: rows)
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for row in 0..<rows {
            batch.columns[0].append(Int64(random(100)))
            if row % 50 == 0 {
                batch.columns[1].appendNull()
            } else {
                batch.columns[1].append(Int128(random(100_000)))
            }
            batch.columns[2].append(Double(random(50)) / 10)
            batch.columns[3].append(["square", "sap", "ncr", "shelf"][random(4)])
            batch.columns[4].append("Product-\(random(100_000))")
            batch.columns[5].append(1_700_000_000_000_000 + Int64(random(1 << 40)))
            batch.columns[6].append(Double(random(180)) - 90)
            batch.columns[7].append(Double(random(360)) - 180)
            batch.order.append(
                eventTime: Int64(row), watermark: 0, origin: 0, offset: Int64(row))
        }
        batch.count = rows
        return batch
    }

    private static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Prints the median of seven runs of about 20 ms each.
    private static func report(
        _ text: String, _ expression: CompiledExpression, _ batch: ColumnBatch
    ) {
        var errors = RejectedRows()
        var check = 0
        func run(_ batches: Int) -> Double {
            let start = nanoseconds()
            for _ in 0..<batches {
                check &+= expression.evaluate(batch, errors: &errors).count
            }
            return Double(nanoseconds() - start) / Double(batches * rows)
        }
        let batches = max(3, min(3000, Int(20_000_000 / max(1, run(3) * Double(rows)))))
        let runs = (0..<7).map { _ in run(batches) }.sorted()
        let value = Int((runs[3] * 100).rounded())
        let cents = value % 100 < 10 ? "0\(value % 100)" : "\(value % 100)"
        print("expression  \(value / 100).\(cents) ns/row  \(text)")
        precondition(check % rows == 0, "a value for every row")
    }
}
