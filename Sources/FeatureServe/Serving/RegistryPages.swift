/// The registry of definitions as `GET /registry` gives it out: JSON made once, when a run begins.
public struct RegistryPages: Sendable {
    /// Every definition.
    public let all: String
    /// The definitions of one name, by name.
    public let pages: [String: String]

    /// A registry of these pages.
    public init(all: String = "{\"definitions\": []}\n", pages: [String: String] = [:]) {
        self.all = all
        self.pages = pages
    }

    /// The page called `name`, or of all when it is empty; nil when there is none.
    func page(_ name: String) -> String? { name.isEmpty ? all : pages[name] }
}
