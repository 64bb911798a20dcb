import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct WholeFileTests {
    /// Every part of the format at once, the way a data engineer writes it.
    private static let text = """
        version: 1

        connections:
          events: {embedded: ./data/topics}

        streams:
          orders:
            from: {topic: orders, connection: events}
            format: json
            fields: {order_id: string, user_id: int64, card_hash: string, amount: "decimal(12,2)", store_id: string, ts: timestamp}
            time: {field: ts, out_of_orderness: 5s, idle: 30s}
            on_error: {dead_letter: orders.rejected}

          square_events:
            from: {topic: pos.square, connection: events}
            format: json
            fields:
              event_id: string
              type: string
              counts:
                path: data.object.inventory_counts
                type: "list<struct<catalog_object_id: string, location_id: string, quantity: decimal(18,5), state: string, calculated_at: timestamp>>"
            time: {field: created_at, out_of_orderness: 1m}
            on_error: {dead_letter: pos.rejected}

          campaign_events:
            from: {topic: campaigns, connection: events}
            format: json
            fields: {retailer_id: string, campaign_id: string, message: string, at: timestamp}
            time: {field: at, out_of_orderness: 5s, idle: 1m}
            on_error: drop

        pipelines:
          square_counts:
            from: square_events
            steps:
              - filter: type = 'inventory.count.updated'
              - unnest: counts as count
              - filter: count.state = 'IN_STOCK'
              - select:
                  store_id: count.location_id
                  product_id: count.catalog_object_id
                  quantity: count.quantity
                  counted_at: count.calculated_at
                  source: "'square'"
                  update_id: event_id || ':' || count.catalog_object_id

          inventory_normalization:
            from: [square_counts]
            steps:
              - deduplicate: {id: seen_updates, by: [store_id, update_id], within: 1h}
              - latest: {id: newest_count, by: [store_id, product_id], order: counted_at, stale: {to: {topic: inventory.stale}}}
            to: {topic: inventory.updates, key: store_id, connection: events, delivery: exactly_once}

          campaign_rebatch:
            from: campaign_events
            steps:
              - rebatch: {id: batches, by: [retailer_id, campaign_id], size: 50, linger: 2s}
            to: {topic: campaign.batches, key: retailer_id}

          store_minute:
            from: orders
            steps:
              - aggregate:
                  id: per_minute
                  by: store_id
                  window: {tumble: 1m}
                  select: {orders: count(*), revenue: sum(amount), buyers: count(distinct user_id)}
                  late: {allow: 10m, then: {topic: orders.late}}
            to: {topic: store.minute, key: store_id}

          user_velocity:
            from: orders
            steps:
              - rolling:
                  id: velocity
                  by: user_id
                  over: [1m, 1h, 24h, 30d]
                  include_self: true
                  select: {"orders_{over}": count(*), "spend_{over}": sum(amount), "cards_{over}": count(distinct card_hash)}

        entities:
          user: {keys: {user_id: int64}}
          item: {keys: {store_id: string, product_id: string}}

        feature_views:
          user_fraud: {entity: user, from: user_velocity, ttl: 24h, features: [orders_1h, spend_1h, cards_24h]}
          item_stock: {entity: item, from: inventory_normalization, features: [quantity]}

        services:
          matching: [user_fraud, "item_stock:quantity"]
        """

    @Test func `a whole file is planned`() throws {
        let file = planned(WholeFileTests.text)
        #expect(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        let square = plan.sources[1]
        #expect(square.fields.last?.name == "created_at")
        #expect(square.timeColumn == 3)
        #expect(square.fields[2].path == ["data", "object", "inventory_counts"])
        #expect(
            plan.sources[0].fields.map(\.name) == [
                "order_id", "user_id", "card_hash", "amount", "store_id", "ts",
            ])
        #expect(plan.featureViews.map(\.featureColumns) == [[9, 10, 14], [2]])
        #expect(plan.featureViews.map(\.keyColumns) == [[1], [0, 1]])
        #expect(
            plan.services[0].features.map(\.feature) == [
                "orders_1h", "spend_1h", "cards_24h", "quantity",
            ])
        #expect(plan.sinks.filter { $0.id.hasPrefix("features:") }.map(\.inputs.count) == [1, 1])
    }

    @Test func `the repository's own pipelines file is a plan`() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("pipelines.yaml").path
        let file = PlannedFile(path: path, environment: [:])
        #expect(file.problems.map { $0.rendered(in: file.source) } == [])
        #expect(file.plan?.settings.name == "marketplace")
    }

    @Test func `a plan means the same wherever its file is`() {
        let text = ErrorExample.base.replacing(
            "from: {topic: orders, connection: local}", with: "from: {files: in, connection: disk}")
        let plans = ["pipelines.yaml", "/srv/shop/pipelines.yaml", "./x/pipelines.yaml"].map {
            PlannedFile(
                file: $0, text: text, variables: Variables(environment: [:], readFile: { _ in nil })
            ).plan
        }
        #expect(Set(plans.map { $0?.fingerprint }).count == 1)
        #expect(
            plans.map { $0?.sources[0].location } == [
                .files(path: "./exports/in"), .files(path: "/srv/shop/exports/in"),
                .files(path: "./x/exports/in"),
            ])
        #expect(plans[1]?.settings.stateDirectory == "/srv/shop/data/state")
    }
}
