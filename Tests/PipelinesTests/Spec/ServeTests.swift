import FeatureServe
import StreamRuntime
import Testing

@testable import Pipelines

/// What `job.serve` says of lanes, keys and TLS.
@Suite struct ServeTests {
    private func file(_ serve: String) -> PlannedFile {
        let text = """
            version: 1
            job:
              serve: \(serve)
            connections:
              local: {embedded: ./topics}
            streams:
              orders:
                from: {topic: orders}
                format: json
                fields: {user_id: int64, amount: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
            pipelines:
              sums:
                from: orders
                steps:
                  - select: {user_id: user_id, amount: amount}
            entities:
              user: {keys: {user_id: int64}}
            feature_views:
              spent: {entity: user, from: sums, features: [amount]}

            """
        return PlannedFile(
            file: "shop/pipelines.yaml", text: text,
            variables: Variables(environment: ["HASH": Self.hash], readFile: { _ in nil }))
    }

    private static let hash = "sha256:" + String(repeating: "0a", count: 32)

    @Test func `keys, TLS and lanes are read, with paths beside the file`() throws {
        let file = file(
            "{host: 0.0.0.0, grpc: {port: 7000}, max_request: 4MiB, keys: ["
                + "{name: a, hash: \"${HASH}\", views: {read: [spent], write: \"*\"}, rate: 10/s}, "
                + "{name: b, hash_file: b.txt, admin: true}], "
                + "tls: {certificate: c.pem, key: /k.pem, client_ca: ca.pem}}")
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let serving = try #require(file.plan).settings.serving
        #expect(serving.grpcPort == 7000)
        #expect(serving.requestBytesMax == 4 << 20)
        #expect(
            serving.keys == [
                PlannedServing.Key(
                    name: "a", digest: [UInt8](repeating: 10, count: 32), hashFile: nil,
                    reads: .some(["spent"]), writes: .all, isAdmin: false, perSecond: 10),
                PlannedServing.Key(
                    name: "b", digest: nil, hashFile: "shop/b.txt", reads: .some([]),
                    writes: .some([]), isAdmin: true, perSecond: nil),
            ])
        #expect(
            serving.tls
                == TLSServer.Files(
                    certificate: "shop/c.pem", key: "/k.pem", clientAuthority: "shop/ca.pem"))
    }

    @Test func `a wrong key, rate, view or host is told with its fix`() {
        let key = "{name: a, hash: \"\(Self.hash)\""
        let table: [(serve: String, says: String?)] = [
            ("{host: 127.0.0.1}", nil), ("{host: localhost}", nil), ("{host: \"::1\"}", nil),
            ("{host: 0.0.0.0}", "without keys features are not served on \"0.0.0.0\""),
            ("{host: 0.0.0.0, keys: [\(key)}]}", nil),
            ("{keys: [{name: a, hash: abc}]}", "the hash of key \"a\" is no SHA-256"),
            ("{keys: [\(key), rate: fast}]}", "\"fast\" is no rate"),
            ("{keys: [\(key), rate: 0/s}]}", "\"0/s\" is no rate"),
            ("{keys: [\(key)}, \(key)}]}", "two keys are called \"a\""),
            ("{keys: [\(key), views: {read: [spend]}}]}", "there is no feature view \"spend\""),
        ]
        for row in table {
            #expect(file(row.serve).problems.map(\.message) == (row.says.map { [$0] } ?? []))
        }
    }
}
