import Codecs

/// A record of an uncompressed batch.
struct BatchRecord {
    var offset: Int64
    var timestamp: Int64
    /// nil: null.
    var key: [UInt8]?
    var isTombstone: Bool
    /// Its bytes in the batch, the length before it included.
    var bytes: UnsafeRawBufferPointer
}

/// Record batches as bytes: taken apart and made.
enum RecordBatch {
    /// The records of an uncompressed batch.
    static func records(
        _ header: BatchHeader, at bytes: UnsafeRawPointer
    ) throws(WireFailure) -> [BatchRecord] {
        let body = UnsafeRawBufferPointer(
            start: bytes + BatchHeader.byteCount, count: header.totalBytes - BatchHeader.byteCount)
        var reader = RequestReader(body, isFlexible: false)
        var records: [BatchRecord] = []
        while reader.remaining > 0 {
            let start = body.count - reader.remaining
            let length = Int(try reader.varint())
            let end = body.count - reader.remaining + length
            guard length > 0, end <= body.count else { throw WireFailure("a record's length") }
            var record = RequestReader(
                UnsafeRawBufferPointer(rebasing: body[(end - length)..<end]), isFlexible: false)
            _ = try record.int8()
            let timestamp = header.baseTimestamp + (try record.varint())
            let offset = header.baseOffset + (try record.varint())
            let key = try record.counted()
            let value = try record.counted()
            try reader.skip(length)
            records.append(
                BatchRecord(
                    offset: offset, timestamp: timestamp, key: key.map { [UInt8]($0) },
                    isTombstone: value == nil,
                    bytes: UnsafeRawBufferPointer(rebasing: body[start..<end])))
        }
        return records
    }

    /// A batch of records made here.
    ///
    /// - Parameter records: their bytes, one after the other, with deltas that fit the header.
    static func make(
        baseOffset: Int64, leaderEpoch: Int32, attributes: Int16, lastOffsetDelta: Int32,
        baseTimestamp: Int64, maxTimestamp: Int64, producer: Int64, epoch: Int16,
        baseSequence: Int32, count: Int32, records: some Sequence<UInt8>
    ) -> [UInt8] {
        var tail = ResponseWriter(isFlexible: false)
        tail.int16(attributes)
        tail.int32(lastOffsetDelta)
        tail.int64(baseTimestamp)
        tail.int64(maxTimestamp)
        tail.int64(producer)
        tail.int16(epoch)
        tail.int32(baseSequence)
        tail.int32(count)
        tail.raw(records)
        let summed = tail.flatBytes
        var batch = ResponseWriter(isFlexible: false)
        batch.int64(baseOffset)
        batch.int32(Int32(9 + summed.count))
        batch.int32(leaderEpoch)
        batch.int8(2)
        batch.uint32(
            summed.withUnsafeBytes { Checksum.crc32c($0.baseAddress!, $0.count) })
        batch.raw(summed)
        return batch.flatBytes
    }

    /// The batch that ends a transaction.
    ///
    /// - Source: ControlRecordType and EndTransactionMarker of Apache Kafka.
    static func marker(
        offset: Int64, leaderEpoch: Int32, timestamp: Int64, producer: Int64, epoch: Int16,
        isCommit: Bool
    ) -> [UInt8] {
        var record = ResponseWriter(isFlexible: false)
        record.int8(0)
        record.varint(0)
        record.varint(0)
        record.varint(4)
        record.int16(0)
        record.int16(isCommit ? 1 : 0)
        record.varint(6)
        record.int16(0)
        record.int32(0)
        record.varint(0)
        var records = ResponseWriter(isFlexible: false)
        records.varint(Int64(record.count))
        records.raw(record.flatBytes)
        return make(
            baseOffset: offset, leaderEpoch: leaderEpoch, attributes: 0x30, lastOffsetDelta: 0,
            baseTimestamp: timestamp, maxTimestamp: timestamp, producer: producer, epoch: epoch,
            baseSequence: -1, count: 1, records: records.flatBytes)
    }

    /// Whether a control batch says commit (true) or abort (false); nil for other control batches.
    static func isCommit(_ header: BatchHeader, at bytes: UnsafeRawPointer) -> Bool? {
        guard let key = try? records(header, at: bytes).first?.key, key.count >= 4 else {
            return nil
        }
        switch key[3] {
        case 0: return false
        case 1: return true
        default: return nil
        }
    }
}

extension RequestReader {
    /// Bytes after a length in zigzag encoding, as in a record; nil is null.
    fileprivate mutating func counted() throws(WireFailure) -> UnsafeRawBufferPointer? {
        let count = Int(try varint())
        return count < 0 ? nil : try lent(count)
    }
}
