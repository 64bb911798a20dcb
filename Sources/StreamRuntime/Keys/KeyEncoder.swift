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
        let views = bytes.views
        let words = hashes.int64s
        // Asking a column what it is counts references for every value: here once a batch.
        withUnsafeTemporaryAllocation(of: Part.self, capacity: max(parts.count, 1)) { room in
            let plain = room.baseAddress!
            var bound = 0
            for (index, column) in parts.enumerated() {
                let part = Part(column)
                (plain + index).initialize(to: part)
                bound += part.bytesMax(count)
            }
            arena.reserve(bound)
            let base = arena.base
            let partCount = parts.count
            var end = arena.count
            var row = 0
            while row < count {
                let start = end
                var part = 0
                while part < partCount {
                    end &+= KeyEncoder.write(plain + part, row, to: base + end)
                    part &+= 1
                }
                views[row] = ByteView.pack(start: start, length: end &- start)
                words[row] = Hash.xxh3(base + start, end &- start)
                row &+= 1
            }
            arena.count = end
        }
        withExtendedLifetime(parts) {}
        bytes.setCount(count)
        hashes.setCount(count)
        return KeyColumn(bytes: bytes, hashes: hashes)
    }

    /// One column of a key as plain pointers.
    private struct Part: BitwiseCopyable {
        enum Kind: UInt8 { case word, text, bool, float64, decimal }

        let kind: Kind
        let values: UnsafeMutableRawPointer
        let validity: UnsafeMutablePointer<UInt8>?
        let text: UnsafeMutablePointer<UInt8>?

        init(_ column: Column) {
            values = column.values
            validity = column.validity
            text = column.arena?.base
            switch column.type {
            case .int64, .timestamp, .date: kind = .word
            case .string, .bytes: kind = .text
            case .bool: kind = .bool
            case .float64: kind = .float64
            case .decimal: kind = .decimal
            case .interval, .list, .structure:
                preconditionFailure("the planner refuses keys of this type")
            }
        }

        /// The most bytes that `count` rows become, and the words written past their ends.
        func bytesMax(_ count: Int) -> Int {
            switch kind {
            case .word, .float64, .bool: return count * 9 + 8
            case .decimal: return count * 17 + 8
            case .text:
                let views = values.assumingMemoryBound(to: UInt64.self)
                var total = 0
                var row = 0
                while row < count {
                    total &+= ByteView.length(views[row])
                    row &+= 1
                }
                return total * 2 + count * 3 + 8
            }
        }
    }

    /// Writes one key part of a row.
    ///
    /// - Returns: its length.
    @inline(__always)
    private static func write(
        _ part: UnsafeMutablePointer<Part>, _ row: Int, to at: UnsafeMutablePointer<UInt8>
    ) -> Int {
        if let validity = part.pointee.validity, validity[row] == 0 {
            at[0] = 0
            return 1
        }
        at[0] = 1
        let values = part.pointee.values
        switch part.pointee.kind {
        case .word:
            let value = values.load(fromByteOffset: row &* 8, as: Int64.self)
            store(UInt64(bitPattern: value) ^ (1 << 63), at: at + 1)
            return 9
        case .text:
            let view = values.load(fromByteOffset: row &* 8, as: UInt64.self)
            guard let text = part.pointee.text else {
                at[1] = 0
                at[2] = 0
                return 3
            }
            return writeText(text + ByteView.start(view), ByteView.length(view), to: at)
        case .bool:
            at[1] = values.load(fromByteOffset: row, as: UInt8.self)
            return 2
        case .float64:
            store(ordered(values.load(fromByteOffset: row &* 8, as: Double.self)), at: at + 1)
            return 9
        case .decimal:
            let value =
                UInt128(bitPattern: values.load(fromByteOffset: row &* 16, as: Int128.self))
                ^ (1 << 127)
            store(UInt64(truncatingIfNeeded: value >> 64), at: at + 1)
            store(UInt64(truncatingIfNeeded: value), at: at + 9)
            return 17
        }
    }

    /// Writes a text part, its leading byte included; `at` has room for twice its length and 3 more.
    @inline(__always)
    private static func writeText(
        _ text: UnsafePointer<UInt8>, _ length: Int, to at: UnsafeMutablePointer<UInt8>
    ) -> Int {
        at[0] = 1
        if copyWithoutZeros(text, length, to: at + 1) {
            at[length &+ 1] = 0
            at[length &+ 2] = 0
            return length &+ 3
        }
        var end = 1
        var from = 0
        while from < length {
            let byte = text[from]
            at[end] = byte
            end &+= 1
            if byte == 0 {
                at[end] = 0xFF
                end &+= 1
            }
            from &+= 1
        }
        at[end] = 0
        at[end &+ 1] = 0
        return end &+ 2
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

    /// Appends one key part that is an integer, a timestamp or a date.
    @inline(__always)
    public static func append(word value: Int64, to arena: ByteArena) {
        arena.reserve(9)
        let at = arena.base + arena.count
        at[0] = 1
        store(UInt64(bitPattern: value) ^ (1 << 63), at: at + 1)
        arena.count += 9
    }

    /// Appends one key part that is a string or bytes, of which 8 bytes past the end are readable.
    public static func append(text: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        appendBytes(text, to: arena)
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
        let at = arena.base + arena.count
        // Nothing is read at the address of no bytes.
        let text = bytes.baseAddress ?? UnsafePointer(at)
        arena.count += writeText(text, bytes.count, to: at)
    }
}
