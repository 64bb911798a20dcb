import Codecs
import Glibc

/// The records of one partition, in files of one directory.
///
/// Batches are kept as the bytes that came. Everything else (index, producers, open and aborted
/// transactions, leader epochs) is found again from their headers when the log is opened, so the
/// files are all there is to lose.
final class PartitionLog {
    /// What came of a batch.
    enum Appended: Equatable {
        case at(Int64)
        case refused(ErrorCode)
    }

    let directory: String
    let segmentBytes: Int
    /// Oldest first; at least one.
    var segments: [Segment] = []
    var producers = ProducerStates()
    /// The first offset that readers may ask for.
    var start: Int64 = 0
    /// The offset of the next record.
    var end: Int64 = 0
    /// Where the epochs of leaders began, ascending.
    var epochs: [(epoch: Int32, start: Int64)] = []
    /// The epoch of the leader there is.
    var leaderEpoch: Int32

    init(directory: String, segmentBytes: Int, leaderEpoch: Int32) throws(BrokerFailure) {
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.leaderEpoch = leaderEpoch
        try open()
    }

    /// The offset before which no transaction is open.
    var stable: Int64 { producers.oldestOpen ?? end }

    var byteCount: Int { segments.reduce(0) { $0 + $1.byteCount } }

    /// Takes a batch from a producer.
    ///
    /// - Shape: `batch` is one whole batch; its base offset and leader epoch are overwritten in place
    ///   (the sum does not cover them).
    func append(
        _ batch: UnsafeMutableRawBufferPointer, bytesMax: Int, isKeyRequired: Bool,
        gate: (BatchHeader) -> ErrorCode
    ) throws(BrokerFailure) -> Appended {
        guard let base = batch.baseAddress, batch.count >= BatchHeader.byteCount,
            var header = BatchHeader(UnsafeRawPointer(base), available: batch.count)
        else { return .refused(.corruptMessage) }
        guard header.magic == 2 else { return .refused(.unsupportedForMessageFormat) }
        guard batch.count <= bytesMax else { return .refused(.messageTooLarge) }
        guard header.isWhole(base, available: batch.count) else {
            return .refused(.corruptMessage)
        }
        guard header.totalBytes == batch.count, header.count > 0, !header.isControl,
            header.count == header.lastOffsetDelta + 1
        else { return .refused(.invalidRecord) }
        if isKeyRequired, !header.isCompressed {
            let records = (try? RecordBatch.records(header, at: base)) ?? []
            guard records.count == Int(header.count), records.allSatisfy({ $0.key != nil })
            else { return .refused(.invalidRecord) }
        }
        switch producers.judge(header) {
        case .append: break
        case .duplicate(let offset): return .at(offset)
        case .refuse(let code): return .refused(code)
        }
        if header.isTransactional, !producers.hasOpenTransaction(header.producer) {
            let code = gate(header)
            guard code == .none else { return .refused(code) }
        }
        header.baseOffset = end
        header.leaderEpoch = leaderEpoch
        base.storeBytes(of: end.bigEndian, as: Int64.self)
        base.storeBytes(of: leaderEpoch.bigEndian, toByteOffset: 12, as: Int32.self)
        try makeRoom(for: batch.count)
        let last = segments[segments.count - 1]
        try last.file.write(UnsafeRawBufferPointer(batch), at: last.byteCount)
        note(header)
        producers.note(header)
        return .at(header.baseOffset)
    }

    /// Ends a producer's transaction.
    func appendMarker(
        producer: Int64, epoch: Int16, isCommit: Bool, nowMillis: Int64
    ) throws(BrokerFailure) -> ErrorCode {
        if producers.isOutdated(producer, epoch: epoch) { return .invalidProducerEpoch }
        let offset = end
        let batch = RecordBatch.marker(
            offset: offset, leaderEpoch: leaderEpoch, timestamp: nowMillis, producer: producer,
            epoch: epoch, isCommit: isCommit)
        try makeRoom(for: batch.count)
        let index = segments.count - 1
        let header = try segments[index].file.write(batch: batch, at: segments[index].byteCount)
        note(header)
        producers.noteMarker(producer, epoch: epoch, offset: offset, isCommit: isCommit)
        return .none
    }

    /// Begins a new file when the last one cannot take `count` bytes more.
    private func makeRoom(for count: Int) throws(BrokerFailure) {
        let last = segments[segments.count - 1]
        guard last.byteCount + count > segmentBytes else { return }
        if last.byteCount == 0 { segments.removeLast() }
        try roll(capacity: count)
    }

    /// Notes a batch that has been written at the end of the last file.
    private func note(_ header: BatchHeader) {
        segments[segments.count - 1].note(header)
        noteEpoch(header)
        end = header.lastOffset + 1
    }

    /// Begins a new file at the end.
    func roll(capacity: Int = 0) throws(BrokerFailure) {
        let file = try LogFile(
            path: Segment.path(directory, end), capacity: max(segmentBytes, capacity))
        segments.append(Segment(base: end, file: file))
    }

    /// Notes the epoch of a batch, if it is a new one.
    func noteEpoch(_ header: BatchHeader) {
        if (epochs.last?.epoch ?? -1) < header.leaderEpoch {
            epochs.append((header.leaderEpoch, header.baseOffset))
        }
    }

    /// The largest epoch of a leader at or before `epoch`, and where the next one begins.
    func endOfEpoch(_ epoch: Int32) -> (epoch: Int32, end: Int64) {
        if epoch >= leaderEpoch { return (leaderEpoch, end) }
        let next = epochs.first { $0.epoch > epoch }
        guard let known = epochs.last(where: { $0.epoch <= epoch }) else {
            return (epoch, next?.start ?? end)
        }
        return (known.epoch, next?.start ?? end)
    }
}
