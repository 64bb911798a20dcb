import Glibc

extension PartitionLog {
    /// Keeps of every key the last committed record only, in one pass over everything below the oldest
    /// open transaction.
    ///
    /// - Note: records of aborted transactions go; markers, tombstones and compressed batches stay.
    func compact() throws(BrokerFailure) {
        if let last = segments.last, last.byteCount > 0 { try roll() }
        let limit = stable
        var latest: [[UInt8]: Int64] = [:]
        try visit(below: limit) { record, _ in
            if let key = record.key { latest[key] = record.offset }
        }
        for index in segments.indices.dropLast() where segments[index].base < limit {
            let old = segments[index]
            let path = old.file.path + ".compacting"
            unlink(path)
            let file = try LogFile(path: path, capacity: old.byteCount)
            var new = Segment(base: old.base, file: file)
            var position = 0
            while let batch = old.batch(at: position) {
                let bytes = old.file.memory + position
                position += batch.totalBytes
                let kept = rewritten(batch, bytes, latest, limit)
                guard !kept.isEmpty else { continue }
                new.note(try file.write(batch: kept, at: new.byteCount))
            }
            guard rename(path, old.file.path) == 0 else {
                throw BrokerFailure("rename", path, errno)
            }
            new.file = try LogFile(path: old.file.path, capacity: new.byteCount)
            segments[index] = new
        }
    }

    private func rewritten(
        _ batch: BatchHeader, _ bytes: UnsafeRawPointer, _ latest: [[UInt8]: Int64],
        _ limit: Int64
    ) -> [UInt8] {
        let whole = UnsafeRawBufferPointer(start: bytes, count: batch.totalBytes)
        if batch.isControl || batch.isCompressed || batch.baseOffset >= limit {
            return [UInt8](whole)
        }
        if isAborted(batch) { return [] }
        guard let records = try? RecordBatch.records(batch, at: bytes) else {
            return [UInt8](whole)
        }
        let kept = records.filter { $0.key == nil || latest[$0.key!] == $0.offset }
        if kept.isEmpty { return [] }
        if kept.count == records.count { return [UInt8](whole) }
        return RecordBatch.make(
            baseOffset: batch.baseOffset, leaderEpoch: batch.leaderEpoch,
            attributes: batch.attributes, lastOffsetDelta: batch.lastOffsetDelta,
            baseTimestamp: batch.baseTimestamp, maxTimestamp: batch.maxTimestamp,
            producer: batch.producer, epoch: batch.epoch, baseSequence: batch.baseSequence,
            count: Int32(kept.count), records: kept.flatMap { [UInt8]($0.bytes) })
    }

    private func isAborted(_ batch: BatchHeader) -> Bool {
        batch.isTransactional
            && producers.aborted.contains {
                $0.producer == batch.producer && $0.first <= batch.baseOffset
                    && batch.baseOffset < $0.last
            }
    }

    /// Visits the records of uncompressed, committed batches below `limit`, in order.
    private func visit(
        below limit: Int64, _ body: (BatchRecord, BatchHeader) -> Void
    ) throws(BrokerFailure) {
        for segment in segments {
            var position = 0
            while let batch = segment.batch(at: position), batch.baseOffset < limit {
                let bytes = segment.file.memory + position
                position += batch.totalBytes
                if batch.isControl || batch.isCompressed || isAborted(batch) { continue }
                guard let records = try? RecordBatch.records(batch, at: bytes) else {
                    throw BrokerFailure(
                        "the records at offset \(batch.baseOffset) of \(directory) are damaged")
                }
                for record in records { body(record, batch) }
            }
        }
    }
}
