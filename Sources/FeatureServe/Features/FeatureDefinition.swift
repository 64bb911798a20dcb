import StreamRuntime

/// What an answer falls back to, in a declared order, when a current value cannot be given in time.
public enum Degradation: String, CaseIterable, Hashable, Sendable {
    /// The last value there was, marked as old.
    case lastKnown = "last_known"
    /// The feature's declared default.
    case defaultValue = "default"
}

/// What people say about a definition; it decides nothing.
public struct DefinitionNotes: Hashable, Sendable {
    /// What it means.
    public var description: String
    /// Who answers for it; empty when not said.
    public var owner: String
    /// Names and values, sorted by name.
    public var tags: [Tag]

    /// A name with a value.
    public struct Tag: Hashable, Sendable {
        /// What is told.
        public let name: String
        /// What is told of it.
        public let value: String

        /// The tag `name` with `value`.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Notes of this text, owner and tags.
    public init(description: String = "", owner: String = "", tags: [Tag] = []) {
        self.description = description
        self.owner = owner
        self.tags = tags
    }
}

/// One feature as it is declared.
public struct FeatureDefinition: Hashable, Sendable {
    /// Its name and type.
    public let field: Field
    /// What stands in for a value that was never written, where degrading allows it; nil for none.
    public let defaultValue: FeatureValue?
    /// What to fall back to when the value is not there in time, first choice first; null comes last by itself.
    public let degradation: [Degradation]
    /// What people say about it.
    public let notes: DefinitionNotes

    /// The feature's name.
    public var name: String { field.name }
    /// The feature's type.
    public var type: ColumnType { field.type }

    /// What is fallen back to when nothing is declared.
    public static let usualDegradation: [Degradation] = [.lastKnown, .defaultValue]

    /// The feature `field` with its default and what it falls back to.
    public init(
        _ field: Field, defaultValue: FeatureValue? = nil,
        degradation: [Degradation] = FeatureDefinition.usualDegradation,
        notes: DefinitionNotes = DefinitionNotes()
    ) {
        self.field = field
        self.defaultValue = defaultValue
        self.degradation = degradation
        self.notes = notes
    }

    /// The value that takes the place of one that was never written: the default, if degrading has it.
    public var standIn: FeatureValue? {
        degradation.contains(.defaultValue) ? defaultValue : nil
    }
}
