import Foundation
import HTTP
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import Connectors

@Suite struct SchemaRegistryTests {
    private static let order =
        "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"}]}"

    private static func whole(_ object: [String: Any], status: Int = 200) -> TestHTTPServer.Answer {
        let data = try? JSONSerialization.data(withJSONObject: object)
        return .whole(status: status, body: [UInt8](data ?? Data()))
    }

    /// A registry of a few schemas.
    private static func answer(_ request: TestHTTPServer.Request) -> TestHTTPServer.Answer {
        switch request.target {
        case "/schemas/ids/1": return whole(["schema": order])
        case "/schemas/ids/2":
            return whole([
                "schema": "{\"type\":\"record\",\"name\":\"Cart\",\"fields\":["
                    + "{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"order\",\"type\":\"Order\"}]}",
                "references": [["name": "Order", "subject": "shared/order", "version": 3]],
            ])
        case "/subjects/shared%2Forder/versions/3": return whole(["schema": order, "id": 1])
        case "/schemas/ids/3": return whole(["schema": "message M {}", "schemaType": "PROTOBUF"])
        case "/schemas/ids/4": return whole(["schema": "{"])
        case "/schemas/ids/5": return .whole(status: 500)
        case "/subjects/orders-value/versions": return whole(["id": 7])
        case "/subjects/returns-value/versions":
            return whole(["error_code": 409, "message": "incompatible"], status: 409)
        case "/schemas/ids/6": return whole(["error_code": 401, "message": "no"], status: 401)
        default: return whole(["error_code": 40403, "message": "Schema not found"], status: 404)
        }
    }

    private func registry(_ server: TestHTTPServer) -> SchemaRegistry {
        var http = HTTPSettings()
        http.user = "ann"
        http.password = "pw"
        return SchemaRegistry(
            SchemaRegistry.Settings(
                url: server.url + "/", http: http,
                retry: RetryPolicy(tries: 2, firstMillis: 1, longestMillis: 1)))
    }

    @Test func `records name their schemas, each of which is asked for once`() throws {
        let server = TestHTTPServer(SchemaRegistryTests.answer)
        defer { server.stop() }
        let fields = [
            RecordField("id", .int64), RecordField("inner", .int64, path: "order.id"),
        ]
        let decoder = AvroRecordDecoder(fields: fields, framing: .registry(registry(server)))
        let framed: [[UInt8]?] = [
            [0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 2, 4, 6], [0, 0, 0, 0, 1, 8], [1, 0, 0, 0, 1, 2],
            [0, 0, 0], [0, 0, 0, 0, 9, 2], [0, 0, 0, 0, 3, 2], [0, 0, 0, 0, 4, 2],
            [0, 0, 0, 0, 1], [0, 0, 0, 0, 9, 2],
        ]
        for _ in 0..<2 {
            let decoded = decode(decoder, records(framed))
            #expect(decoded.rows == ["1 | null", "2 | 3", "4 | null"])
            #expect(
                decoded.rejects == [
                    "3 : the record does not begin with the number of its schema (a zero byte and "
                        + "four more)",
                    "4 : the record does not begin with the number of its schema (a zero byte and "
                        + "four more)",
                    "5 : the registry has no schema 9", "6 : schema 3 is PROTOBUF, not Avro",
                    "7 : schema 4: the schema is not JSON", "8 : the record ends in the middle",
                    "9 : the registry has no schema 9",
                ])
        }
        let asked = server.requests.map(\.target)
        #expect(asked.sorted() == Set(asked).sorted())
        #expect(asked.count == 6)
        #expect(server.requests[0].headers["authorization"] == "Basic YW5uOnB3")
    }

    @Test func `a registry that fails stops the job, and no record is lost to it`() throws {
        let server = TestHTTPServer(SchemaRegistryTests.answer)
        defer { server.stop() }
        for (id, words, recovery) in [
            (5, "it answers 500", JobFailure.Recovery.restart),
            (6, "it answers 401: no", .stopAndAsk),
        ] {
            let decoder = AvroRecordDecoder(
                fields: [RecordField("id", .int64)], framing: .registry(registry(server)))
            let rows = DecodedRows(schema: decoder.schema, capacity: 4)
            var rejects = RejectedRows()
            decoder.decode(
                records([[0, 0, 0, 0, 1, 2], [0, 0, 0, 0, UInt8(id), 2]]), into: rows,
                rejects: &rejects)
            #expect(rejects.rejects.isEmpty)
            #expect(rows.failure?.problem.contains(words) == true)
            #expect(rows.failure?.recovery == recovery)
        }
        let gone = registry(server)
        server.stop()
        let failure = #expect(throws: JobFailure.self) { try gone.schema(1) }
        #expect(failure?.problem.contains("does not answer") == true)
    }

    @Test func `a schema is registered under its subject, or refused with the reason`() throws {
        let server = TestHTTPServer(SchemaRegistryTests.answer)
        defer { server.stop() }
        let registry = registry(server)
        #expect(try registry.register(SchemaRegistryTests.order, subject: "orders-value") == 7)
        let body = try JSONSerialization.jsonObject(with: Data(server.requests[0].body))
        #expect((body as? [String: String]) == ["schema": SchemaRegistryTests.order])
        let failure = #expect(throws: JobFailure.self) {
            try registry.register(SchemaRegistryTests.order, subject: "returns-value")
        }
        #expect(failure?.problem.contains("incompatible") == true)
    }

    @Test(.enabled(if: TLSFront.isAvailable, "openssl or python3 is not installed"))
    func `a registry behind TLS is trusted by its authority's file, and asked with the password`()
        throws
    {
        let server = TestHTTPServer(SchemaRegistryTests.answer)
        defer { server.stop() }
        let front = try TLSFront()
        front.lead(to: Int32(server.port))
        var settings = SchemaRegistry.Settings(
            url: "https://127.0.0.1:\(front.port)",
            retry: RetryPolicy(tries: 1, firstMillis: 1, longestMillis: 1))
        settings.http.user = "ann"
        settings.http.password = "pw"
        let refused = #expect(throws: JobFailure.self) {
            _ = try SchemaRegistry(settings).schema(1)
        }
        #expect(refused?.problem.hasPrefix("the schema registry does not answer") == true)
        #expect(server.requests.isEmpty)
        settings.http.authorityFile = front.certificate
        _ = try SchemaRegistry(settings).schema(1).get()
        #expect(server.requests.map { $0.headers["authorization"] } == ["Basic YW5uOnB3"])
    }
}
