import FeatureServe
import StreamRuntime
import Testing

@testable import Pipelines

/// What a plan tells the online store of where its features come from.
@Suite struct ProvenancePlanTests {
    @Test func `windows are followed through renames, sources through every step`() throws {
        let file = planned(
            """
            version: 1
            connections: {local: {embedded: ./topics}}
            streams:
              orders:
                from: {topic: shop-orders}
                format: json
                fields: {user_id: int64, amount: double, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
              visits:
                from: {topic: shop-visits}
                format: json
                fields: {user_id: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
            pipelines:
              spending:
                from: orders
                steps:
                  - rolling:
                      id: spent
                      by: user_id
                      over: [1h, 24h]
                      select: {"spend_{over}": sum(amount)}
                  - select: {user_id: user_id, last_day: spend_24h, twice: spend_1h * 2, amount: amount}
              counting:
                from: visits
                steps:
                  - aggregate:
                      id: counted
                      by: user_id
                      window: {tumble: 15m}
                      late: drop
                      select: {visits: count(*)}
            entities:
              user: {keys: {user_id: int64}}
            feature_views:
              user_spend: {entity: user, from: spending, history: 7d, features: [last_day, twice, amount]}
              user_visits: {entity: user, from: counting, features: [visits]}
            """)
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        let provenance = PlannedProvenance(plan).provenance
        let orders = try #require(provenance.topics.firstIndex(of: "shop-orders"))
        let visits = try #require(provenance.topics.firstIndex(of: "shop-visits"))
        #expect(provenance.sources == ["user_spend": [orders], "user_visits": [visits]])
        #expect(
            provenance.windows == [
                "user_spend": ["last_day": 86_400_000_000], "user_visits": ["visits": 900_000_000],
            ])
        #expect(plan.featureViews.map(\.history?.micros) == [7 * 86_400_000_000, nil])
    }
}
