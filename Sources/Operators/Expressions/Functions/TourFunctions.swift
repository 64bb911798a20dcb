import Glibc
import StreamRuntime

/// Lengths of the shortest way through a few places.
enum TourFunctions {
    /// Stops after the first place: 8 · 8 · 2^8 steps a row at most, so that a bad request costs little.
    static let stopsMax = 8
    /// Places a spread is taken of: 128 · 127 / 2 distances a row at most.
    static let spreadMax = 128

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "tour_length", "tour_length(distances)",
            "The length of the shortest way from the first place through all others, which ends at the last "
                + "one visited. `distances` has a row for each place with the distance to each; exact, for up to "
                + "eight places after the first.",
            "tour_length([[0, 4, 1], [4, 0, 2], [1, 2, 0]])", "3.0"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "tour_length(distances)")
            let matrix = try Coercion.implicit(
                arguments[0].node, as: .list(.list(.float64)), at: arguments[0].range)
            return KernelNode(type: .float64, [matrix]) { lengths($0) }.folded
        },
        ofPlaces(
            "tour_km", "kilometres", "round(tour_km([52.5, 48.9, 50.8], [13.4, 2.4, 4.4]), 0)",
            "904.0", GeoFunctions.earthRadiusKilometres),
        ofPlaces(
            "tour_miles", "miles",
            "round(tour_miles([40.7, 34.1, 41.9], [-74.0, -118.2, -87.6]), 0)", "2450.0",
            GeoFunctions.earthRadiusKilometres / GeoFunctions.kilometresPerMile),
        spread(
            "spread_km", "kilometres", "round(spread_km([52.5, 48.9, 50.8], [13.4, 2.4, 4.4]), 0)",
            "871.0", GeoFunctions.earthRadiusKilometres),
        spread(
            "spread_miles", "miles", "spread_miles([40.7], [-74.0])", "0.0",
            GeoFunctions.earthRadiusKilometres / GeoFunctions.kilometresPerMile),
    ]

    private static func spread(
        _ name: String, _ unit: String, _ example: String, _ result: String, _ radius: Double
    ) -> ScalarFunction {
        let signature = "\(name)(latitudes, longitudes)"
        return ScalarFunction(
            name, signature,
            "The largest distance in \(unit) between any two of the places; 0 of one or none.",
            example,
            result
        ) { (arguments, range) throws(ExpressionError) in
            KernelNode(type: .float64, try places(arguments, range, signature)) { call in
                measure(call, placesMax: spreadMax) { places in
                    var largest = 0.0
                    for from in 0..<places.count {
                        for to in 0..<from {
                            largest = max(largest, places.distance(from, to, radius))
                        }
                    }
                    return largest
                }
            }.folded
        }
    }

    private static func ofPlaces(
        _ name: String, _ unit: String, _ example: String, _ result: String, _ radius: Double
    ) -> ScalarFunction {
        let signature = "\(name)(latitudes, longitudes)"
        return ScalarFunction(
            name, signature,
            "The length in \(unit) of the shortest way from the first place through all others, by "
                + "great circles; exact, for up to eight places after the first.",
            example, result
        ) { (arguments, range) throws(ExpressionError) in
            KernelNode(type: .float64, try places(arguments, range, signature)) { call in
                let tour = ShortestTour(stopsMax: stopsMax)
                return measure(call, placesMax: stopsMax + 1) { places in
                    for from in 0..<places.count {
                        for to in 0..<places.count {
                            tour.set(from, to, places.distance(from, to, radius))
                        }
                    }
                    return tour.length(places: places.count)
                }
            }.folded
        }
    }

    /// By a list of rows of distances.
    private static func lengths(_ call: KernelCall) -> Column {
        let (result, live) = call.result()
        let tour = ShortestTour(stopsMax: stopsMax)
        let rows = call.arguments[0].children[0]
        let values = rows.children[0]
        let numbers = values.float64s
        for row in 0..<call.count where live[row] != 0 {
            let view = call.arguments[0].views[row]
            let start = ByteView.start(view)
            let count = ByteView.length(view)
            guard count <= stopsMax + 1 else {
                call.fail(row, live, tooMany(count))
                continue
            }
            var isGood = true
            for from in 0..<count {
                let line = rows.views[start + from]
                let first = ByteView.start(line)
                guard rows.isValid(start + from), ByteView.length(line) == count else {
                    isGood = false
                    break
                }
                for to in 0..<count {
                    isGood = isGood && values.isValid(first + to)
                    tour.set(from, to, numbers[first + to])
                }
            }
            guard isGood else {
                call.fail(
                    row, live, "the distances of a tour are not one number for each two places")
                continue
            }
            result.float64s[row] = tour.length(places: count)
        }
        return result
    }

    private static func places(
        _ arguments: [ScalarFunction.Argument], _ range: Range<Int>, _ signature: String
    ) throws(ExpressionError) -> [ExpressionNode] {
        try ConditionFunctions.require(arguments, range, 2...2, signature)
        var nodes: [ExpressionNode] = []
        for argument in arguments {
            nodes.append(
                try Coercion.implicit(argument.node, as: .list(.float64), at: argument.range))
        }
        return nodes
    }

    /// The places of one row.
    private struct Places {
        let latitudes: UnsafePointer<Double>
        let longitudes: UnsafePointer<Double>
        let count: Int

        func distance(_ from: Int, _ to: Int, _ radius: Double) -> Double {
            GeoFunctions.distance(
                latitudes[from], longitudes[from], latitudes[to], longitudes[to], radius)
        }
    }

    /// What `body` makes of each row's latitudes and longitudes.
    private static func measure(
        _ call: KernelCall, placesMax: Int, _ body: (Places) -> Double
    ) -> Column {
        let (result, live) = call.result()
        let latitudes = call.arguments[0].children[0]
        let longitudes = call.arguments[1].children[0]
        for row in 0..<call.count where live[row] != 0 {
            let north = call.arguments[0].views[row]
            let east = call.arguments[1].views[row]
            let count = ByteView.length(north)
            guard ByteView.length(east) == count, count <= placesMax else {
                call.fail(
                    row, live,
                    ByteView.length(east) == count
                        ? "\(count) places; at most \(placesMax)"
                        : "there are \(count) latitudes and \(ByteView.length(east)) longitudes")
                continue
            }
            let up = ByteView.start(north)
            let along = ByteView.start(east)
            var isGood = true
            for place in 0..<count {
                isGood =
                    isGood && latitudes.isValid(up + place) && longitudes.isValid(along + place)
                    && Swift.abs(latitudes.float64s[up + place]) <= 90
            }
            guard isGood else {
                call.fail(row, live, "a place is null, or its latitude not between -90 and 90")
                continue
            }
            result.float64s[row] = body(
                Places(
                    latitudes: latitudes.float64s + up, longitudes: longitudes.float64s + along,
                    count: count))
        }
        return result
    }

    private static func tooMany(_ count: Int) -> String {
        "a tour of \(count) places; at most \(stopsMax + 1)"
    }
}

/// Finds the shortest open way through a few places.
///
/// - Source: Held and Karp, "A dynamic programming approach to sequencing problems" (1962): the best way that
///   has visited a set of stops and stands at one of them, for every set. It considers every order.
private final class ShortestTour {
    private let stride: Int
    private let distances: UnsafeMutablePointer<Double>
    private let best: UnsafeMutablePointer<Double>

    init(stopsMax: Int) {
        stride = stopsMax + 1
        distances = .allocate(capacity: stride * stride)
        best = .allocate(capacity: stopsMax << stopsMax)
    }

    deinit {
        distances.deallocate()
        best.deallocate()
    }

    func set(_ from: Int, _ to: Int, _ distance: Double) {
        distances[from &* stride &+ to] = distance
    }

    /// The length for the first `places` places; none or one need no way.
    func length(places: Int) -> Double {
        let stops = places - 1
        guard stops > 0 else { return 0 }
        let sets = 1 << stops
        var visited = 1
        while visited < sets {
            var last = 0
            while last < stops {
                let bit = 1 << last
                if visited & bit != 0 {
                    let before = visited ^ bit
                    var least = before == 0 ? distances[last + 1] : Double.infinity
                    var previous = 0
                    while previous < stops {
                        if before & (1 << previous) != 0 {
                            least = min(
                                least,
                                best[before &* stops &+ previous]
                                    + distances[(previous &+ 1) &* stride &+ last &+ 1])
                        }
                        previous &+= 1
                    }
                    best[visited &* stops &+ last] = least
                }
                last &+= 1
            }
            visited &+= 1
        }
        var least = Double.infinity
        for last in 0..<stops { least = min(least, best[(sets - 1) * stops + last]) }
        return least
    }
}
