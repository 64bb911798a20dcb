import Connectors
import Glibc
import StreamRuntime

/// How fast records become columns, on one core.
enum DecodeBenchmarks {
    private static let fields = [
        RecordField("store_id", .string), RecordField("product_id", .string),
        RecordField("quantity", .int64), RecordField("ts", .timestamp),
        RecordField("source", .string), RecordField("update_id", .string),
    ]

    /// Prints rows per second of the JSON decoder, the CSV decoder and the JSON encoder over `rows`
    /// rows of an inventory update.
    static func run(rows: Int = 5_000_000) {
        let batchRows = 4096
        let batches = (0..<16).map { seed in json(seed: seed, rows: batchRows) }
        let bytes = batches.reduce(0) { $0 + $1.values.arena!.count } / (16 * batchRows)
        let decoder = JSONRecordDecoder(fields: fields)
        measure("decode JSON, 6 of 6 fields, \(bytes) B", rows: rows) { round in
            decode(decoder, batches[round % 16])
        }
        let fewer = JSONRecordDecoder(fields: Array(fields[0..<4]))
        measure("decode JSON, 4 of 6 fields, \(bytes) B", rows: rows) { round in
            decode(fewer, batches[round % 16])
        }
        let wide = batches.map { nested($0) }
        let inner = JSONRecordDecoder(
            fields: fields.map {
                RecordField($0.name, $0.type, path: "after.\($0.name)")
            })
        measure("decode JSON, 6 fields one level down", rows: rows / 5) { round in
            decode(inner, wide[round % 16])
        }
    }

    /// Runs `work` until `rows` rows of 4,096 a call went through, three times, and prints the median.
    static func measure(_ name: String, rows: Int, _ work: (Int) -> Int) {
        var seconds: [Double] = []
        var done = 0
        for _ in 0..<3 {
            let start = now()
            done = 0
            var round = 0
            while done < rows {
                done += work(round)
                round += 1
            }
            seconds.append(now() - start)
        }
        let median = seconds.sorted()[1]
        let rate = Double(done) / median / 1e6
        let tenths = Int((rate * 100).rounded())
        print("\(name): \(tenths / 100).\(tenths % 100 / 10)\(tenths % 10) M rows/s")
    }

    private static func decode(_ decoder: JSONRecordDecoder, _ batch: RecordBatch) -> Int {
        let rows = DecodedRows(schema: decoder.schema, capacity: batch.count)
        var rejects = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejects)
        precondition(rejects.rejects.isEmpty && rows.count == batch.count, "every row decodes")
        return rows.count
    }

    private static func json(seed: Int, rows: Int) -> RecordBatch {
        let batch = RecordBatch(partition: 0, capacity: rows)
        var state = UInt64(seed + 1)
        for row in 0..<rows {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let id = String(state, radix: 16)
            let store = state >> 40 % 500
            let product = state >> 20 % 50_000
            append(
                "{\"store_id\":\"s\(store)\",\"product_id\":\"p\(product)\",\"quantity\":\(state >> 50 % 90),"
                    + "\"ts\":\(1_700_000_000_000 + row),\"source\":\"square\",\"update_id\":\"\(id)\"}",
                to: batch)
        }
        return batch
    }

    private static func nested(_ batch: RecordBatch) -> RecordBatch {
        let result = RecordBatch(partition: 0, capacity: batch.count)
        for row in 0..<batch.count {
            append(
                "{\"op\":\"u\",\"before\":null,\"after\":\(batch.values.string(row)),\"ts_ms\":1}",
                to: result)
        }
        return result
    }

    private static func append(_ text: String, to batch: RecordBatch) {
        batch.keys.appendNull()
        batch.values.append(text)
        batch.timestamps.append(Int64(0))
        batch.offsets.append(Int64(batch.count))
    }

    /// Seconds of CPU time this process has used.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
