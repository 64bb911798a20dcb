/// A name under which rows are pushed into a view.
public struct PushSource: Hashable, Sendable {
    /// The name pushes use.
    public let name: String
    /// The view the rows go to.
    public let view: String

    /// The source called `name` of `view`.
    public init(name: String, view: String) {
        self.name = name
        self.view = view
    }
}
