/// A named set of features that one model asks for.
public struct FeatureService: Hashable, Sendable {
    /// All features of a view, stored or on demand, or some of them.
    public struct Part: Hashable, Sendable {
        /// The view's name.
        public let view: String
        /// The features wanted, in order; nil for all.
        public let features: [String]?

        /// The part `features` (or all) of `view`.
        public init(view: String, features: [String]? = nil) {
            self.view = view
            self.features = features
        }
    }

    /// The name lookups use.
    public let name: String
    /// What it is made of, in the order of the answer.
    public let parts: [Part]

    /// A service called `name` made of `parts`.
    public init(name: String, parts: [Part]) {
        self.name = name
        self.parts = parts
    }
}
