import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import FeatureServe
@testable import Pipelines

/// A pipelines file served over HTTP, with features written by the test.
struct FeatureHouse {
    /// 2026-11-02T12:00:00Z.
    static let noon: Int64 = 1_793_620_800_000_000

    let plan: JobPlan
    let store: OnlineStore

    /// The file `name` of the repository.
    init(file name: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        try self.init(
            PlannedFile(path: root.appendingPathComponent(name).path, environment: [:]))
    }

    init(text: String) throws { try self.init(planned(text)) }

    private init(_ file: PlannedFile) throws {
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        plan = try #require(file.plan)
        store = try OnlineStore(catalog: try FeatureCatalogs.catalog(plan), rows: MemoryRows())
    }

    /// Writes rows of keys and features, in declared order, as if they were of `time`.
    func write(_ view: String, at time: Int64 = noon, _ rows: [[FeatureValue]]) throws {
        let declared = try #require(store.catalog.view(view))
        let entity = try #require(store.catalog.entity(declared.entity))
        let schema = Schema(entity.keys + declared.features)
        let batch = ColumnBatch(schema: schema, capacity: rows.count)
        for (index, row) in rows.enumerated() {
            for (column, value) in zip(batch.columns, row) { value.append(to: column) }
            batch.order.append(
                eventTime: time, watermark: .min, origin: 0, offset: Int64(index))
        }
        batch.count = rows.count
        let writer = try FeatureWriter(
            store: store, view: view, schema: schema, now: { FeatureHouse.noon })
        _ = try writer.write(batch)
    }

    /// Serves at noon while `body` asks.
    func serve(
        registry: RegistryPages = RegistryPages(),
        _ body: ((String, String?) throws -> HTTPAsk.Answer) throws -> Void
    ) throws {
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.registry = registry
        let server = FeatureServer(
            store: store, metrics: MetricsRegistry(), options: options,
            now: { FeatureHouse.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body { path, text in try HTTPAsk.send(port: port, path: path, body: text) }
    }
}

/// A lookup's answer by feature name.
struct Answered {
    let values: [String: [Any]]
    let statuses: [String: [String]]
    let names: [String]

    init(_ answer: HTTPAsk.Answer) throws {
        try #require(answer.status == 200, "\(answer.body)")
        let parsed = try JSONSerialization.jsonObject(with: Data(answer.body.utf8))
        let object = try #require(parsed as? [String: Any])
        let metadata = try #require(object["metadata"] as? [String: Any])
        names = try #require(metadata["feature_names"] as? [String])
        let results = try #require(object["results"] as? [[String: Any]])
        var values: [String: [Any]] = [:]
        var statuses: [String: [String]] = [:]
        for (name, column) in zip(names, results) {
            values[name] = column["values"] as? [Any]
            statuses[name] = column["statuses"] as? [String]
        }
        self.values = values
        self.statuses = statuses
    }

    func numbers(_ name: String) -> [Double?] {
        (values[name] ?? []).map { ($0 as? NSNumber)?.doubleValue }
    }

    func texts(_ name: String) -> [String?] { (values[name] ?? []).map { $0 as? String } }

    func bools(_ name: String) -> [Bool?] { (values[name] ?? []).map { $0 as? Bool } }
}

func expectClose(
    _ left: [Double?], _ right: [Double?], sourceLocation: SourceLocation = #_sourceLocation
) {
    let areClose =
        left.count == right.count
        && zip(left, right).allSatisfy { left, right in
            guard let left, let right else { return left == nil && right == nil }
            return abs(left - right) <= 1e-9 * max(1, abs(right))
        }
    #expect(areClose, "\(left) is not \(right)", sourceLocation: sourceLocation)
}
