import StreamRuntime

/// Features of one entity that are written together and age together.
public struct FeatureView: Hashable, Sendable {
    /// The name lookups use before the colon.
    public let name: String
    /// The name of the entity the features are about.
    public let entity: String
    /// The features' names and types, in the order they are kept.
    public let features: [Field]
    /// The features with all that is declared of them, in the same order.
    public let definitions: [FeatureDefinition]
    /// How long after its event time a value counts as current, in microseconds; 0 is forever.
    public let ttlMicros: Int64
    /// The pipeline or stream that fills it; nil for a view that is only pushed to.
    public let source: String?
    /// What people say about it.
    public let notes: DefinitionNotes
    /// Which features say where the entities are; nil when lookups by place are not wanted.
    public let geo: GeoColumns?
    /// The hash of what decides its values.
    public let definition: DefinitionHash

    /// A view called `name` of `features` of `entity`, current for `ttlMicros`.
    public init(
        name: String, entity: String, features: [Field], ttlMicros: Int64 = 0,
        geo: GeoColumns? = nil
    ) {
        self.init(
            name: name, entity: entity, definitions: features.map { FeatureDefinition($0) },
            ttlMicros: ttlMicros, geo: geo)
    }

    /// A view called `name` of the features `definitions` of `entity`.
    ///
    /// - Parameter plan: canonical text of what computes the values; nil when they are pushed.
    public init(
        name: String, entity: String, definitions: [FeatureDefinition], ttlMicros: Int64 = 0,
        source: String? = nil, plan: String? = nil, notes: DefinitionNotes = DefinitionNotes(),
        geo: GeoColumns? = nil
    ) {
        self.name = name
        self.entity = entity
        self.definitions = definitions
        features = definitions.map(\.field)
        self.ttlMicros = ttlMicros
        self.source = source
        self.notes = notes
        self.geo = geo
        let columns = features.map { "\($0.name): \($0.type)" }.joined(separator: "\n")
        definition = DefinitionHash(
            of: "view \(name)\nof \(entity)\n\(columns)\n\(plan ?? "pushed")")
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
