import StreamRuntime

/// Features computed at lookup from what the request says and what the store holds.
public struct OnDemandView: Sendable {
    /// A field of the request.
    public struct Input: Hashable, Sendable {
        /// Its name and type.
        public let field: Field
        /// What it is when the request does not say; nil when the request must.
        public let defaultValue: FeatureValue?
        /// What it means.
        public let description: String

        /// The input `field`.
        public init(_ field: Field, defaultValue: FeatureValue? = nil, description: String = "") {
            self.field = field
            self.defaultValue = defaultValue
            self.description = description
        }
    }

    /// Stored features it is computed from.
    public struct Source: Hashable, Sendable {
        /// The stored view.
        public let view: String
        /// Features of it.
        public let features: [String]

        /// The source `features` of `view`.
        public init(view: String, features: [String]) {
            self.view = view
            self.features = features
        }
    }

    /// How candidates are ranked by it.
    public struct Ranking: Hashable, Sendable {
        /// The feature whose largest value comes first.
        public let score: String
        /// The bool feature that only candidates have; nil when all are candidates.
        public let filter: String?
        /// How many are given when the request does not say; nil for all.
        public let top: Int?

        /// A ranking by `score`.
        public init(score: String, filter: String? = nil, top: Int? = nil) {
            self.score = score
            self.filter = filter
            self.top = top
        }
    }

    /// The name lookups use before the colon.
    public let name: String
    /// What the request has to say.
    public let request: [Input]
    /// What is read from the store, whether it is asked for or not.
    public let sources: [Source]
    /// The features, in declared order.
    public let definitions: [FeatureDefinition]
    /// The expression of each feature.
    public let expressions: [String]
    /// For each feature the positions in `sources` that its value depends on.
    public let dependencies: [[Int]]
    /// How candidates are ranked by it; nil when they are not.
    public let ranking: Ranking?
    /// What people say about it.
    public let notes: DefinitionNotes
    /// What computes it.
    public let transform: any OnDemandTransform
    /// The hash of what decides its values, those of its sources included.
    public let definition: DefinitionHash

    /// The features' names and types.
    public var features: [Field] { definitions.map(\.field) }

    /// A view called `name`, computed by `transform`.
    ///
    /// - Parameter sourceHashes: the definitions of the views of `sources`, in their order.
    public init(
        name: String, request: [Input], sources: [Source], definitions: [FeatureDefinition],
        expressions: [String], dependencies: [[Int]], ranking: Ranking? = nil,
        notes: DefinitionNotes = DefinitionNotes(), sourceHashes: [DefinitionHash],
        transform: any OnDemandTransform
    ) {
        self.name = name
        self.request = request
        self.sources = sources
        self.definitions = definitions
        self.expressions = expressions
        self.dependencies = dependencies
        self.ranking = ranking
        self.notes = notes
        self.transform = transform
        var text = "on demand \(name)\n"
        for input in request { text += "request \(input.field.name): \(input.field.type)\n" }
        for (source, hash) in zip(sources, sourceHashes) {
            text +=
                "reads \(source.view) \(hash.text): \(source.features.joined(separator: ", "))\n"
        }
        for (feature, expression) in zip(definitions, expressions) {
            text += "\(feature.name): \(feature.type) = \(expression)\n"
        }
        definition = DefinitionHash(of: text)
    }
}
