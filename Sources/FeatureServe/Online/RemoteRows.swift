import StreamRuntime

/// One view's newest value, as another system has it.
struct RemoteView {
    let slot: Int
    let version: ViewVersion
    let payload: [UInt8]
}

/// Rows that are kept outside too, where several processes write them and others read them.
///
/// What this process has written it also has itself; what it has not is asked for, once a lookup wants it.
protocol RemoteRows: AnyObject, Sendable {
    /// The tables the rows belong to; called once, before any row.
    func attach(_ tables: [OnlineTable])

    /// The views of `key`, the online store's own, in table `tableId`.
    ///
    /// - Throws: when nobody can be asked now.
    func fetch(
        tableId: UInt16, key: UnsafeBufferPointer<UInt8>
    ) throws(JobFailure) -> [RemoteView]

    /// Waits until there is room for more rows on their way out: what keeps a pipeline from running ahead.
    func waitForRoom()

    /// Waits until every row put so far is there.
    func waitUntilSent() throws(JobFailure)
}
