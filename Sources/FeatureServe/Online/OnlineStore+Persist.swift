import StreamRuntime
import Synchronization

/// Keys of rows that were written to one table.
struct WrittenKeys {
    let table: OnlineTable
    let keys: KeyColumn
    let count: Int
}

extension OnlineStore {
    /// Makes the rows of `written` durable, and no others: what an answer to a client waits for.
    ///
    /// One wait for the disk covers them all.
    func persist(_ written: [WrittenKeys]) throws(JobFailure) {
        // A sync that is under way could put an older state of a row after ours.
        let result = syncing.withLock { _ in
            Result { () throws(JobFailure) -> Void in try put(written) }
        }
        try result.get()
    }

    private func put(_ written: [WrittenKeys]) throws(JobFailure) {
        for history in histories { try history.flush() }
        let batch = OnlineRowBatch()
        var pinned: [OnlineShard] = []
        defer { for shard in pinned { shard.unpin() } }
        for part in written {
            for row in 0..<part.count {
                let key = part.keys.bytes.bytes(row)
                let hash = part.keys.hashes.int64s[row]
                let shard = part.table.shard(hash)
                if shard.collect(
                    hash: hash, key: key.baseAddress!, keyLength: key.count, into: batch)
                {
                    pinned.append(shard)
                }
            }
            if batch.byteCount > OnlineStore.flushBytes {
                try rows.put(batch, durable: false)
                batch.removeAll()
            }
        }
        try rows.put(batch, durable: true)
    }
}
