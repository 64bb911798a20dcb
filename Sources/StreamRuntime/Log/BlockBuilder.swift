import Codecs
import Glibc

/// Collects the records of a partition's next block and packs them.
///
/// - Shape of a body: all timestamps (i64), all key lengths (i32, -1 for null), all value lengths
///   (likewise), all header lengths (i32, only when some record has headers), then all keys, all
///   values, all headers. Offsets are dense, so the block's first offset tells them.
final class BlockBuilder {
    /// Everything that changes with a record, behind one pointer: a class's own variables would be
    /// checked for exclusive access several times a record, at a third of the writer's time.
    private struct Fill {
        var count = 0
        var bytes = 0
        var timestampMax = Int64.min
        var hasHeaders = false
        var keys = GrowingBytes()
        /// What stands before the values in a body is put there when it is packed.
        var values = GrowingBytes(headroom: 20 * LogLimits.blockRecords + 16_384)
        var headers = GrowingBytes()
    }

    private let fill: UnsafeMutablePointer<Fill>
    private let timestamps: UnsafeMutablePointer<Int64>
    private let keyLengths: UnsafeMutablePointer<Int32>
    private let valueLengths: UnsafeMutablePointer<Int32>
    private let headerLengths: UnsafeMutablePointer<Int32>

    init() {
        fill = .allocate(capacity: 1)
        fill.initialize(to: Fill())
        timestamps = .allocate(capacity: LogLimits.blockRecords)
        keyLengths = .allocate(capacity: LogLimits.blockRecords)
        valueLengths = .allocate(capacity: LogLimits.blockRecords)
        headerLengths = .allocate(capacity: LogLimits.blockRecords)
    }

    deinit {
        fill.pointee.keys.deallocate()
        fill.pointee.values.deallocate()
        fill.pointee.headers.deallocate()
        fill.deallocate()
        timestamps.deallocate()
        keyLengths.deallocate()
        valueLengths.deallocate()
        headerLengths.deallocate()
    }

    var count: Int { fill.pointee.count }
    var bytes: Int { fill.pointee.bytes }
    var isFull: Bool { bytes >= LogLimits.blockBytes || count == LogLimits.blockRecords }

    /// Adds a record; a key or value may be null.
    ///
    /// - Precondition: the block is not full.
    func append(
        key: UnsafeBufferPointer<UInt8>?, value: UnsafeBufferPointer<UInt8>?, timestamp: Int64,
        headers: UnsafeBufferPointer<UInt8>?
    ) {
        let fill = fill
        let row = fill.pointee.count
        assert(row < LogLimits.blockRecords, "a full block is written first")
        timestamps[row] = timestamp
        if timestamp > fill.pointee.timestampMax { fill.pointee.timestampMax = timestamp }
        keyLengths[row] = fill.pointee.keys.append(key)
        valueLengths[row] = fill.pointee.values.append(value)
        headerLengths[row] = max(fill.pointee.headers.append(headers), 0)
        if headerLengths[row] > 0 { fill.pointee.hasHeaders = true }
        let length = (key?.count ?? 0) &+ (value?.count ?? 0) &+ (headers?.count ?? 0)
        fill.pointee.bytes &+= 16 &+ length
        fill.pointee.count = row &+ 1
    }

    func removeAll() {
        fill.pointee.count = 0
        fill.pointee.bytes = 0
        fill.pointee.timestampMax = .min
        fill.pointee.hasHeaders = false
        fill.pointee.keys.count = 0
        fill.pointee.values.count = 0
        fill.pointee.headers.count = 0
    }

    /// Packs the records into `target`, head first, using `scratch` on the way.
    ///
    /// - Returns: the head that was written.
    func pack(
        baseOffset: Int64, followsGap: Bool = false, appendId: Int64, scratch: ByteArena,
        into target: ByteArena
    ) -> BlockHeader {
        let unassembled = assembleInPlace()
        if unassembled == nil { assemble(into: scratch) }
        let source = unassembled?.start ?? UnsafePointer(scratch.base)
        let unpacked = unassembled?.length ?? scratch.count
        target.count = 0
        target.reserve(BlockHeader.size + LZ4.compressedMax(unpacked))
        let body = target.base + BlockHeader.size
        var header = BlockHeader(
            bodyBytes: unpacked, codec: .none, hasHeaders: fill.pointee.hasHeaders,
            baseOffset: baseOffset, count: count, unpackedBytes: unpacked,
            timestampMax: fill.pointee.timestampMax, appendId: appendId)
        header.followsGap = followsGap
        if let packed = LZ4.compress(source, unpacked, into: body, capacity: unpacked - 1) {
            header.codec = .lz4
            header.bodyBytes = packed
        } else {
            memcpy(body, source, unpacked)
        }
        header.write(to: target.base)
        target.count = header.bytes
        return header
    }

    /// Puts what stands before the values right before them, so that they need not be copied again.
    ///
    /// - Returns: the body, good until the next record; nil when something stands behind the values or
    ///   the keys are too long.
    private func assembleInPlace() -> (start: UnsafePointer<UInt8>, length: Int)? {
        let rows = count
        let before = rows * 16 + fill.pointee.keys.count
        guard !fill.pointee.hasHeaders, before <= fill.pointee.values.headroom,
            let values = fill.pointee.values.base
        else { return nil }
        let start = values - before
        memcpy(start, timestamps, rows * 8)
        memcpy(start + rows * 8, keyLengths, rows * 4)
        memcpy(start + rows * 12, valueLengths, rows * 4)
        if let keys = fill.pointee.keys.base, fill.pointee.keys.count > 0 {
            memcpy(start + rows * 16, keys, fill.pointee.keys.count)
        }
        return (
            UnsafePointer(start.assumingMemoryBound(to: UInt8.self)),
            before + fill.pointee.values.count
        )
    }

    private func assemble(into scratch: ByteArena) {
        let rows = count
        let parts: [(UnsafeRawPointer?, Int)] = [
            (UnsafeRawPointer(timestamps), rows * 8), (UnsafeRawPointer(keyLengths), rows * 4),
            (UnsafeRawPointer(valueLengths), rows * 4),
            (UnsafeRawPointer(headerLengths), fill.pointee.hasHeaders ? rows * 4 : 0),
            (fill.pointee.keys.base.map { UnsafeRawPointer($0) }, fill.pointee.keys.count),
            (fill.pointee.values.base.map { UnsafeRawPointer($0) }, fill.pointee.values.count),
            (fill.pointee.headers.base.map { UnsafeRawPointer($0) }, fill.pointee.headers.count),
        ]
        scratch.count = 0
        scratch.reserve(parts.reduce(0) { $0 + $1.1 })
        for (base, length) in parts {
            guard let base, length > 0 else { continue }
            memcpy(scratch.base + scratch.count, base, length)
            scratch.count += length
        }
    }
}

/// Bytes that grow at the end, as a plain value inside memory that somebody else owns.
private struct GrowingBytes {
    private(set) var base: UnsafeMutableRawPointer?
    private var capacity = 0
    var count = 0
    /// Bytes before `base` that its owner may write.
    let headroom: Int

    init(headroom: Int = 0) { self.headroom = headroom }

    /// Appends `bytes` and returns their length; -1 for null.
    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>?) -> Int32 {
        guard let bytes else { return -1 }
        guard let start = bytes.baseAddress, bytes.count > 0 else { return 0 }
        if count &+ bytes.count > capacity { grow(to: count + bytes.count) }
        memcpy(base! + count, start, bytes.count)
        count &+= bytes.count
        return Int32(truncatingIfNeeded: bytes.count)
    }

    private mutating func grow(to wanted: Int) {
        capacity = max(wanted, capacity * 2, 4096)
        let grown =
            UnsafeMutableRawPointer.allocate(byteCount: headroom + capacity, alignment: 16)
            + headroom
        if let base {
            memcpy(grown, base, count)
            (base - headroom).deallocate()
        }
        base = grown
    }

    func deallocate() { if let base { (base - headroom).deallocate() } }
}
