import StreamRuntime

/// Features of one entity that are written together, by one pipeline, and age together.
public struct FeatureView: Hashable, Sendable {
    /// The name lookups use before the colon.
    public let name: String
    /// The name of the entity the features are about.
    public let entity: String
    /// The features and their types, in the order they are kept.
    public let features: [Field]
    /// How long after its event time a value counts as current, in microseconds; 0 is forever.
    public let ttlMicros: Int64

    /// A view called `name` of `features` of `entity`, current for `ttlMicros`.
    public init(name: String, entity: String, features: [Field], ttlMicros: Int64 = 0) {
        self.name = name
        self.entity = entity
        self.features = features
        self.ttlMicros = ttlMicros
    }

    /// Types a feature may have: every scalar but an interval, and lists of them.
    public static func accepts(_ type: ColumnType) -> Bool {
        switch type {
        case .interval, .structure: false
        case .list(let element): accepts(element)
        default: true
        }
    }
}
