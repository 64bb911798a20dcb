import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// `examples/matching.yaml`, by numbers worked out by hand.
@Suite struct MatchingTests {
    /// Miles of one degree of latitude: 6371.0088 km · π / 180 / 1.609344.
    private static let degree = 6371.0088 * Double.pi / 180 / 1.609344
    private static let hour: Int64 = 3_600_000_000

    private func lookup(
        _ house: FeatureHouse, _ features: String, _ entities: String
    ) throws -> Answered {
        var answered: Answered?
        try house.serve { ask in
            answered = try Answered(
                try ask("/get-online-features", "{\(features), \"entities\": {\(entities)}}"))
        }
        return try #require(answered)
    }

    /// A shopper so many miles north of the store, who was assigned so many hours ago.
    private func shopper(
        _ id: Int64, miles: Double, online: Bool = true, pause: Bool = false, orders: Int64 = 0,
        hours: Double? = nil
    ) -> [FeatureValue] {
        [
            .integer(id), .number(40 + miles / MatchingTests.degree), .number(-74), .bool(online),
            .bool(pause), .integer(orders),
            hours.map { .integer(FeatureHouse.noon - Int64($0 * Double(MatchingTests.hour))) }
                ?? .null,
        ]
    }

    private func shoppers() throws -> FeatureHouse {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        try house.write(
            "shopper_state",
            [
                shopper(1, miles: 0, hours: 2), shopper(2, miles: 2.5, hours: 1),
                shopper(3, miles: 4.9), shopper(4, miles: 5.1), shopper(5, miles: 1, online: false),
                shopper(6, miles: 1, pause: true), shopper(7, miles: 1, orders: 3),
                shopper(8, miles: 1, orders: 2, hours: 9), shopper(9, miles: 0, hours: 2),
            ])
        try house.write(
            "shopper_record",
            [
                [.integer(1), .number(5), .number(1), .number(1), .number(60), .number(90)],
                [.integer(2), .number(4), .number(0.5), .number(0.9), .number(60), .number(90)],
                [.integer(9), .number(5), .number(1), .number(1), .number(60), .number(90)],
            ])
        return house
    }

    private let order =
        "\"store_latitude\": 40, \"store_longitude\": -74, \"finish_minutes\": 30, \"window_minutes\": 60"

    private func rank(_ house: FeatureHouse, _ body: String) throws -> [String: Any] {
        var result: [String: Any] = [:]
        try house.serve { ask in
            let answer = try ask("/rank/shopper_selection", body)
            try #require(answer.status == 200, "\(answer.body)")
            let parsed = try JSONSerialization.jsonObject(with: Data(answer.body.utf8))
            result = try #require(parsed as? [String: Any])
        }
        return result
    }

    @Test func `shoppers within five miles, at work and with fewer than three orders are ranked`()
        throws
    {
        let candidates = (1...10).map { "{\"shopper_id\": \($0)}" }.joined(separator: ", ")
        let ranked = try rank(
            try shoppers(), "{\"candidates\": [\(candidates)], \"request\": {\(order)}}")
        #expect(ranked["candidates"] as? Int == 10)
        #expect(ranked["excluded"] as? Int == 5)
        let results = try #require(ranked["results"] as? [[String: Any]])
        let ids = results.compactMap { ($0["keys"] as? [String: Int])?["shopper_id"] }
        // 1 and 9 are alike: the one that was given first comes first.
        #expect(ids == [1, 9, 8, 2, 3])
        // 8 has no record: 4 stars, 0.8 and 0.9 stand in.
        let stood = 0.5 * 4 / 5 + 0.3 * 0.8 + 0.2 * 0.9
        let second = 0.35 * 0.5 + 0.30 * (0.5 * 4 / 5 + 0.3 * 0.5 + 0.2 * 0.9) + 0.20 + 0.15 * 0.5
        expectClose(
            results.map { $0["score"] as? Double },
            [
                1, 1, 0.35 * 0.8 + 0.30 * stood + 0.20 + 0.15, second,
                0.35 * 0.02 + 0.30 * stood + 0.20 + 0.15,
            ])
    }

    @Test func `the parts of a score are told, the best few are enough, and a score may be named`()
        throws
    {
        let ranked = try rank(
            try shoppers(),
            "{\"entities\": {\"shopper_id\": [2, 1]}, \"request\": {\(order)}, \"top\": 1, \"parts\": true,"
                + "\"by\": \"shopper_selection:fairness\"}")
        let results = try #require(ranked["results"] as? [[String: Any]])
        #expect(results.count == 1)
        #expect(results[0]["candidate"] as? Int == 1)
        let parts = try #require(results[0]["parts"] as? [String: Any])
        #expect(parts["distance"] as? Double == 1)
        #expect(parts["fairness"] as? Double == 1)
        #expect(parts["is_candidate"] as? Bool == true)
        #expect((results[0]["statuses"] as? [String: String])?.isEmpty == true)
        #expect(ranked["ranked_by"] as? String == "shopper_selection:fairness")
    }

    @Test func `a batch is worth up to 0.3, above a compatibility of 0.7 only`() throws {
        let house = try shoppers()
        func bonus(_ compatibility: Double, _ batch: Double, _ single: Double) throws -> Double? {
            try lookup(
                house, "\"features\": [\"shopper_selection:batch_bonus\"]",
                "\"shopper_id\": [1], \"store_latitude\": [40], \"store_longitude\": [-74], "
                    + "\"finish_minutes\": [70], \"window_minutes\": [60], \"compatibility\": [\(compatibility)], "
                    + "\"batch_earnings_per_hour\": [\(batch)], \"single_earnings_per_hour\": [\(single)]"
            ).numbers("batch_bonus")[0]
        }
        expectClose(
            [
                try bonus(0.7, 30, 20), try bonus(0.71, 30, 20), try bonus(0.71, 90, 20),
                try bonus(0.71, 10, 20), try bonus(0.71, 10, 0),
            ], [0, 0.15, 0.3, 0, 0])
    }

    private func batch(
        stores: [String] = ["a", "a"], storeMiles: [Double] = [0, 0],
        deliveries: [Double] = [0.01, 0.02], overlap: Double = 60, items: Int = 59,
        weights: String = ""
    ) -> String {
        func list(_ values: [Double]) -> String {
            "[[\(values.map { "\($0)" }.joined(separator: ", "))]]"
        }
        let ids = stores.map { "\"\($0)\"" }.joined(separator: ", ")
        return
            "\"store_ids\": [[\(ids)]], \"store_latitudes\": "
            + list(storeMiles.map { 40 + $0 / MatchingTests.degree })
            + ", \"store_longitudes\": \(list(storeMiles.map { _ in -74 })), \"delivery_latitudes\": "
            + list(deliveries.map { 40 + $0 })
            + ", \"delivery_longitudes\": \(list(deliveries.map { _ in -74 })), "
            + "\"overlap_minutes\": [\(overlap)], \"items\": [\(items)]\(weights)"
    }

    @Test func `a batch is compatible by five scores and their weights`() throws {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        let all = "\"feature_service\": \"batching\""
        let good = try lookup(house, all, batch())
        // One store; addresses 0.01 degrees apart; the way by both is two thirds of the ways one by one.
        let location = 1 - 0.01 * MatchingTests.degree / 10
        expectClose(good.numbers("location_score"), [location])
        expectClose(good.numbers("route_ratio"), [2.0 / 3])
        expectClose(good.numbers("route_score"), [1])
        expectClose(good.numbers("compatibility"), [0.982727])
        #expect(good.bools("is_good") == [true])
        for (items, score) in [(59, 1.0), (60, 0.7), (80, 0.7), (81, 0.3)] {
            let answer = try lookup(house, all, batch(items: items))
            expectClose(answer.numbers("size_score"), [score])
            #expect(answer.bools("is_feasible") == [items <= 80])
        }
        for (overlap, score) in [(90.0, 1.0), (60, 1), (45, 0.75), (0, 0)] {
            let answer = try lookup(house, all, batch(overlap: overlap))
            expectClose(answer.numbers("time_score"), [score])
            #expect(answer.bools("is_feasible") == [overlap >= 60])
        }
        for (miles, score) in [(0.0, 0.7), (0.99, 0.7), (1.01, 0.3)] {
            let answer = try lookup(
                house, all, batch(stores: ["a", "b"], storeMiles: [0, miles]))
            expectClose(answer.numbers("store_score"), [score])
        }
        // Opposite ways: by both is three times the way to one, one by one is twice; never below nothing.
        let apart = try lookup(house, all, batch(deliveries: [0.01, -0.01]))
        expectClose(apart.numbers("route_ratio"), [1.5])
        expectClose(apart.numbers("route_score"), [0])
        let far = try lookup(house, all, batch(deliveries: [0, 0.15]))
        expectClose(far.numbers("location_score"), [0])
        #expect(far.bools("is_feasible") == [false])
        let four = try lookup(
            house, all,
            batch(
                stores: ["a", "a", "a", "a"], storeMiles: [0, 0, 0, 0],
                deliveries: [0.03, 0.01, 0.04, 0.02]))
        expectClose(four.numbers("route_ratio"), [0.4])
        #expect(four.bools("is_feasible") == [false])
    }

    @Test func `0.7 is not more than 0.7`() throws {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        func isGood(_ storeWeight: Double) throws -> (Double?, Bool?) {
            let weights =
                ", \"store_weight\": [\(storeWeight)], \"location_weight\": [0], \"time_weight\": [0], "
                + "\"size_weight\": [0], \"route_weight\": [0]"
            let answer = try lookup(
                house, "\"feature_service\": \"batching\"",
                batch(stores: ["a", "b"], storeMiles: [0, 0.5], weights: weights))
            return (answer.numbers("compatibility")[0], answer.bools("is_good")[0])
        }
        #expect(try isGood(1) == (0.7, false))
        #expect(try isGood(1.01) == (0.707, true))
    }

    @Test func `a substitute is ranked by what is found, accepted and paid, and three are offered`()
        throws
    {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        func pair(_ product: String, _ offers: Int64, _ accepts: Int64, _ likeness: Double)
            -> [FeatureValue]
        {
            [
                .text(Array("milk".utf8)), .text(Array(product.utf8)), .integer(offers),
                .integer(accepts), .number(likeness),
            ]
        }
        func stock(_ product: String, _ found: Double) -> [FeatureValue] {
            [
                .text(Array("s1".utf8)), .text(Array(product.utf8)), .number(5), .number(found),
                .null, .null,
            ]
        }
        try house.write(
            "substitution_pair", [pair("a", 8, 7, 0.9), pair("b", 8, 7, 0.9), pair("c", 0, 0, 0.9)])
        try house.write("item_stock", [stock("a", 0.9), stock("b", 0.9), stock("d", 0)])
        let prices = ["a": 1.05, "b": 1.0, "c": 0.9, "d": 1.0, "e": 1.1, "f": 1.11]
        let candidates = prices.keys.sorted().map {
            "{\"product_id\": \"\($0)\", \"price\": \(prices[$0]!)}"
        }.joined(separator: ", ")
        var ranked: [String: Any] = [:]
        try house.serve { ask in
            let answer = try ask(
                "/rank/substitutes",
                "{\"candidates\": [\(candidates)], \"parts\": true, \"request\": "
                    + "{\"original_id\": \"milk\", \"store_id\": \"s1\", \"original_price\": 1.0}}")
            try #require(answer.status == 200, "\(answer.body)")
            ranked = try #require(
                try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
        }
        // d is never found, f costs more than a tenth more; e is the fourth of four.
        #expect(ranked["excluded"] as? Int == 2)
        let results = try #require(ranked["results"] as? [[String: Any]])
        #expect(
            results.compactMap { ($0["keys"] as? [String: String])?["product_id"] } == [
                "b", "a", "c",
            ])
        // (7 + 1) / (8 + 2) accepted; c was never offered, so half; a costs half of what is allowed more.
        expectClose(
            results.map { $0["score"] as? Double },
            [
                0.9 * (0.5 * 0.8 + 0.3 * 0.9 + 0.2), 0.9 * (0.5 * 0.8 + 0.3 * 0.9 + 0.2 * 0.5),
                0.9 * (0.5 * 0.5 + 0.3 * 0.9 + 0.2),
            ])
        let parts = results.compactMap { $0["parts"] as? [String: Any] }
        #expect(parts.map { $0["costs_more"] as? Bool } == [false, true, false])
    }

    @Test func `stock is low above 70 % within four hours, and not at either number itself`() throws
    {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        let levels: [(String, Double?, Double?, Double?, String?)] = [
            ("a", 9, 0.71, 3.9, "Low Stock"), ("b", 9, 0.70, 3.9, "In Stock"),
            ("c", 9, 0.71, 4.0, "In Stock"), ("d", 0, 0.99, 0, "Out of Stock"),
            ("e", 9, nil, nil, "In Stock"), ("f", nil, 0.1, 9, nil),
        ]
        func value(_ number: Double?) -> FeatureValue { number.map { .number($0) } ?? .null }
        try house.write(
            "item_stock",
            levels.map { id, quantity, probability, hours, _ in
                [
                    .text(Array("s".utf8)), .text(Array(id.utf8)), value(quantity), .number(1),
                    value(probability), value(hours),
                ]
            })
        let answer = try lookup(
            house, "\"feature_service\": \"availability\"",
            "\"store_id\": [\"s\", \"s\", \"s\", \"s\", \"s\", \"s\"], "
                + "\"product_id\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]")
        #expect(answer.texts("label") == levels.map(\.4))
        #expect(answer.statuses["label"]?[0] == "PRESENT")
        #expect(answer.statuses["label"]?[5] == "NULL_VALUE")
    }

    @Test func `an arrival is the sum of its parts, with a range`() throws {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        let ask =
            "\"shopper_id\": [1], \"store_id\": [\"s\"], \"items_left\": [20], \"drive_minutes\": [15], \"stops_before\": [1]"
        // Defaults: a minute an item (1.5 at most), six at the checkout (five to seven), five at each door.
        var answer = try lookup(house, "\"feature_service\": \"eta\"", ask)
        expectClose(answer.numbers("minutes"), [20 + 6 + 15 + 10])
        expectClose(answer.numbers("earliest"), [20 + 5 + 15 + 10])
        expectClose(answer.numbers("latest"), [30 + 7 + 15 + 10])
        try house.write(
            "shopper_record",
            [[.integer(1), .number(5), .number(1), .number(1), .number(30), .number(45)]])
        try house.write("store_checkout", [[.text(Array("s".utf8)), .number(9)]])
        answer = try lookup(house, "\"feature_service\": \"eta\"", ask)
        expectClose(answer.numbers("minutes"), [10 + 9 + 15 + 10])
        expectClose(answer.numbers("latest"), [15 + 9 + 15 + 10])
    }

    @Test func `a slot takes shoppers times batch times 0.85, and costs more from 85 % on`() throws
    {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        let slot = FeatureHouse.noon
        let zones: [(String, Double, Int64, String, Double, Double)] = [
            ("urban", 10, 10, "urban", 21.25, 1.0), ("suburb", 10, 0, "suburban", 10.2, 1.0),
            ("mixed", 10, 0, "mixed", 15.3, 1.0), ("brink", 160, 289, "urban", 340, 1.0),
            ("busy", 10, 20, "urban", 21.25, 1.2 + 0.8 * (20 / 21.25 - 0.85) / 0.15),
            ("full", 10, 22, "urban", 21.25, 2.0),
        ]
        try house.write(
            "zone_slot",
            zones.map { name, shoppers, bookings, area, _, _ in
                [
                    .text(Array(name.utf8)), .integer(slot), .number(shoppers), .integer(bookings),
                    .text(Array(area.utf8)),
                ]
            })
        let names = zones.map { "\"\($0.0)\"" }.joined(separator: ", ")
        let times = zones.map { _ in "\(slot / 1_000_000)" }.joined(separator: ", ")
        let answer = try lookup(
            house, "\"feature_service\": \"slots\"",
            "\"zone_id\": [\(names)], \"slot_start\": [\(times)]")
        expectClose(answer.numbers("capacity"), zones.map(\.4))
        expectClose(answer.numbers("surge"), zones.map(\.5))
        expectClose(
            answer.numbers("free"), zones.map { max(0, $0.4 - Double($0.2)) })
        #expect(answer.bools("is_open") == [true, true, true, true, true, false])
    }
}
