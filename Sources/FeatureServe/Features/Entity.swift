import StreamRuntime

/// What features are about: a user, a product in a store; found by one or more typed keys.
public struct Entity: Hashable, Sendable {
    /// The name other declarations use.
    public let name: String
    /// The join keys in declared order, which is also the order of the parts of an encoded key.
    public let keys: [Field]

    /// An entity called `name`, found by `keys`.
    public init(name: String, keys: [Field]) {
        self.name = name
        self.keys = keys
    }
}
