/// One edge from a task to the tasks of another node: the batch is split by key group, or gathered.
final class Exchange {
    private let encoder: KeyEncoder?
    private let splitter: KeySplitter?
    let channels: [Channel]

    /// An exchange by the key made of `columns` to one channel a worker, or with nil to one channel.
    init(columns: [Int]?, channels: [Channel]) {
        self.channels = channels
        encoder = columns.map { KeyEncoder(columns: $0) }
        splitter = columns != nil && channels.count > 1 ? KeySplitter(workers: channels.count) : nil
    }

    func send(_ batch: ColumnBatch) {
        let keyed = batch.replacingColumns(batch.columns, schema: batch.schema)
        guard let encoder else { return channels[0].send(.batch(keyed)) }
        keyed.keys = encoder.encode(batch)
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
