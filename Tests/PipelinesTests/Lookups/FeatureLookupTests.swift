import StreamRuntime
import Testing

@testable import Pipelines

/// Lookups that ask the online store of their own job.
@Suite struct FeatureLookupTests {
    private static let text = """
        version: 1
        job: {name: features, state: ./state, feature_log: none}
        connections: {local: {embedded: ./topics}}
        streams:
          counts:
            from: {topic: counts, connection: local}
            format: json
            fields: {product: string, stock: int64, ts: timestamp}
            time: {field: ts, out_of_orderness: 0s}
            on_error: fail
          orders:
            from: {topic: orders, connection: local}
            format: json
            fields: {id: string, sku: string, ts: timestamp}
            time: {field: ts, out_of_orderness: 0s}
            on_error: fail
        pipelines:
          stocks:
            from: counts
            steps: [{select: {product: product, stock: stock}}]
          enriched:
            from: orders
            steps:
              - join: {id: enrich, on: {sku: product}, as: s, type: left, lookup: {features: {view: stock}}}
              - select: {id: id, stock: s.stock, status: s.stock_status}
            to: {topic: enriched, connection: local}
        entities: {product: {keys: {product: string}}}
        feature_views:
          stock: {entity: product, from: stocks}
        """

    private func add(_ topic: String, _ rows: [String], _ place: LookupPlace) throws {
        let log = EmbeddedLog(root: place.directory + "/topics")
        try log.ensureTopic(topic, TopicSettings(partitions: 1))
        let writer = try log.writer(topic)
        for row in rows { try writer.append(key: nil, value: Array(row.utf8), timestamp: 0) }
        try writer.commit()
        writer.close()
    }

    @Test
    func `each row gets the features of its key with their status, also when they have changed`()
        throws
    {
        let place = try LookupPlace()
        try add(
            "counts", [#"{"product":"p1","stock":5,"ts":"2026-01-01T00:00:00Z"}"#], place)
        try add("orders", [], place)
        #expect(try place.run(Self.text, topic: "enriched") == [])
        let orders = [
            #"{"id":"o1","sku":"p1","ts":"2026-01-01T00:00:01Z"}"#,
            #"{"id":"o2","sku":"p2","ts":"2026-01-01T00:00:02Z"}"#,
        ]
        try add("orders", orders, place)
        let rows = try place.run(Self.text, topic: "enriched")
        #expect(
            rows == [
                #"{"id":"o1","stock":5,"status":"PRESENT"}"#,
                #"{"id":"o2","stock":null,"status":null}"#,
            ])
        // Another stock later changes no row that was answered, in whatever order a replay reads.
        try add("counts", [#"{"product":"p1","stock":9,"ts":"2026-01-01T00:00:03Z"}"#], place)
        var counts = try place.run(Self.text, topic: "enriched")
        #expect(counts == rows)
        for workers in [1, 2, 3] {
            try place.forgetAllButAnswers(topics: ["enriched"])
            counts = try place.run(Self.text, workers: workers, topic: "enriched")
            #expect(counts == rows)
        }
    }

    @Test(arguments: [
        ("{view: stok}", "on: {sku: product}", "E212 there is no feature view \"stok\""),
        (
            "{view: stock, features: [stick]}", "on: {sku: product}",
            "E212 the view \"stock\" has no feature \"stick\""
        ),
        ("{view: stock}", "on: sku", "E206 \"sku\" is no key of entity \"product\""),
    ])
    func `what the store does not have is told`(view: String, on: String, problem: String) {
        let text = Self.text.replacing("{view: stock}", with: view)
            .replacing("on: {sku: product}", with: on)
        #expect(LookupPlace.problems(text).contains(problem), "\(LookupPlace.problems(text))")
    }

    @Test func `a view of the rows behind a lookup cannot be asked by it`() {
        let text = Self.text.replacing("from: stocks}", with: "from: enriched}")
            .replacing("select: {id: id,", with: "select: {product: sku, id: id,")
        let problems = LookupPlace.problems(text)
        #expect(
            problems.contains("E204 the view \"stock\" is made of rows behind this lookup"),
            "\(problems)")
    }
}
