/// One edge from a task to the tasks of another node: the batch is split by key group, or gathered.
final class Exchange {
    private let encoder: KeyEncoder?
    private let splitter: KeySplitter?
    private let columns: [Int]
    /// Where hot keys are told of, and who looks for them, once the key's types are known.
    private let hotKeys: HotKeys?
    private var watch: KeyWatch?
    let channels: [Channel]

    /// An exchange by the key made of `columns` to one channel a worker, or with nil to one channel.
    ///
    /// - Parameter hotKeys: where keys are told of that an unusual share of the rows have.
    init(columns: [Int]?, channels: [Channel], hotKeys: HotKeys? = nil) {
        self.channels = channels
        self.columns = columns ?? []
        self.hotKeys = columns?.isEmpty == false ? hotKeys : nil
        encoder = columns.map { KeyEncoder(columns: $0) }
        splitter = columns != nil && channels.count > 1 ? KeySplitter(workers: channels.count) : nil
    }

    func send(_ batch: ColumnBatch) {
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
