import Codecs
import Glibc

/// Collects the records of a partition's next block and packs them.
///
/// - Shape of a body: all timestamps (i64), all key lengths (i32, -1 for null), all value lengths
///   (likewise), all header lengths (u32, only when some record has headers), then all keys, all
///   values, all headers. Offsets are dense, so the block's first offset tells them.
final class BlockBuilder {
    private let timestamps = Column(.int64, capacity: 256)
    private let keys = Column(.bytes, capacity: 256)
    private let values = Column(.bytes, capacity: 256)
    private let headers = Column(.bytes, capacity: 16)
    private var timestampMax = Int64.min
    private(set) var bytes = 0

    var count: Int { timestamps.count }
    var isFull: Bool { bytes >= LogLimits.blockBytes || count >= LogLimits.blockRecords }

    /// Adds a record; null keys and values are pointers to nothing of length -1.
    func append(
        key: UnsafeBufferPointer<UInt8>?, value: UnsafeBufferPointer<UInt8>?, timestamp: Int64,
        headers recordHeaders: UnsafeBufferPointer<UInt8>?
    ) {
        timestamps.append(timestamp)
        timestampMax = max(timestampMax, timestamp)
        if let key { keys.append(key) } else { keys.appendNull() }
        if let value { values.append(value) } else { values.appendNull() }
        if let recordHeaders, recordHeaders.count > 0 {
            while headers.count < count - 1 { headers.appendNull() }
            headers.append(recordHeaders)
        }
        bytes += 24 + (key?.count ?? 0) + (value?.count ?? 0) + (recordHeaders?.count ?? 0)
    }

    func removeAll() {
        for column in [timestamps, keys, values, headers] { column.removeAll() }
        timestampMax = .min
        bytes = 0
    }

    /// Packs the records into `target`, head first, using `scratch` on the way.
    ///
    /// - Returns: the head that was written.
    func pack(
        baseOffset: Int64, appendId: Int64, scratch: ByteArena, into target: ByteArena
    ) -> BlockHeader {
        let hasHeaders = headers.count > 0
        if hasHeaders { while headers.count < count { headers.appendNull() } }
        assemble(hasHeaders: hasHeaders, into: scratch)
        let unpacked = scratch.count
        target.count = 0
        target.reserve(BlockHeader.size + LZ4.compressedMax(unpacked))
        let body = target.base + BlockHeader.size
        var header = BlockHeader(
            bodyBytes: unpacked, codec: .none, hasHeaders: hasHeaders, baseOffset: baseOffset,
            count: count, unpackedBytes: unpacked, timestampMax: timestampMax, appendId: appendId)
        if let packed = LZ4.compress(scratch.base, unpacked, into: body, capacity: unpacked - 1) {
            header.codec = .lz4
            header.bodyBytes = packed
        } else {
            memcpy(body, scratch.base, unpacked)
        }
        header.write(to: target.base)
        target.count = header.bytes
        return header
    }

    private func assemble(hasHeaders: Bool, into scratch: ByteArena) {
        let lengthFields = hasHeaders ? 3 : 2
        scratch.count = 0
        scratch.reserve(
            count * (8 + 4 * lengthFields) + keys.arena!.count + values.arena!.count
                + headers.arena!.count)
        memcpy(scratch.base, timestamps.values, count * 8)
        scratch.count = count * 8
        lengths(of: keys, into: scratch)
        lengths(of: values, into: scratch)
        if hasHeaders { lengths(of: headers, into: scratch) }
        for column in [keys, values] + (hasHeaders ? [headers] : []) {
            scratch.append(column.arena!.base, column.arena!.count)
        }
    }

    private func lengths(of column: Column, into scratch: ByteArena) {
        let raw = UnsafeMutableRawPointer(scratch.base + scratch.count)
        let views = column.views
        let validity = column.validity
        let rows = count
        let isHeaders = column === headers
        var row = 0
        while row < rows {
            var length = Int32(truncatingIfNeeded: views[row] &>> 32)
            if let validity, validity[row] == 0 { length = isHeaders ? 0 : -1 }
            raw.storeBytes(of: length.littleEndian, toByteOffset: row &* 4, as: Int32.self)
            row &+= 1
        }
        scratch.count += rows * 4
    }
}
