import StreamRuntime

/// What features are about: a user, a product in a store; found by one or more typed keys.
public struct Entity: Hashable, Sendable {
    /// The name other declarations use.
    public let name: String
    /// The join keys in declared order, which is also the order of the parts of an encoded key.
    public let keys: [Field]
    /// What people say about it.
    public let notes: DefinitionNotes

    /// An entity called `name`, found by `keys`.
    public init(name: String, keys: [Field], notes: DefinitionNotes = DefinitionNotes()) {
        self.name = name
        self.keys = keys
        self.notes = notes
    }
}
