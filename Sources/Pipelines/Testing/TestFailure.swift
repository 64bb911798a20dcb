import StreamRuntime

/// Something that was not as expected.
struct TestFailure: Equatable, Sendable {
    let position: Position
    let message: String
    /// What was expected and what came, as a table; empty when there is none.
    let table: String
}
