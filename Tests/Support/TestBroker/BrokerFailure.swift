import Glibc

/// Why a test broker cannot do what it must: an operation, what it was on, and the system's reason.
public struct BrokerFailure: Error, CustomStringConvertible, Sendable {
    /// The sentence to show.
    public var description: String

    init(_ operation: String, _ thing: String, _ code: Int32) {
        description =
            "test broker: cannot \(operation) \(thing): \(String(cString: strerror(code)))"
    }

    init(_ description: String) { self.description = "test broker: \(description)" }
}
