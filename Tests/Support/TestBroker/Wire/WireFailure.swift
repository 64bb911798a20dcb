/// A request whose bytes are not what the protocol says; its connection is closed.
struct WireFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
