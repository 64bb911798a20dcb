/// One worker's share of a job's keyed state.
///
/// A step asks for its states by name when it opens; each state is a table of
/// key group · step · state · namespace · key → value.
public final class StateStore {
    private var states: [String: KeyedState] = [:]

    public init() {}

    /// The state `name` of step `stepId`, made on first use.
    ///
    /// - Throws: when an earlier checkpoint holds the same state with another layout.
    public func state(
        _ name: String, of stepId: String, layout: StateLayout
    ) throws(JobFailure) -> KeyedState {
        let address = stepId + "/" + name
        if let state = states[address] { return state }
        let made = KeyedState(layout: layout)
        states[address] = made
        return made
    }
}

/// How the value of a state's entries lies in memory.
///
/// - Shape: `fixedBytes` bytes, then `blobs` growable byte strings that each entry owns. A new entry
///   starts with the bytes of `initial` and empty blobs.
public struct StateLayout: Equatable, Sendable {
    public let fixedBytes: Int
    public let blobs: Int
    public let initial: [UInt8]
    /// Raised when the meaning of the bytes changes.
    public let version: Int

    public init(fixedBytes: Int, blobs: Int = 0, initial: [UInt8]? = nil, version: Int = 1) {
        precondition(initial == nil || initial!.count == fixedBytes)
        self.fixedBytes = fixedBytes
        self.blobs = blobs
        self.initial = initial ?? [UInt8](repeating: 0, count: fixedBytes)
        self.version = version
    }
}
