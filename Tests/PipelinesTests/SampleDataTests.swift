import Connectors
import Glibc
import SampleData
import StreamRuntime
import Testing

/// The generator against the decoders that a pipelines file would use.
@Suite struct SampleDataTests {
    private final class Directory {
        let path: String

        init() {
            var name = Array("/tmp/millrace-sample-XXXXXX".utf8CString)
            path = String(cString: mkdtemp(&name))
        }

        deinit { Directory.remove(path) }

        static func names(_ path: String) -> [String] {
            guard let listing = opendir(path) else { return [] }
            defer { closedir(listing) }
            var names: [String] = []
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            return names.sorted()
        }

        private static func remove(_ path: String) {
            for name in names(path) {
                if unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
            }
            rmdir(path)
        }
    }

    private struct Read {
        var records = 0
        var rows = 0
        var rejected = 0
        var tombstones = 0
        /// Rows whose event time was behind what its partition had shown, less the bound.
        var behind = 0
        var withoutTime = 0
        var bytes: [UInt8] = []
    }

    private func read(
        _ topic: String, in root: String, time: Int, boundSeconds: Int64,
        _ decoder: () -> any RecordDecoder
    ) throws -> Read {
        var result = Read()
        let source = try EmbeddedLog(root: root + "/topics").source(topic, bounded: true)
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            let decoder = decoder()
            var newest = Int64.min
            while case .records(let batch) = try reader.read(maxRecords: 1000, maxBytes: 1 << 20) {
                result.records += batch.count
                for row in 0..<batch.count {
                    if !batch.values.isValid(row) { result.tombstones += 1 }
                    result.bytes += batch.values.bytes(row)
                }
                let rows = DecodedRows(schema: decoder.schema, capacity: batch.count)
                var rejects = RejectedRows()
                decoder.decode(batch, into: rows, rejects: &rejects)
                result.rows += rows.count
                result.rejected += rejects.rejects.count
                for row in 0..<rows.count {
                    guard rows.columns[time].isValid(row) else {
                        result.withoutTime += 1
                        continue
                    }
                    let at = rows.columns[time].int64s[row]
                    if newest > .min, at < newest - boundSeconds * 1_000_000 { result.behind += 1 }
                    newest = max(newest, at)
                }
            }
        }
        return result
    }

    @Test func `the decoders of the declared fields reject the malformed records and nothing else`()
        throws
    {
        let directory = Directory()
        var options = SampleData.Options(root: directory.path)
        options.scale = 0.1
        let report = try SampleData.generate(options)
        func check(
            _ topic: String, _ counts: SampleReport.Counts, behind: ClosedRange<Int>,
            boundSeconds: Int64,
            _ fields: [RecordField]
        ) throws {
            let time = fields.count - 1
            let read = try read(
                topic, in: directory.path, time: time, boundSeconds: boundSeconds
            ) {
                if topic == "pos.shelf" { return DebeziumRecordDecoder(fields: fields) }
                return JSONRecordDecoder(fields: fields)
            }
            #expect(read.records == counts.records, "\(topic)")
            #expect(read.rejected + read.withoutTime == counts.malformed, "\(topic)")
            #expect(read.tombstones == counts.tombstones, "\(topic)")
            #expect(behind.contains(read.behind), "\(topic)")
            #expect(
                read.rows - read.withoutTime + counts.malformed + counts.tombstones
                    == counts.records, "\(topic)")
        }
        try check(
            "campaign.user_events", report.campaigns, behind: 0...0, boundSeconds: 5,
            [
                RecordField("message_id", .string), RecordField("retailer_id", .string),
                RecordField("created_at", .timestamp),
            ])
        try check(
            "shopper.scans", report.scans, behind: report.scans.late...report.scans.late,
            boundSeconds: 30,
            [
                RecordField("scan_id", .string), RecordField("store_id", .string),
                RecordField("found", .bool),
                RecordField("scanned_at", .timestamp, unit: .milliseconds),
            ])
        try check(
            "orders", report.orders, behind: report.orders.late...report.orders.late,
            boundSeconds: 5,
            [
                RecordField("card_hash", .string), RecordField("user_id", .int64),
                RecordField("amount", .decimal(precision: 12, scale: 2)),
                RecordField("ts", .timestamp),
            ])
        try check(
            "payments", report.payments, behind: report.payments.late...report.payments.late,
            boundSeconds: 5,
            [
                RecordField("card_hash", .string), RecordField("user_id", .int64),
                RecordField("amount", .decimal(precision: 12, scale: 2)),
                RecordField("ts", .timestamp, unit: .milliseconds),
            ])
        try check(
            "pos.square", report.square, behind: 1...report.square.duplicates, boundSeconds: 30,
            [
                RecordField("event_id", .string),
                RecordField(
                    "counts",
                    .list(
                        .structure([
                            Field("catalog_object_id", .string), Field("location_id", .string),
                            Field("quantity", .decimal(precision: 18, scale: 5)),
                            Field("state", .string), Field("calculated_at", .timestamp),
                        ])), path: "data.object.inventory_counts"),
                RecordField("created_at", .timestamp),
            ])
        try check(
            "pos.shelf", report.shelf, behind: 0...0, boundSeconds: 0,
            [
                RecordField("store_id", .string),
                RecordField("on_hand", .decimal(precision: 18, scale: 5)),
                RecordField("lsn", .int64, path: "source.lsn"),
                RecordField(
                    "changed_at", .timestamp, path: "source.ts_ms", unit: .milliseconds),
            ])
        #expect(report.burstUsers.count > 3)
        #expect(Directory.names(directory.path + "/exports").count == 7)
        for (name, counts) in report.inputs where name != "pos.shelf" && name != "exports" {
            #expect(counts.duplicates > 0, "\(name)")
        }
        #expect(report.square.stale > 3)
        #expect(report.inputs.reduce(0) { $0 + $1.counts.malformed } > 6)
    }

    @Test func `the same options make the same bytes, another seed makes others`() throws {
        func make(seed: UInt64) throws -> (SampleReport, [UInt8]) {
            let directory = Directory()
            var options = SampleData.Options(root: directory.path)
            options.scale = 0.01
            options.seed = seed
            let report = try SampleData.generate(options)
            var bytes: [UInt8] = []
            for topic in ["pos.square", "pos.shelf", "payments", "shopper.scans"] {
                bytes += try read(topic, in: directory.path, time: 0, boundSeconds: 0) {
                    JSONRecordDecoder(fields: [RecordField("ts", .timestamp)])
                }.bytes
            }
            return (report, bytes)
        }
        let (first, second, other) = (try make(seed: 1), try make(seed: 1), try make(seed: 2))
        #expect(first.0 == second.0)
        #expect(first.1 == second.1)
        #expect(first.1 != other.1)
    }

    @Test func `a topic that has records already is not appended to`() throws {
        let directory = Directory()
        var options = SampleData.Options(root: directory.path)
        options.scale = 0.01
        _ = try SampleData.generate(options)
        let failure = #expect(throws: JobFailure.self) { try SampleData.generate(options) }
        #expect(failure?.problem == "topic pos.square has records already")
    }
}
