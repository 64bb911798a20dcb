import Testing

@testable import TestBroker

/// Record batches as a producer would send them.
enum BatchBytes {
    /// An uncompressed batch of records with keys and values of text; a nil value is a tombstone.
    static func make(
        _ records: [(key: String?, value: String?)], millis: Int64 = 1000, producer: Int64 = -1,
        epoch: Int16 = -1, sequence: Int32 = -1, isTransactional: Bool = false,
        attributes: Int16 = 0
    ) -> [UInt8] {
        var body = ResponseWriter(isFlexible: false)
        for (index, record) in records.enumerated() {
            var one = ResponseWriter(isFlexible: false)
            one.int8(0)
            // Each record is a millisecond after the one before it.
            one.varint(Int64(index))
            one.varint(Int64(index))
            for field in [record.key, record.value] {
                one.varint(Int64(field?.utf8.count ?? -1))
                one.raw(Array((field ?? "").utf8))
            }
            one.varint(0)
            body.varint(Int64(one.count))
            body.raw(one.flatBytes)
        }
        return RecordBatch.make(
            baseOffset: 0, leaderEpoch: -1, attributes: attributes | (isTransactional ? 0x10 : 0),
            lastOffsetDelta: Int32(records.count - 1), baseTimestamp: millis,
            maxTimestamp: millis + Int64(records.count - 1), producer: producer, epoch: epoch,
            baseSequence: sequence, count: Int32(records.count), records: body.flatBytes)
    }

    /// A batch of `count` records that differ in nothing.
    static func plain(
        _ count: Int, millis: Int64 = 1000, producer: Int64 = -1, epoch: Int16 = -1,
        sequence: Int32 = -1, isTransactional: Bool = false, valueBytes: Int = 10
    ) -> [UInt8] {
        let value = String(repeating: "v", count: valueBytes)
        return make(
            (0..<count).map { _ in ("k", value) }, millis: millis, producer: producer,
            epoch: epoch, sequence: sequence, isTransactional: isTransactional)
    }
}

extension PartitionLog {
    convenience init(scratch: ScratchDirectory, segmentBytes: Int = 1 << 20) throws {
        try self.init(
            directory: scratch.path + "/log", segmentBytes: segmentBytes, leaderEpoch: 0)
    }

    @discardableResult
    func append(_ batch: [UInt8], bytesMax: Int = 1 << 20, isKeyRequired: Bool = false) throws
        -> Appended
    {
        var batch = batch
        return try batch.withUnsafeMutableBytes {
            try append(
                $0, bytesMax: bytesMax, isKeyRequired: isKeyRequired, gate: { _ in .none })
        }
    }

    /// The offset and value of each record below the stable offset.
    var contents: [(offset: Int64, key: String?)] {
        get throws {
            var found: [(offset: Int64, key: String?)] = []
            for segment in segments {
                var position = 0
                while let batch = segment.batch(at: position) {
                    let bytes = segment.file.memory + position
                    #expect(batch.isWhole(bytes, available: segment.byteCount - position))
                    if !batch.isControl {
                        for record in try RecordBatch.records(batch, at: bytes) {
                            found.append(
                                (
                                    record.offset,
                                    record.key.map { String(decoding: $0, as: UTF8.self) }
                                ))
                        }
                    }
                    position += batch.totalBytes
                }
            }
            return found
        }
    }
}
