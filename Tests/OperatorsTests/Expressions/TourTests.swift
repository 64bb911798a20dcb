import StreamRuntime
import Testing

@testable import Operators

@Suite struct TourTests {
    @Test func `a tour is as short as the best of all orders`() throws {
        let seed: UInt64 = 20_261_121
        var random = TourRandom(state: seed)
        for places in 1...7 {
            for _ in 0..<6 {
                let distances = (0..<places).map { _ in
                    (0..<places).map { _ in Double(random.next() % 1000) / 8 }
                }
                let matrix = distances.map { "[\($0.map { "\($0)" }.joined(separator: ", "))]" }
                let text = "tour_length([\(matrix.joined(separator: ", "))])"
                let best = shortest(from: 0, Set(1..<places), distances)
                #expect(value(of: text) == "\(best)", "seed \(seed): \(text)")
            }
        }
    }

    private func shortest(from: Int, _ left: Set<Int>, _ distances: [[Double]]) -> Double {
        left.map { distances[from][$0] + shortest(from: $0, left.subtracting([$0]), distances) }
            .min() ?? 0
    }

    @Test(arguments: [
        ("tour_km([52.5], [13.4])", "0.0"), ("tour_km([], [])", "0.0"),
        (
            "round(tour_miles([40.0, 40.02, 40.01], [-74.0, -74.0, -74.0]) - haversine_miles(40.0, -74.0, 40.02, -74.0), 9)",
            "0.0"
        ),
        (
            "round(spread_miles([40.0, 40.02, 40.01], [-74.0, -74.0, -74.0]) - haversine_miles(40.0, -74.0, 40.02, -74.0), 9)",
            "0.0"
        ),
        ("tour_km([1, 2], [1])", "error: there are 2 latitudes and 1 longitudes"),
        ("tour_km([91.0], [1])", "error: a place is null, or its latitude not between -90 and 90"),
        (
            "tour_km([1, null], [1, 2])",
            "error: a place is null, or its latitude not between -90 and 90"
        ),
        ("tour_km([1,1,1,1,1,1,1,1,1,1], [1,1,1,1,1,1,1,1,1,1])", "error: 10 places; at most 9"),
        (
            "tour_length([[0, 1], [1]])",
            "error: the distances of a tour are not one number for each two places"
        ),
        ("tour_km(cast(null as list<double>), [1.0])", "NULL"),
    ])
    func `places that make no tour fail the row`(_ text: String, _ result: String) {
        #expect(value(of: text) == result)
    }
}

private struct TourRandom {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
