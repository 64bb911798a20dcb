import CPlatform
import Codecs

/// Encodes the key columns of a batch into bytes whose order is the order of the keys, and hashes them.
///
/// - Shape: each key part in turn: a byte 0 for null or 1 for a value, then the value. Integers,
///   timestamps, dates and decimals are big-endian with the sign bit flipped; doubles likewise after
///   the usual ordering transform (-0 as 0, one NaN, above infinity); bools one byte. Strings and
///   bytes have 0x00 written as 0x00 0xFF and end with 0x00 0x00.
/// - Note: the encoding and the hash (XXH3-64 of the bytes) are fixed for life: state and key
///   groups depend on them. `docs/FORMATS.md` states them.
public struct KeyEncoder {
    private let columns: [Int]

    /// An encoder of the columns at these positions, in this order.
    public init(columns: [Int]) { self.columns = columns }

    /// Types that may be part of a key.
    public static func accepts(_ type: ColumnType) -> Bool {
        switch type {
        case .interval, .list, .structure: false
        default: true
        }
    }

    /// The keys of every row of `batch`.
    public func encode(_ batch: ColumnBatch) -> KeyColumn {
        encode(columns.map { batch.columns[$0] }, count: batch.count)
    }

    /// The keys made of `parts`, columns of `count` rows each.
    public func encode(_ parts: [Column], count: Int) -> KeyColumn {
        let bytes = Column(.bytes, capacity: count)
        let hashes = Column(.int64, capacity: count)
        let arena = bytes.arena!
        for row in 0..<count {
            let start = arena.count
            for part in parts { KeyEncoder.append(part, row, to: arena) }
            let length = arena.count - start
            bytes.views[row] = ByteView.pack(start: start, length: length)
            hashes.int64s[row] = Hash.xxh3(arena.base + start, length)
        }
        bytes.setCount(count)
        hashes.setCount(count)
        return KeyColumn(bytes: bytes, hashes: hashes)
    }

    /// Appends one key part, row `row` of `column`, to `arena`: what a lookup builds its keys with.
    @inline(__always)
    public static func append(_ column: Column, _ row: Int, to arena: ByteArena) {
        guard column.isValid(row) else {
            arena.reserve(1)
            arena.base[arena.count] = 0
            arena.count += 1
            return
        }
        switch column.type {
        case .int64, .timestamp, .date:
            arena.reserve(9)
            let at = arena.base + arena.count
            at[0] = 1
            store(UInt64(bitPattern: column.int64s[row]) ^ (1 << 63), at: at + 1)
            arena.count += 9
        case .string, .bytes: appendBytes(column.bytes(row), to: arena)
        case .bool:
            arena.reserve(2)
            arena.base[arena.count] = 1
            arena.base[arena.count + 1] = column.bools[row]
            arena.count += 2
        case .float64:
            arena.reserve(9)
            let at = arena.base + arena.count
            at[0] = 1
            store(ordered(column.float64s[row]), at: at + 1)
            arena.count += 9
        case .decimal:
            arena.reserve(17)
            let at = arena.base + arena.count
            at[0] = 1
            let value = UInt128(bitPattern: column.decimals[row]) ^ (1 << 127)
            store(UInt64(truncatingIfNeeded: value >> 64), at: at + 1)
            store(UInt64(truncatingIfNeeded: value), at: at + 9)
            arena.count += 17
        case .interval, .list, .structure:
            preconditionFailure("the planner refuses keys of this type")
        }
    }

    @inline(__always)
    private static func store(_ value: UInt64, at: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(at).storeBytes(of: value.bigEndian, as: UInt64.self)
    }

    private static func ordered(_ value: Double) -> UInt64 {
        if value.isNaN { return UInt64.max }
        let bits = (value == 0 ? 0.0 : value).bitPattern
        return bits & (1 << 63) == 0 ? bits | (1 << 63) : ~bits
    }

    /// Copies bytes a word at a time, as the padding of arenas allows on both sides.
    ///
    /// - Returns: whether none of them is zero.
    /// - Source: Sean Eron Anderson, "Bit Twiddling Hacks", haszero.
    @inline(__always)
    private static func copyWithoutZeros(
        _ from: UnsafePointer<UInt8>, _ length: Int, to: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let from = UnsafeRawPointer(from)
        let to = UnsafeMutableRawPointer(to)
        var zeros: UInt64 = 0
        var at = 0
        while at < length {
            var word = from.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            to.storeBytes(of: word, toByteOffset: at, as: UInt64.self)
            let left = length &- at
            // Bytes past the end count as ones.
            if left < 8 { word |= ones &<< UInt64(truncatingIfNeeded: left &* 8) }
            zeros |= (word &- ones) & ~word
            at &+= 8
        }
        return zeros & 0x8080_8080_8080_8080 == 0
    }

    private static func appendBytes(_ bytes: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        arena.reserve(bytes.count * 2 + 3)
        var at = arena.base + arena.count
        at[0] = 1
        at += 1
        if let base = bytes.baseAddress, bytes.count > 0 {
            if copyWithoutZeros(base, bytes.count, to: at) {
                at += bytes.count
            } else {
                for byte in bytes {
                    at.pointee = byte
                    at += 1
                    if byte == 0 {
                        at.pointee = 0xFF
                        at += 1
                    }
                }
            }
        }
        at[0] = 0
        at[1] = 0
        arena.count = at + 2 - arena.base
    }
}
