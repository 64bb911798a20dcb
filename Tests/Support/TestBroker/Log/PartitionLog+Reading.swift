/// Bytes to answer a fetch with.
struct FetchedRange {
    var slice: LogSlice?
    var aborted: [ProducerStates.Aborted] = []
}

extension PartitionLog {
    /// The batches from the one that holds `offset` on, below `limit`.
    ///
    /// - Shape: about `bytesMax` at most, cut between batches where the index knows a place, of one file;
    ///   the first batch is there whole even if it is larger, when `isFirstWhole`.
    /// - Precondition: `start <= offset <= end`.
    func read(
        from offset: Int64, below limit: Int64, bytesMax: Int, isFirstWhole: Bool
    ) -> LogSlice? {
        guard offset < limit else { return nil }
        var index = segments.lastIndex { $0.base <= offset } ?? 0
        var position = segments[index].position(of: offset)
        // Compaction may have left nothing at or above the offset in its file.
        while position == segments[index].byteCount {
            index += 1
            guard index < segments.count else { return nil }
            position = 0
        }
        let segment = segments[index]
        guard let first = segment.batch(at: position), first.baseOffset < limit else { return nil }
        let isLimitHere =
            limit < end && (index + 1 == segments.count || segments[index + 1].base > limit)
        let limitPosition = isLimitHere ? segment.position(of: limit) : segment.byteCount
        let available = limitPosition - position
        guard available > 0 else { return nil }
        if available <= bytesMax {
            return LogSlice(file: segment.file, position: position, count: available)
        }
        if first.totalBytes > bytesMax {
            guard isFirstWhole else { return nil }
            return LogSlice(file: segment.file, position: position, count: first.totalBytes)
        }
        if let cut = segment.boundary(after: position, atOrBefore: position + bytesMax) {
            return LogSlice(file: segment.file, position: position, count: cut - position)
        }
        var count = first.totalBytes
        while let next = segment.batch(at: position + count), count + next.totalBytes <= bytesMax {
            count += next.totalBytes
        }
        return LogSlice(file: segment.file, position: position, count: count)
    }

    /// The first record with a timestamp at or after `timestamp`, among those below `limit`.
    ///
    /// - Note: of a compressed batch it is the batch's first record, which may be earlier.
    func find(
        time timestamp: Int64, below limit: Int64
    ) -> (offset: Int64, timestamp: Int64)? {
        for segment in segments {
            guard var position = segment.position(ofTime: timestamp) else { continue }
            while let batch = segment.batch(at: position), batch.baseOffset < limit {
                defer { position += batch.totalBytes }
                guard batch.maxTimestamp >= timestamp, batch.lastOffset >= start else { continue }
                if batch.isCompressed {
                    return (max(batch.baseOffset, start), batch.baseTimestamp)
                }
                let records =
                    (try? RecordBatch.records(batch, at: segment.file.memory + position)) ?? []
                if let record = records.first(where: {
                    $0.timestamp >= timestamp && $0.offset >= start && $0.offset < limit
                }) {
                    return (record.offset, record.timestamp)
                }
            }
        }
        return nil
    }

    /// The last batch with the largest timestamp: its last offset and that timestamp.
    func latestTime() -> (offset: Int64, timestamp: Int64)? {
        var found: (offset: Int64, timestamp: Int64)?
        for segment in segments where segment.timestampMax >= found?.timestamp ?? .min {
            var position = segment.position(ofTime: segment.timestampMax) ?? segment.byteCount
            while let batch = segment.batch(at: position) {
                if batch.maxTimestamp >= found?.timestamp ?? .min {
                    found = (batch.lastOffset, batch.maxTimestamp)
                }
                position += batch.totalBytes
            }
        }
        return found
    }
}
