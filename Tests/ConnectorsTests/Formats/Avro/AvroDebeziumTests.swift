import StreamRuntime
import Testing

@testable import Connectors

@Suite struct AvroDebeziumTests {
    private static let schema = """
        {"type":"record","name":"Envelope","namespace":"shop.public.items","fields":[
          {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
            {"name":"id","type":"long"},{"name":"name","type":["null","string"],"default":null},
            {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
            {"name":"made","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}}]}],
           "default":null},
          {"name":"after","type":["null","Value"],"default":null},
          {"name":"source","type":{"type":"record","name":"Source",
            "namespace":"io.debezium.connector.postgresql","fields":[{"name":"ts_ms","type":"long"},
            {"name":"lsn","type":["null","long"],"default":null},{"name":"table","type":"string"}]}},
          {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null}]}
        """

    /// Events as fastavro writes them: created, updated, deleted, truncated, and an update without a row.
    private static let events = [
        "00020202067465610400fa8280f2818389850682a0abfef962029a010a6974656d730263028aa0abfef962",
        "020202067465610400fa8280f2818389850602020002ff8280f2818389850600000a6974656d730275028ca0"
            + "abfef962",
        "02020002ff8280f28183898506008ea0abfef962029e010a6974656d73026400",
        "000090a0abfef96202a0010a6974656d73027400",
        "000092a0abfef96202a2010a6974656d73027500",
    ]

    private let fields = [
        RecordField("id", .int64), RecordField("name", .string),
        RecordField("price", .decimal(precision: 10, scale: 2)), RecordField("made", .timestamp),
        RecordField("op", .string), RecordField("ts_ms", .timestamp),
        RecordField("position", .string), RecordField("table", .string, path: "source.table"),
        RecordField("old", .string, path: "before.name"),
    ]

    @Test func `each event makes the row of its image, and tombstones make none`() throws {
        let decoder = AvroDebeziumDecoder(
            fields: fields, framing: .plain(try AvroSchema(json: AvroDebeziumTests.schema)))
        let batch = records(AvroDebeziumTests.events.map(hexadecimal) + [nil])
        let made = "1700000000000001"
        #expect(
            decode(decoder, batch)
                == Decoded(
                    rows: [
                        "1 | tea | 250e-2 | \(made) | c | 1700000000001000 | 77 | items | null",
                        "1 | null | -1e-2 | \(made) | u | 1700000000006000 | null | items | tea",
                        "1 | null | -1e-2 | \(made) | d | 1700000000007000 | 79 | items | null",
                        "null | null | null | null | t | 1700000000008000 | 80 | items | null",
                    ], rejects: ["4 after: the change has no row in after"]))
    }

    @Test func `what is no change event is rejected`() throws {
        let plain =
            "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"}]}"
        let decoder = AvroDebeziumDecoder(
            fields: fields, framing: .plain(try AvroSchema(json: plain)))
        #expect(
            decode(decoder, records([[2]])).rejects
                == ["0 : the schema is not that of a change event"])
        let events = AvroDebeziumDecoder(
            fields: fields, framing: .plain(try AvroSchema(json: AvroDebeziumTests.schema)))
        for length in 0..<AvroDebeziumTests.events[1].count / 2 {
            let cut = Array(hexadecimal(AvroDebeziumTests.events[1]).prefix(length))
            #expect(decode(events, records([cut])).rows == [])
        }
    }
}
