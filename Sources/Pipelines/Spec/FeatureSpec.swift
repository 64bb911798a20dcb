import FeatureServe
import StreamRuntime

/// An entry of `entities:`.
struct EntitySpec: Sendable {
    let name: Located<String>
    let keys: [Located<Field>]
    var notes = DefinitionNotes()
}

/// A feature as a view declares it.
struct FeatureSpec: Sendable {
    let name: Located<String>
    /// Needed where the view is only pushed to.
    var type: Located<ColumnType>?
    /// A constant expression.
    var defaultValue: SpecExpression?
    var degrade: Located<[Degradation]>?
    var notes = DefinitionNotes()
}

/// An entry of `feature_views:`.
struct FeatureViewSpec: Sendable {
    let name: Located<String>
    let entity: Located<String>
    /// nil = nothing but pushes fill it.
    let from: Located<String>?
    let ttl: Duration?
    /// How long past versions are kept.
    var history: Duration?
    /// Which features say where the entities are.
    var geo: GeoSpec?
    /// nil = every column that is not a key.
    let features: [FeatureSpec]?
    var degrade: Located<[Degradation]>?
    var notes = DefinitionNotes()
}

/// What `geo:` of a feature view says.
struct GeoSpec: Sendable {
    let latitude: Located<String>
    let longitude: Located<String>
    /// The most entities that are kept findable.
    let entitiesMax: Int?
}

/// An entry of `push_sources:`.
struct PushSourceSpec: Sendable {
    let name: Located<String>
    let view: Located<String>
}

/// Something made of features: VIEW, VIEW:FEATURE, or VIEW: [FEATURE, …].
struct FeatureReference: Sendable {
    let view: Located<String>
    /// nil = all of the view's.
    let features: [Located<String>]?
}

/// An entry of `services:`.
struct ServiceSpec: Sendable {
    let name: Located<String>
    let features: [FeatureReference]
}

/// A field of a request.
struct RequestFieldSpec: Sendable {
    let name: Located<String>
    let type: ColumnType
    let defaultValue: SpecExpression?
    let description: String
}

/// An entry of `on_demand:`.
struct OnDemandSpec: Sendable {
    let name: Located<String>
    let request: [RequestFieldSpec]
    /// Fields of the request that are declared but could not be read.
    let unreadable: Set<String>
    /// What is read beside what the expressions name.
    let sources: [FeatureReference]
    let items: [SpecItem]
    let rank: RankSpec?
    let notes: DefinitionNotes
}

/// `rank:` of an on-demand view.
struct RankSpec: Sendable {
    let by: Located<String>
    let filter: Located<String>?
    let top: Int?
}
