import FeatureServe
import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Lookups and rankings of what is near, through the server.
@Suite struct NearServingTests {
    private static let text = """
        version: 1
        entities:
          shopper: {keys: {shopper_id: string}}
          store: {keys: {store_id: int64}}
        feature_views:
          shopper_state:
            entity: shopper
            ttl: 10m
            geo: {latitude: latitude, longitude: longitude, entities: 500000}
            features: [{name: latitude, type: double}, {name: longitude, type: double}, {name: rating, type: double}]
          store_state:
            entity: store
            features: [{name: bonus, type: double}]
        on_demand:
          match:
            request: {distance_miles: double, weight: {type: double, default: 1}}
            select:
              score: shopper_state.rating * weight + store_state.bonus - distance_miles
              is_near: distance_miles < 4
            rank: {by: score, where: is_near}
        services:
          matching: [match, "shopper_state:rating"]

        """

    private func house() throws -> FeatureHouse {
        let house = try FeatureHouse(text: NearServingTests.text)
        func shopper(_ id: String, _ latitude: Double, _ rating: Double) -> [FeatureValue] {
            [.text(Array(id.utf8)), .number(latitude), .number(-74), .number(rating)]
        }
        // A degree of latitude is 69.09 miles.
        try house.write(
            "shopper_state",
            [
                shopper("near", 40.71, 1), shopper("good", 40.74, 9), shopper("far", 40.76, 99),
                shopper("away", 41.7, 99),
            ])
        try house.write("store_state", [[.integer(5), .number(0.5)]])
        return house
    }

    @Test func `candidates near a place are computed with their distance, and what holds for all`()
        throws
    {
        try house().serve { ask in
            let answer = try Answered(
                try ask(
                    "/get-online-features",
                    """
                    {"features": ["match:score", "shopper_state:rating"],
                     "near": {"view": "shopper_state", "latitude": 40.7, "longitude": -74, "miles": 5},
                     "entities": {"store_id": [5], "weight": [2]}}
                    """))
            #expect(
                answer.names == ["shopper_id", "store_id", "score", "rating", "distance_miles"])
            #expect(answer.texts("shopper_id") == ["near", "good", "far"])
            #expect(answer.numbers("store_id") == [5, 5, 5])
            let miles = answer.numbers("distance_miles").compactMap { $0 }
            #expect(zip(miles, [0.69, 2.76, 4.15]).allSatisfy { abs($0 - $1) < 0.01 }, "\(miles)")
            expectClose(
                answer.numbers("score"), zip([1.0, 9, 99], miles).map { $0 * 2 + 0.5 - $1 })
        }
    }

    @Test func `a ranking takes its candidates from a place`() throws {
        try house().serve { ask in
            let answer = try ask(
                "/rank/matching",
                """
                {"near": {"view": "shopper_state", "latitude": 40.7, "longitude": -74, "miles": 5},
                 "request": {"store_id": 5}}
                """)
            #expect(answer.status == 200)
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
            #expect(object["candidates"] as? Int == 3)
            #expect(object["excluded"] as? Int == 1)
            let results = try #require(object["results"] as? [[String: Any]])
            let names = results.map { ($0["keys"] as? [String: Any])?["shopper_id"] as? String }
            #expect(names == ["good", "near"])
            let miles = try #require(results.first?["distance_miles"] as? Double)
            #expect(abs(miles - 2.76) < 0.01)
            let nobody = try ask(
                "/rank/matching",
                """
                {"near": {"view": "shopper_state", "latitude": 0, "longitude": 0, "miles": 5},
                 "request": {"store_id": 5}, "parts": true}
                """)
            #expect(nobody.status == 200)
            #expect(nobody.body.contains("\"candidates\":0,\"excluded\":0,\"results\":[]"))
            let both = try ask(
                "/rank/matching",
                """
                {"near": {"view": "shopper_state", "latitude": 0, "longitude": 0, "miles": 5},
                 "candidates": [{"shopper_id": "near"}]}
                """)
            #expect(both.status == 422)
            #expect(both.body.contains("near finds the candidates"))
        }
    }

    @Test func `the example's shoppers are found, and ranked as if they had been named`() throws {
        let house = try FeatureHouse(file: "examples/matching.yaml")
        let names = try #require(house.store.catalog.view("shopper_state")).features.map(\.name)
        func shopper(_ id: Int64, _ latitude: Double) -> [FeatureValue] {
            [.integer(id)]
                + names.map { name in
                    switch name {
                    case "latitude": .number(latitude)
                    case "longitude": .number(-74)
                    case "is_online": .bool(true)
                    case "is_on_break": .bool(false)
                    case "active_orders": .integer(1)
                    default: .null
                    }
                }
        }
        try house.write(
            "shopper_state", [shopper(1, 40.73), shopper(2, 40.71), shopper(3, 41.9)])
        try house.serve { ask in
            let request =
                "\"request\": {\"store_latitude\": 40.7, \"store_longitude\": -74, "
                + "\"finish_minutes\": 35, \"window_minutes\": 60}"
            let near = try ask(
                "/rank/shopper_selection",
                """
                {"near": {"view": "shopper_state", "latitude": 40.7, "longitude": -74, "miles": 5}, \(request)}
                """)
            let named = try ask(
                "/rank/shopper_selection",
                "{\"candidates\": [{\"shopper_id\": 2}, {\"shopper_id\": 1}], \(request)}")
            func results(_ answer: HTTPAsk.Answer) throws -> [[String]] {
                let object =
                    try JSONSerialization.jsonObject(with: Data(answer.body.utf8))
                    as? [String: Any]
                return try #require(object?["results"] as? [[String: Any]], "\(answer.body)").map {
                    ["\($0["keys"] ?? "")", "\($0["score"] ?? "")", "\($0["candidate"] ?? "")"]
                }
            }
            #expect(try results(near).count == 2)
            #expect(try results(near) == results(named))
        }
    }

    @Test(arguments: [
        ("latitude: lat", "has no feature \"lat\" to be found by"),
        ("latitude: name", "\"name\" is not degrees"),
    ])
    func `places that are none are told of before anything starts`(geo: String, problem: String)
        throws
    {
        let file = planned(
            """
            version: 1
            entities:
              shopper: {keys: {shopper_id: int64}}
            feature_views:
              shopper_state:
                entity: shopper
                geo: {\(geo), longitude: longitude}
                features: [{name: latitude, type: double}, {name: longitude, type: double}, {name: name, type: string}]

            """)
        let problems = file.problems.map { $0.rendered(in: file.source) }.joined()
        #expect(problems.contains(problem), "\(problems)")
    }
}
