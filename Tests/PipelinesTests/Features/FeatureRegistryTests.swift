import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct FeatureRegistryTests {
    private let text = FeaturePlanTests.file(
        """
        entities:
          user: {keys: {user_id: int64}}
        feature_views:
          user_spend: {entity: user, from: spending, ttl: 1h, owner: risk, features: [spend_1h, orders_1h]}
          user_profile: {entity: user, features: [{name: limit_eur, type: double, default: 5.0}]}
        on_demand:
          risk:
            request: {amount: double}
            select: {share: amount / user_profile.limit_eur}
        services:
          checkout: [user_spend, risk]

        """)

    private func directory() throws -> String {
        let path = NSTemporaryDirectory() + "registry-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func registry(_ text: String) throws -> FeatureRegistry {
        try FeatureRegistry(try #require(planned(text).plan))
    }

    @Test func `a definition has a new version when its declaration changes, and only then`() throws
    {
        let directory = try directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let changes = [
            text, text, text.replacing("ttl: 1h", with: "ttl: 2h"),
            text.replacing("sum(amount)", with: "sum(amount * 2)"),
        ]
        for (run, text) in changes.enumerated() {
            var log = try RegistryLog(stateDirectory: directory)
            try log.note(try registry(text), time: FeatureHouse.noon + Int64(run) * 1_000_000)
        }
        let log = try RegistryLog(stateDirectory: directory)
        let current = try registry(changes[3])
        let versions = current.entries.map { "\($0.name) \(log.versions(of: $0).count)" }
        #expect(versions == ["user 1", "user_spend 3", "user_profile 1", "risk 1", "checkout 1"])
        let spend = log.versions(of: current.entries[1])
        #expect(
            spend.map(\.time) == [
                "2026-11-02T12:00:00Z", "2026-11-02T12:00:02Z", "2026-11-02T12:00:03Z",
            ])
        #expect(spend[0].hash == spend[1].hash)
        #expect(spend[1].hash != spend[2].hash)
    }

    @Test func `a line that a crash has cut is written again, another broken one is told of`()
        throws
    {
        let directory = try directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var log = try RegistryLog(stateDirectory: directory)
        try log.note(try registry(text), time: 0)
        let url = URL(fileURLWithPath: directory + "/registry/definitions.jsonl")
        let whole = try String(contentsOf: url, encoding: .utf8)
        try Data(whole.dropLast(40).utf8).write(to: url)
        var again = try RegistryLog(stateDirectory: directory)
        try again.note(try registry(text), time: 0)
        #expect(try String(contentsOf: url, encoding: .utf8) == whole)
        try Data(("{}\n" + whole).utf8).write(to: url)
        #expect(throws: JobFailure.self) { try RegistryLog(stateDirectory: directory) }
    }

    @Test func `lineage goes from each feature to the fields of the streams behind it`() throws {
        let registry = try registry(text)
        let log = try RegistryLog(stateDirectory: "/nowhere")
        let view = try #require(registry.entries(named: "user_spend:spend_1h").first)
        let page = try #require(FeaturePage(view, feature: "spend_1h", log: log)).text
        #expect(page.contains("stream orders (topic orders on local): user_id, amount, ts"))
        #expect(page.contains("→ spending rolling spent: over 1h"))
        let orders = try #require(FeaturePage(view, feature: "orders_1h", log: log)).text
        // The step computes both sums in one, so it reads the amount for either.
        #expect(orders.contains("stream orders"))
        #expect(FeaturePage(view, feature: "nothing", log: log) == nil)
        let json = registry.json(view, log).compact
        #expect(json.contains("\"used_by\": [\"checkout\"]"))
    }

    @Test func `the server gives out the registry, whole and by name`() throws {
        let house = try FeatureHouse(text: text)
        let log = try RegistryLog(stateDirectory: "/nowhere")
        let registry = try FeatureRegistry(house.plan)
        try house.serve(registry: registry.pages(log)) { ask in
            let all = try ask("/registry", nil)
            #expect(all.status == 200)
            let parsed = try JSONSerialization.jsonObject(with: Data(all.body.utf8))
            let definitions = (parsed as? [String: Any])?["definitions"] as? [[String: Any]]
            #expect(
                definitions?.compactMap { $0["name"] as? String } == [
                    "user", "user_spend", "user_profile", "risk", "checkout",
                ])
            #expect(definitions?[3]["reads"] as? [String] == ["user_profile:limit_eur"])
            let one = try ask("/registry/risk", nil)
            #expect(one.body.contains("\"expression\": \"amount / user_profile.limit_eur\""))
            #expect(try ask("/registry/nothing", nil).status == 404)
            #expect(try ask("/registry", "{}").status == 405)
        }
    }

    private var feast: [UInt8] {
        get throws {
            let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("Data/feast-registry.db")
            return Array(try Data(contentsOf: url))
        }
    }

    @Test func `a Feast registry becomes a pipelines file without problems`() throws {
        let definitions = try #require(FeastDefinitions(try feast, project: nil))
        #expect(definitions.projects == ["shop"])
        let made = FeastImport(definitions)
        let file = planned(made.yaml)
        #expect(file.problems.map { $0.rendered(in: file.source) } == [], "\(made.yaml)")
        let catalog = try FeatureCatalogs.catalog(try #require(file.plan))
        let counters = try #require(catalog.view("user_counters"))
        #expect(counters.ttlMicros == 24 * 3_600_000_000)
        #expect(counters.notes.owner == "risk")
        #expect(
            counters.features.map { "\($0.name) \($0.type)" } == [
                "orders_1h int64", "spend_24h double", "score double", "city string", "vip bool",
                "since timestamp", "last list<int64>", "token bytes",
            ])
        #expect(counters.definitions[0].notes.description == "orders of the last hour")
        let shelf = try #require(catalog.view("availability"))
        #expect(
            catalog.entity(shelf.entity)?.keys == [
                Field("store_id", .int64), Field("item_id", .string),
            ])
        #expect(catalog.pushSource("user_push")?.view == "user_counters")
        #expect(
            catalog.service("fraud")?.parts.map { $0.features?.first } == [
                "orders_1h", "spend_24h",
            ])
        #expect(made.yaml.contains("# Left out: on-demand view basket_share"))
    }

    @Test func `bytes that are no registry are refused, however they are cut`() throws {
        let bytes = try feast
        for length in stride(from: 0, to: bytes.count, by: 7) {
            _ = FeastDefinitions(Array(bytes[..<length]), project: nil).map { FeastImport($0).yaml }
        }
        #expect(FeastDefinitions(Array("SQLite format 3".utf8), project: nil) == nil)
        let answer = FeastImportCommand.run(path: "/nowhere/registry.db", project: nil)
        #expect(answer.exitCode == 3)
    }
}
