import FeatureServe
import StreamRuntime

/// What features are about.
struct PlannedEntity: Equatable, Sendable {
    let name: String
    /// The key's parts, in order.
    let keys: [Field]
    var notes = DefinitionNotes()
}

/// Features of an entity that come from a pipeline, or from pushes.
struct PlannedFeatureView: Equatable, Sendable {
    let name: String
    /// An index into `JobPlan.entities`.
    let entity: Int
    /// The pipeline or stream it is filled from; nil for pushes alone.
    let from: String?
    /// Columns of the sink's rows that make the entity key, in the order of the entity's keys.
    let keyColumns: [Int]
    /// Columns of the sink's rows that are features, in the order of `features`.
    let featureColumns: [Int]
    let definitions: [FeatureDefinition]
    /// The age at which a value no longer counts; nil = never.
    let ttl: Duration?
    /// How long past versions are kept; nil = not at all.
    var history: Duration?
    /// Which features say where the entities are; nil = nobody looks for them by place.
    var geo: GeoColumns?
    var notes = DefinitionNotes()

    var features: [Field] { definitions.map(\.field) }
}

/// A name under which rows are pushed.
struct PlannedPushSource: Equatable, Sendable {
    let name: String
    /// An index into `JobPlan.featureViews`.
    let view: Int
}

/// Features computed at lookup.
struct PlannedOnDemand: Equatable, Sendable {
    /// Stored features it reads.
    struct Source: Equatable, Sendable {
        /// An index into `JobPlan.featureViews`.
        let view: Int
        let features: [String]
    }

    let name: String
    let request: [OnDemandView.Input]
    let sources: [Source]
    /// Features of `sources` that expressions may name without their view.
    let shortNames: [String]
    let items: [NamedExpression]
    /// The items' names and types.
    let features: [Field]
    /// For each item the positions in `sources` it depends on.
    let dependencies: [[Int]]
    let ranking: OnDemandView.Ranking?
    let notes: DefinitionNotes
}

/// A named set of features for one model.
struct PlannedService: Equatable, Sendable {
    /// One of its features.
    struct Feature: Equatable, Sendable {
        /// The stored or on-demand view.
        let view: String
        let feature: String
    }

    let name: String
    let features: [Feature]
}
