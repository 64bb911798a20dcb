import Codecs
import Glibc
import StreamRuntime

/// Distances on the globe, and choices by hash.
enum GeoFunctions {
    /// The mean radius of the Earth.
    ///
    /// - Source: IUGG, (2a + b) / 3 of the WGS 84 ellipsoid.
    static let earthRadiusKilometres = 6371.0088
    static let kilometresPerMile = 1.609344

    /// The great-circle distance of two places on a globe of this radius.
    @inline(__always)
    static func distance(
        _ latitude: Double, _ longitude: Double, _ otherLatitude: Double, _ otherLongitude: Double,
        _ radius: Double
    ) -> Double {
        let radian = Double.pi / 180
        let up = Glibc.sin((otherLatitude - latitude) * radian / 2)
        let along = Glibc.sin((otherLongitude - longitude) * radian / 2)
        let chord =
            up * up + Glibc.cos(latitude * radian) * Glibc.cos(otherLatitude * radian) * along
            * along
        return 2 * radius * Glibc.asin(min(1, chord.squareRoot()))
    }

    @inline(__always)
    private static func haversine(_ call: KernelCall, _ scale: Double) -> Column {
        let latitudes = call.arguments[0].float64s
        let longitudes = call.arguments[1].float64s
        let otherLatitudes = call.arguments[2].float64s
        let otherLongitudes = call.arguments[3].float64s
        let (result, live) = call.result()
        let target = result.float64s
        var row = 0
        while row < call.count {
            if live[row] != 0 {
                let isOnEarth =
                    Swift.abs(latitudes[row]) <= 90 && Swift.abs(otherLatitudes[row]) <= 90
                if isOnEarth {
                    target[row] = distance(
                        latitudes[row], longitudes[row], otherLatitudes[row], otherLongitudes[row],
                        scale)
                } else {
                    call.fail(row, live, "a latitude is not between -90 and 90")
                }
            }
            row &+= 1
        }
        return result
    }

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "haversine_km", "haversine_km(lat1, lon1, lat2, lon2)",
            "The great-circle distance of two points in kilometres.",
            "round(haversine_km(52.52, 13.405, 48.8566, 2.3522), 1)", "877.5",
            [
                Overload([.float64, .float64, .float64, .float64], canFail: true, .float64) {
                    haversine($0, earthRadiusKilometres)
                }
            ]),
        ScalarFunction(
            "haversine_miles", "haversine_miles(lat1, lon1, lat2, lon2)",
            "The great-circle distance of two points in miles.",
            "round(haversine_miles(40.7128, -74.006, 34.0522, -118.2437), 1)", "2445.6",
            [
                Overload([.float64, .float64, .float64, .float64], canFail: true, .float64) {
                    haversine($0, earthRadiusKilometres / kilometresPerMile)
                }
            ]),
        ScalarFunction(
            "hash", "hash(x, …)", "A stable 64-bit hash of the arguments' texts (XXH3).",
            "hash('a') = hash('a')", "true",
            [Overload([.any], rest: .any, .int64) { hashes($0, $0.arguments) }]),
        ScalarFunction(
            "hash_bucket", "hash_bucket(x, …, n)",
            "The arguments' share of n equal shares, from 0; the same for the same arguments for ever.",
            "hash_bucket('user-1', 'test', 1)", "0"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 2...RowChoice.branchesMax, "hash_bucket(x, …, n)")
            var nodes: [ExpressionNode] = []
            for argument in arguments.dropLast() {
                nodes.append(CastKernels.node(argument.node, as: .string))
            }
            let last = arguments[arguments.count - 1]
            nodes.append(try Coercion.implicit(last.node, as: .int64, at: last.range))
            return KernelNode(type: .int64, nodes) { call in
                let (result, live) = call.result()
                let hashed = hashes(call, Array(call.arguments.dropLast()))
                let buckets = call.arguments[call.arguments.count - 1].int64s
                for row in 0..<call.count where live[row] != 0 {
                    guard buckets[row] > 0 else {
                        call.fail(row, live, "hash_bucket into \(buckets[row]) shares")
                        continue
                    }
                    result.int64s[row] = share(hashed.int64s[row], of: buckets[row])
                }
                return result
            }.folded
        },
        ScalarFunction(
            "experiment_variant", "experiment_variant(id, experiment, weights)",
            "Which variant, from 0, of an experiment an id belongs to, in proportion to the weights.",
            "experiment_variant('user-1', 'checkout', [0, 1])", "1"
        ) { (arguments, range) throws(ExpressionError) in
            let signature = "experiment_variant(id, experiment, weights)"
            try ConditionFunctions.require(arguments, range, 3...3, signature)
            let nodes = [
                CastKernels.node(arguments[0].node, as: .string),
                CastKernels.node(arguments[1].node, as: .string),
                try Coercion.implicit(
                    arguments[2].node, as: .list(.float64), at: arguments[2].range),
            ]
            return KernelNode(type: .int64, nodes) { variants($0) }.folded
        },
    ]

    /// `hash` scaled to `0..<count` without bias towards low shares.
    @inline(__always)
    private static func share(_ hash: Int64, of count: Int64) -> Int64 {
        Int64(UInt64(bitPattern: hash).multipliedFullWidth(by: UInt64(count)).high)
    }

    /// Hashes of the texts of `columns`, each with its length before it.
    private static func hashes(_ call: KernelCall, _ columns: [Column]) -> Column {
        let result = Column(.int64, capacity: call.count)
        var bytes: [UInt8] = []
        for row in 0..<call.count {
            bytes.removeAll(keepingCapacity: true)
            for column in columns {
                let start = bytes.count
                bytes.append(contentsOf: [0, 0, 0, 0])
                column.appendValueText(row, to: &bytes)
                let length = UInt32(truncatingIfNeeded: bytes.count - start - 4)
                for index in 0..<4 {
                    bytes[start + index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(index)))
                }
                if !column.isValid(row) { bytes[start + 3] = 0xFF }
            }
            result.int64s[row] = bytes.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.map { Hash.xxh3($0, bytes.count) } ?? 0
            }
        }
        result.setCount(call.count)
        return result
    }

    private static func variants(_ call: KernelCall) -> Column {
        let (result, live) = call.result()
        let hashed = hashes(call, Array(call.arguments[0..<2]))
        let weights = call.arguments[2].children[0]
        for row in 0..<call.count where live[row] != 0 {
            let view = call.arguments[2].views[row]
            let start = ByteView.start(view)
            let length = ByteView.length(view)
            var total = 0.0
            var areGood = length > 0
            for index in start..<(start + length) {
                let weight = weights.isValid(index) ? weights.float64s[index] : -1
                areGood = areGood && weight >= 0 && weight.isFinite
                total += weight
            }
            guard areGood, total > 0 else {
                call.fail(
                    row, live,
                    "the weights of an experiment must be above zero in sum and none below")
                continue
            }
            // 53 bits of the hash as a fraction of one.
            let point = Double(UInt64(bitPattern: hashed.int64s[row]) >> 11) * 0x1p-53 * total
            var variant = 0
            var sum = weights.float64s[start]
            while variant < length - 1, point >= sum {
                variant += 1
                sum += weights.float64s[start + variant]
            }
            result.int64s[row] = Int64(variant)
        }
        return result
    }
}
