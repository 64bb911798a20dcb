import Codecs
import Glibc

/// Unpacks blocks into record batches.
enum BlockReader {
    /// Appends the records of the block at `raw` to `batch`, whose keys, values and headers are views
    /// into `arena`.
    ///
    /// - Precondition: the checksum was found right.
    /// - Returns: false when the body is not what the head says; `batch` is then of no use.
    static func unpack(
        _ header: BlockHeader, _ raw: UnsafePointer<UInt8>, into batch: RecordBatch,
        arena: ByteArena
    ) -> Bool {
        let start = arena.count
        arena.reserve(header.unpackedBytes)
        let body = arena.base + start
        switch header.codec {
        case .none:
            guard header.bodyBytes == header.unpackedBytes else { return false }
            memcpy(body, raw + BlockHeader.size, header.bodyBytes)
        case .lz4:
            guard
                LZ4.decompress(
                    raw + BlockHeader.size, header.bodyBytes, into: body,
                    length: header.unpackedBytes)
            else { return false }
        }
        let count = header.count
        let fixed = count * (header.hasHeaders ? 20 : 16)
        guard fixed <= header.unpackedBytes else { return false }
        arena.count = start + header.unpackedBytes
        let first = batch.count
        batch.timestamps.reserve(count)
        batch.offsets.reserve(count)
        memcpy(batch.timestamps.int64s + first, body, count * 8)
        batch.timestamps.setCount(first + count)
        let offsets = batch.offsets.int64s + first
        var row = 0
        while row < count {
            offsets[row] = header.baseOffset &+ Int64(row)
            row &+= 1
        }
        batch.offsets.setCount(first + count)
        var next = start + fixed
        let limit = arena.count
        next = views(body + count * 8, count, from: next, limit: limit, into: batch.keys)
        next = views(body + count * 12, count, from: next, limit: limit, into: batch.values)
        if header.hasHeaders {
            if batch.headers == nil {
                let made = Column(bare: .bytes, capacity: first + count)
                made.arena = arena
                for _ in 0..<first { made.appendNull() }
                batch.headers = made
            }
            next = views(body + count * 16, count, from: next, limit: limit, into: batch.headers!)
        } else if let headers = batch.headers {
            for _ in 0..<count { headers.appendNull() }
        }
        return next == limit
    }

    /// Appends `count` views to `column`, one behind the other from `from` on in its arena.
    ///
    /// - Returns: where they end; beyond `limit` when they do not fit.
    private static func views(
        _ lengths: UnsafePointer<UInt8>, _ count: Int, from: Int, limit: Int, into column: Column
    ) -> Int {
        guard from <= limit else { return from }
        column.reserve(count)
        let first = column.count
        let raw = UnsafeRawPointer(lengths)
        let views = column.views + first
        var next = from
        var nulls = 0
        var row = 0
        while row < count {
            let length = Int(
                Int32(littleEndian: raw.loadUnaligned(fromByteOffset: row &* 4, as: Int32.self)))
            if length < 0 {
                nulls &+= 1
                views[row] = 0
            } else {
                views[row] = ByteView.pack(start: next, length: length)
                next &+= length
                if next > limit { return limit + 1 }
            }
            row &+= 1
        }
        if nulls > 0 || column.validity != nil {
            let validity = column.ensureValidity() + first
            row = 0
            while row < count {
                let length = raw.loadUnaligned(fromByteOffset: row &* 4, as: Int32.self)
                validity[row] = length < 0 ? 0 : 1
                row &+= 1
            }
        }
        column.setCount(first + count)
        return next
    }
}

extension RecordBatch {
    /// An empty batch whose keys and values will be views into `arena`.
    public convenience init(partition: Int32, capacity: Int, arena: ByteArena) {
        let keys = Column(bare: .bytes, capacity: capacity)
        let values = Column(bare: .bytes, capacity: capacity)
        keys.arena = arena
        values.arena = arena
        self.init(
            partition: partition, keys: keys, values: values,
            timestamps: Column(.timestamp, capacity: capacity),
            offsets: Column(.int64, capacity: capacity))
    }

    /// The records from `row` on, `count` of them; the bytes are shared.
    func slice(from row: Int, count: Int) -> RecordBatch {
        let result = RecordBatch(
            partition: partition, keys: keys.slice(from: row, count: count),
            values: values.slice(from: row, count: count),
            timestamps: timestamps.slice(from: row, count: count),
            offsets: offsets.slice(from: row, count: count))
        result.headers = headers?.slice(from: row, count: count)
        return result
    }
}

extension Column {
    /// The rows from `row` on, `count` of them, of a column without children; the arena is shared.
    fileprivate func slice(from row: Int, count: Int) -> Column {
        let result = Column(bare: type, capacity: count)
        result.arena = arena
        memcpy(result.values, values + row * type.stride, count * type.stride)
        if let validity { memcpy(result.ensureValidity(), validity + row, count) }
        result.setCount(count)
        return result
    }
}
