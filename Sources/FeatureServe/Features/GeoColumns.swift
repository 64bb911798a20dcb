/// Which features of a view say where its entities are, so that lookups find those near a place.
public struct GeoColumns: Hashable, Sendable {
    /// The feature that is the latitude, in degrees north.
    public var latitude: String
    /// The feature that is the longitude, in degrees east.
    public var longitude: String
    /// The most entities that are kept findable: what bounds the index in memory.
    public var entitiesMax: Int

    /// Entities when nothing else is said: some 100 MB.
    public static let usualEntitiesMax = 1_000_000

    /// The places of a view's entities are in these of its features.
    public init(latitude: String, longitude: String, entitiesMax: Int = usualEntitiesMax) {
        self.latitude = latitude
        self.longitude = longitude
        self.entitiesMax = entitiesMax
    }
}
