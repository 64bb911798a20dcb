import Codecs

/// A running hash over records in order: equal digests mean equal records in equal order.
///
/// - Shape: each record's partition, offset, timestamp, key, value and headers, with lengths, hashed
///   onto the digest of those before it.
public struct RecordDigest: Equatable, Sendable {
    /// The digest of everything so far.
    public private(set) var value: Int64 = 0
    /// Records so far.
    public private(set) var count: Int64 = 0

    /// Of no record.
    public init() {}

    /// Sixteen hexadecimal digits.
    public var text: String {
        let digits = String(UInt64(bitPattern: value), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Takes in the records of `batch`, using `scratch` on the way.
    public mutating func append(_ batch: RecordBatch, scratch: ByteArena) {
        var row = 0
        while row < batch.count {
            scratch.count = 0
            RecordDigest.put(value, scratch)
            RecordDigest.put(Int64(batch.partition), scratch)
            RecordDigest.put(batch.offsets.int64s[row], scratch)
            RecordDigest.put(batch.timestamps.int64s[row], scratch)
            RecordDigest.put(batch.keys, row, scratch)
            RecordDigest.put(batch.values, row, scratch)
            if let headers = batch.headers { RecordDigest.put(headers, row, scratch) }
            value = Hash.xxh3(scratch.base, scratch.count)
            row &+= 1
        }
        count += Int64(batch.count)
    }

    /// Takes in a line of text.
    public mutating func append(_ line: [UInt8]) {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        bytes += line
        value = Hash.xxh3(bytes, bytes.count)
        count += 1
    }

    /// A hash of one record's key alone, or of its key, timestamp and value.
    public static func hash(_ parts: [[UInt8]?]) -> Int64 {
        var bytes: [UInt8] = []
        for part in parts {
            withUnsafeBytes(of: Int64(part?.count ?? -1).littleEndian) {
                bytes.append(contentsOf: $0)
            }
            bytes += part ?? []
        }
        return Hash.xxh3(bytes, bytes.count)
    }

    private static func put(_ number: Int64, _ arena: ByteArena) {
        withUnsafeBytes(of: number.littleEndian) {
            _ = arena.append($0.baseAddress!.assumingMemoryBound(to: UInt8.self), 8)
        }
    }

    private static func put(_ column: Column, _ row: Int, _ arena: ByteArena) {
        guard column.isValid(row) else { return put(-1, arena) }
        let bytes = column.bytes(row)
        put(Int64(bytes.count), arena)
        if let start = bytes.baseAddress, bytes.count > 0 {
            _ = arena.append(start, bytes.count)
        }
    }
}
