import Glibc

extension PartitionLog {
    /// Makes `offset` the first one that readers may ask for; files that end before it are deleted.
    func advanceStart(to offset: Int64) throws(BrokerFailure) {
        guard offset > start else { return }
        start = min(offset, end)
        try saveStart()
        while segments.count > 1, segments[1].base <= start { try removeFirst() }
        producers.forgetAborted(below: start)
    }

    /// Deletes files whose newest record is older than `millis`, by the records' own timestamps, and the
    /// oldest files while the others have `bytes` at least. Negative: no limit.
    ///
    /// - Source: UnifiedLog.deleteOldSegments of Apache Kafka.
    func retain(millis: Int64, bytes: Int64, nowMillis: Int64) throws(BrokerFailure) {
        var kept = Int64(byteCount)
        while let first = segments.first, first.byteCount > 0 || segments.count > 1 {
            // Compaction may have left a file empty.
            let isEmpty = first.byteCount == 0
            let isOld = !isEmpty && millis >= 0 && nowMillis - first.timestampMax > millis
            let isTooMuch = bytes >= 0 && kept - Int64(first.byteCount) >= bytes
            guard isEmpty || isOld || isTooMuch else { break }
            if segments.count == 1 { try roll() }
            kept -= Int64(first.byteCount)
            start = max(start, segments[1].base)
            try saveStart()
            try removeFirst()
        }
        producers.forgetAborted(below: start)
    }

    private func removeFirst() throws(BrokerFailure) {
        let path = segments[0].file.path
        guard unlink(path) == 0 else { throw BrokerFailure("delete", path, errno) }
        segments.removeFirst()
    }

    /// Deletes everything.
    func remove() throws(BrokerFailure) { try Directory.remove(directory) }
}
