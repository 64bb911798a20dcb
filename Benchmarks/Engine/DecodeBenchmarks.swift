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
        let wide = batches.map { records(of: $0) { "{\"a\":{\"b\":\($0)},\"c\":1}" } }
        let inner = JSONRecordDecoder(
            fields: fields.map { RecordField($0.name, $0.type, path: "a.b.\($0.name)") })
        measure("decode JSON, 6 fields two levels down", rows: rows / 5) { round in
            decode(inner, wide[round % 16])
        }
        let lists = batches.map { records(of: $0) { "{\"id\":\"x\",\"counts\":[\($0)]}" } }
        let item = ColumnType.structure(fields.map { Field($0.name, $0.type) })
        let listed = JSONRecordDecoder(fields: [
            RecordField("id", .string), RecordField("counts", .list(item)),
        ])
        measure("decode JSON, 6 fields in a list of structs", rows: rows / 5) { round in
            decode(listed, lists[round % 16])
        }
        let changes = batches.map {
            records(of: $0) {
                "{\"before\":null,\"after\":\($0),\"source\":{\"ts_ms\":1700000000000,\"lsn\":12345678},"
                    + "\"op\":\"u\",\"ts_ms\":1700000000001}"
            }
        }
        let debezium = DebeziumRecordDecoder(
            fields: fields.map { RecordField($0.name, $0.type, path: "row.\($0.name)") }
                + [RecordField("op", .string), RecordField("ts_ms", .timestamp)])
        measure("decode Debezium, 6 fields, op and ts_ms", rows: rows / 5) { round in
            decode(debezium, changes[round % 16])
        }
        measureText(batches, rows: rows)
    }

    /// CSV, and rows as text again.
    private static func measureText(_ batches: [RecordBatch], rows: Int) {
        let decoder = JSONRecordDecoder(fields: fields)
        let made = batches.map { batch -> ColumnBatch in
            let decoded = DecodedRows(schema: decoder.schema, capacity: batch.count)
            var rejects = RejectedRows()
            decoder.decode(batch, into: decoded, rejects: &rejects)
            let order = RowOrder(capacity: batch.count)
            for row in 0..<batch.count {
                order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
            }
            return ColumnBatch(
                schema: decoder.schema, columns: decoded.columns, order: order, count: batch.count)
        }
        let json = JSONRecordEncoder(schema: decoder.schema)
        measure("encode JSON, 6 fields", rows: rows) { round in encode(json, made[round % 16]) }
        let csv = CSVRecordEncoder(schema: decoder.schema)
        measure("encode CSV, 6 fields", rows: rows) { round in encode(csv, made[round % 16]) }
        let texts = made.map { batch -> RecordBatch in
            let values = Column(.bytes, capacity: batch.count)
            csv.encode(batch, into: values)
            let result = RecordBatch(partition: 0, capacity: batch.count)
            for row in 0..<batch.count { append(values.string(row), to: result) }
            return result
        }
        let reader = CSVRecordDecoder(
            fields: fields, dialect: CSVDialect(header: .names(fields.map(\.name))))
        measure("decode CSV, 6 fields", rows: rows / 2) { round in
            decode(reader, texts[round % 16])
        }
        measureFile(texts, rows: rows)
    }

    /// Lines of a file as records.
    private static func measureFile(_ batches: [RecordBatch], rows: Int) {
        let path = "/tmp/millrace-benchmark-\(getpid()).csv"
        guard let file = fopen(path, "w") else { return }
        defer { unlink(path) }
        for _ in 0..<10 {
            for batch in batches {
                for row in 0..<batch.count { fputs(batch.values.string(row) + "\n", file) }
            }
        }
        fclose(file)
        for (name, layout) in [
            ("lines", FileLayout.lines), ("CSV rows", .csv(CSVDialect(header: .names([])))),
        ] {
            let source = FileSource(path: path, layout: layout)
            var reader = try? source.reader(partition: 0)
            measure("read \(name) of a file", rows: rows) { _ in
                guard
                    case .records(let records)? = try? reader?.read(
                        maxRecords: 4096, maxBytes: 1 << 20)
                else {
                    reader = try? source.reader(partition: 0)
                    return 0
                }
                return records.count
            }
        }
    }

    private static func encode(_ encoder: any RecordEncoder, _ batch: ColumnBatch) -> Int {
        let values = Column(.bytes, capacity: batch.count)
        encoder.encode(batch, into: values)
        return values.count
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

    private static func decode(_ decoder: any RecordDecoder, _ batch: RecordBatch) -> Int {
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

    private static func records(
        of batch: RecordBatch, _ wrap: (String) -> String
    ) -> RecordBatch {
        let result = RecordBatch(partition: 0, capacity: batch.count)
        for row in 0..<batch.count { append(wrap(batch.values.string(row)), to: result) }
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
