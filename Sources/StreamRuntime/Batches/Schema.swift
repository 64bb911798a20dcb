/// The names and types of a batch's columns, in order.
public struct Schema: Hashable, Sendable {
    /// The columns, in order.
    public let fields: [Field]

    /// A schema of these columns.
    public init(_ fields: [Field]) { self.fields = fields }

    /// The position of the column called `name`, or nil.
    public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }

    /// The number of columns.
    public var count: Int { fields.count }
}
