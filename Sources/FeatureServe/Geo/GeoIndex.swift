import StreamRuntime
import Synchronization

/// Where a view's entities are: what is common to the parts that its shards keep.
final class GeoIndex: Sendable {
    let columns: GeoColumns
    let ttlMicros: Int64
    /// Entities that can be found, and those that could not be taken in since the start.
    private let entities = Atomic<Int>(0)
    private let leftOut = Atomic<Int>(0)
    private let memory = Atomic<Int>(0)
    private let types: [ColumnType]
    private let latitude: Int
    private let longitude: Int

    init(_ columns: GeoColumns, of view: FeatureView) {
        self.columns = columns
        ttlMicros = view.ttlMicros
        types = view.features.map(\.type)
        latitude = view.features.firstIndex { $0.name == columns.latitude }!
        longitude = view.features.firstIndex { $0.name == columns.longitude }!
    }

    /// Figures for people.
    var entityCount: Int { entities.load(ordering: .relaxed) }
    var leftOutCount: Int { leftOut.load(ordering: .relaxed) }
    var byteCount: Int { memory.load(ordering: .relaxed) }

    /// Takes a place for one more entity; false when all are taken.
    func enter() -> Bool {
        let count = entities.wrappingAdd(1, ordering: .relaxed).newValue
        guard count > columns.entitiesMax else { return true }
        entities.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    func leave(_ count: Int = 1) { entities.wrappingSubtract(count, ordering: .relaxed) }

    func refuse() { leftOut.wrappingAdd(1, ordering: .relaxed) }

    func note(bytes: Int) { memory.wrappingAdd(bytes, ordering: .relaxed) }

    /// The place that a payload of the view has; nil when it has none, or none on Earth.
    func place(_ payload: UnsafePointer<UInt8>) -> (latitude: Double, longitude: Double)? {
        var reader = PayloadReader(payload, features: types.count)
        guard reader.isPresent(latitude), reader.isPresent(longitude) else { return nil }
        var found = (latitude: Double.nan, longitude: Double.nan)
        var feature = 0
        let last = max(latitude, longitude)
        while feature <= last {
            if feature == latitude {
                found.latitude = reader.number().value
            } else if feature == longitude {
                found.longitude = reader.number().value
            } else if reader.isPresent(feature) {
                reader.skip(types[feature])
            }
            feature &+= 1
        }
        let isOnEarth = abs(found.latitude) <= 90 && abs(found.longitude) <= 180
        return isOnEarth ? found : nil
    }
}
