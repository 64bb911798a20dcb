import Connectors
import Glibc
import SampleData
import StreamRuntime
import Testing

/// The load of a large marketplace: how much of it there is, and that it is the same each time.
@Suite struct LoadSampleTests {
    private final class Place {
        let path: String

        init() {
            var name = Array("/tmp/millrace-load-XXXXXX".utf8CString)
            path = String(cString: mkdtemp(&name))
        }

        deinit { Place.remove(path) }

        private static func remove(_ path: String) {
            if let listing = opendir(path) {
                while let entry = readdir(listing) {
                    let name = withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                    if name != ".", name != "..", unlink(path + "/" + name) != 0 {
                        remove(path + "/" + name)
                    }
                }
                closedir(listing)
            }
            rmdir(path)
        }
    }

    private func made(
        in place: Place, step: Int, change: (inout LoadSample.Options) -> Void = { _ in }
    ) throws -> [String: LoadSample.Count] {
        var options = LoadSample.Options(root: place.path)
        options.seconds = 2
        options.percent = 5
        change(&options)
        let load = try LoadSample(options)
        defer { load.close() }
        while !load.isDone { try load.produce(millis: step) }
        return Dictionary(uniqueKeysWithValues: load.counts.map { ($0.topic, $0) })
    }

    /// The values of a topic, partition after partition.
    private func values(_ topic: String, in place: Place) throws -> [[UInt8]] {
        var values: [[UInt8]] = []
        let source = try EmbeddedLog(root: place.path + "/topics").source(topic, bounded: true)
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 1000, maxBytes: 1 << 20) {
                for row in 0..<batch.count { values.append(Array(batch.values.bytes(row))) }
            }
        }
        return values
    }

    @Test func `a second has the planned records, and a burst ten times the counts of stock`()
        throws
    {
        let usual = try made(in: Place(), step: 100)
        #expect(usual["shopper.locations"]?.records == 3500)
        #expect(usual["orders"].map { $0.records - $0.duplicates } == 30)
        #expect(usual["pos.shelf"]?.records == 100)
        let burst = try made(in: Place(), step: 100) {
            $0.burstFrom = 1; $0.burstSeconds = 1
        }
        #expect(burst["shopper.locations"]?.records == 3500)
        #expect(burst["pos.shelf"]?.records == 550)
        #expect(burst["pos.square"].map { $0.records - $0.duplicates } == 385)
    }

    @Test func `the same options make the same records`() throws {
        let (first, second) = (Place(), Place())
        let counts = try made(in: first, step: 100)
        #expect(try made(in: second, step: 100) == counts)
        for topic in ["shopper.scans", "pos.square", "edi.x12"] {
            let records = try values(topic, in: first)
            #expect(records.count == counts[topic]?.records)
            #expect(try values(topic, in: second) == records)
        }
    }

    @Test func `a decoder of the declared fields rejects what was cut short and nothing else`()
        throws
    {
        let place = Place()
        let counts = try made(in: place, step: 100) { $0.percent = 40 }
        let fields: [String: [RecordField]] = [
            "shopper.scans": [
                RecordField("scan_id", .string), RecordField("found", .bool),
                RecordField("scanned_at", .timestamp, unit: .milliseconds),
            ],
            "payments": [
                RecordField("user_id", .int64),
                RecordField("amount", .decimal(precision: 12, scale: 2)),
                RecordField("ts", .timestamp, unit: .milliseconds),
            ],
            "orders": [RecordField("ts", .timestamp, unit: .automatic)],
        ]
        for (topic, fields) in fields {
            let decoder = JSONRecordDecoder(fields: fields)
            var rejected = 0
            let source = try EmbeddedLog(root: place.path + "/topics").source(topic, bounded: true)
            for partition in try source.partitions() {
                let reader = try source.reader(partition: partition)
                while case .records(let batch) = try reader.read(
                    maxRecords: 1000, maxBytes: 1 << 20)
                {
                    let rows = DecodedRows(schema: decoder.schema, capacity: batch.count)
                    var rejects = RejectedRows()
                    decoder.decode(batch, into: rows, rejects: &rejects)
                    rejected += rejects.rejects.count
                }
            }
            #expect(rejected == counts[topic]?.malformed)
        }
        #expect(counts["shopper.scans"]!.malformed > 0)
        #expect(counts["shopper.scans"]!.duplicates > 0)
    }
}
