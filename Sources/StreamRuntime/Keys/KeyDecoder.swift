import Glibc

/// Turns key bytes back into the columns they were encoded from: the inverse of `KeyEncoder`.
///
/// - Note: -0 comes back as 0, and every NaN as the same one, because they are the same key.
public struct KeyDecoder: Sendable {
    private let types: [ColumnType]

    /// A decoder of keys whose parts have `types`.
    public init(_ types: [ColumnType]) { self.types = types }

    /// Appends the parts of `key` to `columns`, one column a part.
    ///
    /// - Precondition: `key` was encoded from parts of these types.
    public func decode(_ key: UnsafeBufferPointer<UInt8>, into columns: [Column]) {
        guard var at = key.baseAddress else { return }
        let end = at + key.count
        var part = 0
        while part < types.count {
            KeyDecoder.append(&at, end, to: columns[part])
            part &+= 1
        }
        precondition(at == end, "a key has the parts of its step")
    }

    /// The parts of the keys of `count` entries, the last `dropping` bytes of each key left out.
    ///
    /// - Precondition: the keys were encoded from parts of these types.
    public func decode(
        _ entries: UnsafePointer<StateEntry>, count: Int, dropping suffix: Int = 0
    ) -> [Column] {
        let columns = types.map { Column($0, capacity: count) }
        if count == 0 { return columns }
        withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>.self, capacity: count) { places in
            let at = places.baseAddress!
            var bytes = 0
            for row in 0..<count {
                let key = entries[row].key
                at[row] = key.baseAddress!
                bytes &+= key.count &+ ByteArena.padding
            }
            for column in columns {
                switch column.type {
                case .int64, .timestamp, .date: KeyDecoder.words(at, count, into: column)
                case .string, .bytes:
                    column.arena?.reserve(bytes)
                    KeyDecoder.strings(at, entries, count, into: column)
                default:
                    for row in 0..<count {
                        let key = entries[row].key
                        KeyDecoder.append(&at[row], key.baseAddress! + key.count, to: column)
                    }
                }
            }
            for row in 0..<count {
                let key = entries[row].key
                precondition(
                    at[row] + suffix == key.baseAddress! + key.count,
                    "a key has the parts of its step")
            }
        }
        return columns
    }

    private static func words(
        _ at: UnsafeMutablePointer<UnsafePointer<UInt8>>, _ count: Int, into column: Column
    ) {
        let values = column.int64s
        for row in 0..<count {
            let from = at[row]
            if from.pointee == 0 {
                column.ensureValidity()[row] = 0
                values[row] = 0
                at[row] = from + 1
            } else {
                values[row] = Int64(bitPattern: word(from + 1) ^ (1 << 63))
                at[row] = from + 9
            }
        }
        column.setCount(count)
    }

    /// - Precondition: the arena has room for all keys.
    private static func strings(
        _ at: UnsafeMutablePointer<UnsafePointer<UInt8>>, _ entries: UnsafePointer<StateEntry>,
        _ count: Int, into column: Column
    ) {
        guard let arena = column.arena else { return }
        let views = column.views
        let base = arena.base
        var used = arena.count
        for row in 0..<count {
            var from = at[row]
            let start = used
            if from.pointee == 0 {
                column.ensureValidity()[row] = 0
                from += 1
            } else {
                from += 1
                // A zero is written as 0 255; the end as 0 0.
                while from[0] != 0 || from[1] != 0 {
                    base[used] = from[0]
                    used &+= 1
                    from += from[0] == 0 ? 2 : 1
                }
                from += 2
            }
            views[row] = ByteView.pack(start: start, length: used &- start)
            at[row] = from
        }
        arena.count = used
        column.setCount(count)
    }

    @inline(__always)
    private static func append(
        _ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, to column: Column
    ) {
        precondition(at < end, "a key has the parts of its step")
        let isValid = at.pointee != 0
        at += 1
        guard isValid else { return column.appendNull() }
        switch column.type {
        case .int64, .timestamp, .date:
            column.append(Int64(bitPattern: word(at) ^ (1 << 63)))
            at += 8
        case .string, .bytes: appendBytes(&at, end, to: column)
        case .bool:
            column.append(at.pointee != 0)
            at += 1
        case .float64:
            let bits = word(at)
            if bits == .max {
                column.append(Double.nan)
            } else {
                column.append(Double(bitPattern: bits & (1 << 63) != 0 ? bits & ~(1 << 63) : ~bits))
            }
            at += 8
        case .decimal:
            let value = UInt128(word(at)) << 64 | UInt128(word(at + 8))
            column.append(Int128(bitPattern: value ^ (1 << 127)))
            at += 16
        case .interval, .list, .structure:
            preconditionFailure("the planner refuses keys of this type")
        }
    }

    @inline(__always) private static func word(_ at: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(bigEndian: UnsafeRawPointer(at).loadUnaligned(as: UInt64.self))
    }

    private static func appendBytes(
        _ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, to column: Column
    ) {
        guard let zero = memchr(at, 0, end - at) else {
            preconditionFailure("a string in a key ends with two zero bytes")
        }
        let first = UnsafePointer(zero.assumingMemoryBound(to: UInt8.self))
        if first[1] == 0 {
            column.append(UnsafeBufferPointer(start: at, count: first - at))
            at = first + 2
            return
        }
        var bytes: [UInt8] = []
        while at[0] != 0 || at[1] != 0 {
            bytes.append(at[0])
            at += at[0] == 0 ? 2 : 1
        }
        at += 2
        bytes.withUnsafeBufferPointer { column.append($0) }
    }
}
