import StreamRuntime

@testable import FeatureServe

/// A shop with more users than memory holds, whose disk can be made to stand still.
struct ColdShop {
    let rows = StalledRows()
    let store: OnlineStore

    /// Users from 0 on, of which `cold` are at rest; user -5 is in memory for certain, with 55 orders.
    init(history: [String: Int64] = [:], onDemand: [OnDemandView] = []) throws {
        store = try OnlineStore(
            catalog: try FeatureCatalog(
                entities: [Shop.user], views: [Shop.counters],
                services: [
                    FeatureService(name: "best", parts: [.init(view: "score", features: nil)])
                ]
                .filter { _ in !onDemand.isEmpty },
                onDemandViews: onDemand),
            rows: rows, budgetBytes: 64 * 4096,
            provenance: FeatureProvenance(topics: ["clicks"], sources: ["user_counters": [0]]),
            history: history)
        for user in 0..<Int64(4000) {
            try Shop.write([.init(user: user, orders: user, city: "x", at: Shop.noon)], to: store)
        }
        try store.sync()
        try Shop.write([.init(user: -5, orders: 55, city: "y", at: Shop.noon)], to: store)
    }

    static let cold: [Int64] = [0, 1]

    /// The request for a feature of `users`, as Feast's clients encode it.
    static func request(
        _ users: [Int64], _ feature: String = "user_counters:orders_1h"
    ) -> [UInt8] {
        let arena = ByteArena()
        // GetOnlineFeaturesRequest: features = 2, entities = 3.
        ProtoWriter.message(2, to: arena) {
            ProtoWriter.text(1, feature, to: arena)
        }
        ProtoWriter.message(3, to: arena) {
            ProtoWriter.text(1, "user_id", to: arena)
            ProtoWriter.message(2, to: arena) {
                for user in users {
                    ProtoWriter.message(1, to: arena) {
                        ProtoWriter.tag(4, .varint, to: arena)
                        ProtoWriter.varint(UInt64(bitPattern: user), to: arena)
                    }
                }
            }
        }
        return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }

    /// The score is the number of orders.
    static func score() -> OnDemandView {
        struct Copy: OnDemandTransform {
            func evaluate(_ inputs: OnDemandInputs) -> OnDemandResult {
                OnDemandResult(columns: [inputs.stored[0][0]])
            }
        }
        return OnDemandView(
            name: "score", request: [],
            sources: [.init(view: "user_counters", features: ["orders_1h"])],
            definitions: [FeatureDefinition(Field("points", .int64))],
            expressions: ["user_counters.orders_1h"], dependencies: [[0]],
            ranking: .init(score: "points"), sourceHashes: [Shop.counters.definition],
            transform: Copy())
    }
}
