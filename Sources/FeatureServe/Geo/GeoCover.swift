import Glibc

/// The Earth's surface in cells of a fiftieth of a degree, numbered row by row from the south.
enum GeoGrid {
    static let perDegree = 50.0
    static let rows = 9000
    static let columns = 18_000

    @inline(__always)
    static func row(_ latitude: Double) -> Int {
        min(max(Int(((latitude + 90) * perDegree).rounded(.down)), 0), rows - 1)
    }

    /// The column of any longitude, which may be beyond 180 degrees on either side.
    @inline(__always)
    static func column(_ longitude: Double) -> Int {
        Int(((longitude + 180) * perDegree).rounded(.down))
    }

    @inline(__always)
    static func cell(_ latitude: Double, _ longitude: Double) -> UInt32 {
        UInt32(row(latitude) &* columns &+ column(longitude) % columns)
    }
}

/// A circle on the globe, and the cells it reaches.
///
/// - Units: degrees and miles, on a sphere of the Earth's mean radius (IUGG: 6371.0088 km).
struct GeoCover {
    static let radiusMiles = 6371.0088 / 1.609344
    private static let radian = Double.pi / 180
    /// More than the rounding of any of the steps, in degrees: a ten-thousandth of an inch.
    private static let margin = 1e-9

    let latitude: Double
    let longitude: Double
    let cosine: Double
    /// No row beyond these miles counts.
    var miles: Double
    /// Degrees north or south, and east or west, beyond which nothing is within `miles`.
    private(set) var latitudeReach = 0.0
    private(set) var longitudeReach = 0.0

    init(latitude: Double, longitude: Double, miles: Double) {
        self.latitude = latitude
        self.longitude = longitude
        self.miles = miles
        cosine = cos(latitude * GeoCover.radian)
        shrink(to: miles)
    }

    /// Makes the circle no larger than `miles`.
    mutating func shrink(to miles: Double) {
        self.miles = miles
        let angle = miles / GeoCover.radiusMiles
        latitudeReach = angle / GeoCover.radian * (1 + 1e-12) + GeoCover.margin
        let reachesPole = abs(latitude) + latitudeReach >= 90 - GeoCover.margin
        let sine = sin(min(angle, Double.pi / 2)) / cosine
        longitudeReach =
            reachesPole || sine >= 1
            ? 180 : asin(sine) / GeoCover.radian * (1 + 1e-9) + GeoCover.margin
    }

    /// The great-circle distance of a place whose latitude has this cosine.
    @inline(__always)
    func distance(_ otherLatitude: Double, _ otherLongitude: Double, _ otherCosine: Double)
        -> Double
    {
        let up = sin((otherLatitude - latitude) * GeoCover.radian / 2)
        let along = sin((otherLongitude - longitude) * GeoCover.radian / 2)
        let chord = up * up + cosine * otherCosine * along * along
        return 2 * GeoCover.radiusMiles * asin(min(1, chord.squareRoot()))
    }

    /// Whether a place may be within the circle; false only where it certainly is not.
    @inline(__always)
    func mayReach(_ otherLatitude: Double, _ otherLongitude: Double) -> Bool {
        guard abs(otherLatitude - latitude) <= latitudeReach else { return false }
        let apart = abs(otherLongitude - longitude)
        return min(apart, 360 - apart) <= longitudeReach
    }

    static func cosine(_ latitude: Double) -> Double { cos(latitude * radian) }

    /// The rows of cells the circle reaches.
    var rows: ClosedRange<Int> {
        GeoGrid.row(latitude - latitudeReach)...GeoGrid.row(latitude + latitudeReach)
    }

    /// The columns it reaches: from the first on, this many, going round behind the last.
    var columns: (first: Int, count: Int) {
        guard longitudeReach < 180 else { return (0, GeoGrid.columns) }
        let first = GeoGrid.column(longitude - longitudeReach)
        let last = GeoGrid.column(longitude + longitudeReach)
        guard last - first < GeoGrid.columns else { return (0, GeoGrid.columns) }
        return ((first + GeoGrid.columns) % GeoGrid.columns, last - first + 1)
    }
}
