/// One named state of a step on one worker: a table for each namespace.
///
/// A namespace is an int64 the step chooses: a window's end, a time bucket, or 0.
public final class KeyedState {
    public let layout: StateLayout
    private var tables: [Int64: StateTable] = [:]

    init(layout: StateLayout) { self.layout = layout }

    /// The table of `namespace`, made when it is not there.
    public func table(_ namespace: Int64) throws(JobFailure) -> StateTable {
        if let table = tables[namespace] { return table }
        let made = StateTable(layout: layout)
        tables[namespace] = made
        return made
    }

    /// The namespaces that hold entries, ascending.
    public var namespaces: [Int64] { tables.keys.sorted() }

    /// Forgets every entry of `namespace`, in memory and on disk.
    public func drop(_ namespace: Int64) throws(JobFailure) { tables[namespace] = nil }
}
