/// One edge from a task to the tasks of another node: the batch is split by key group, or gathered.
final class Exchange {
    private let encoder: KeyEncoder?
    private let splitter: KeySplitter?
    private let columns: [Int]
    /// Where hot keys are told of, and who looks for them, once the key's types are known.
    private let hotKeys: HotKeys?
    private var watch: KeyWatch?
    let channels: [Channel]
    /// The columns that go across, and what they are called there; nil for all.
    private let narrowed: (columns: [Int], schema: Schema)?

    /// An exchange by the key made of `columns` to one channel a worker, or with nil to one channel.
    ///
    /// - Parameters:
    ///   - hotKeys: where keys are told of that an unusual share of the rows have.
    ///   - narrowed: the columns that go across to a sink, under the schema they have there; nil for all.
    init(
        columns: [Int]?, channels: [Channel], hotKeys: HotKeys? = nil,
        narrowed: (columns: [Int], schema: Schema)? = nil
    ) {
        self.narrowed = narrowed
        self.channels = channels
        self.columns = columns ?? []
        self.hotKeys = columns?.isEmpty == false ? hotKeys : nil
        encoder = columns.map { KeyEncoder(columns: $0) }
        splitter = columns != nil && channels.count > 1 ? KeySplitter(workers: channels.count) : nil
    }

    func send(_ batch: ColumnBatch) {
        if let narrowed {
            // Who takes a few columns has no use for the record either; what is not sent is not sorted.
            let narrow = batch.replacingColumns(
                narrowed.columns.map { batch.columns[$0] }, schema: narrowed.schema)
            narrow.raw = nil
            return channels[0].send(.batch(narrow))
        }
        let keyed = batch.replacingColumns(batch.columns, schema: batch.schema)
        guard let encoder else { return channels[0].send(.batch(keyed)) }
        keyed.keys = encoder.encode(batch)
        if let hotKeys, let keys = keyed.keys {
            if watch == nil {
                watch = KeyWatch(hotKeys, types: columns.map { batch.columns[$0].type })
            }
            watch?.look(keys)
        }
        guard let splitter else { return channels[0].send(.batch(keyed)) }
        for (part, channel) in zip(splitter.split(keyed), channels) {
            if let part, part.count > 0 { channel.send(.batch(part)) }
        }
    }

    func broadcast(_ element: StreamElement) {
        for channel in channels { channel.send(element) }
    }

    func drain() -> Bool {
        var drained = true
        for channel in channels where !channel.drain() { drained = false }
        return drained
    }
}
