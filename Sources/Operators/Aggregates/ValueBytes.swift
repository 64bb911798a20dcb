import Glibc
import StreamRuntime

/// One value of any type as bytes, for the blobs of aggregates that keep values.
///
/// - Shape: a byte 0 for null or 1, then: numbers and times little-endian in their width; strings and
///   bytes a u32 length and the bytes; lists a u32 count and the elements; structs their fields.
enum ValueBytes {
    static func append(_ column: Column, _ row: Int, to arena: ByteArena) {
        guard column.isValid(row) else { return byte(0, to: arena) }
        byte(1, to: arena)
        switch column.type {
        case .string, .bytes:
            let bytes = column.bytes(row)
            word(UInt32(bytes.count), to: arena)
            if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        case .list:
            let start = ByteView.start(column.views[row])
            let length = ByteView.length(column.views[row])
            word(UInt32(length), to: arena)
            for element in start..<(start + length) {
                append(column.children[0], element, to: arena)
            }
        case .structure:
            for child in column.children { append(child, row, to: arena) }
        default:
            let stride = column.type.stride
            arena.append(
                (column.values + row * stride).assumingMemoryBound(to: UInt8.self), stride)
        }
    }

    /// How many bytes a text of `count` bytes takes.
    @inline(__always) static func textBytes(_ count: Int) -> Int { 5 + count }

    /// Writes a text that is not null as `append` does.
    @inline(__always)
    static func write(text: UnsafeBufferPointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
        target[0] = 1
        UnsafeMutableRawPointer(target + 1).storeBytes(
            of: UInt32(truncatingIfNeeded: text.count), as: UInt32.self)
        if let base = text.baseAddress { (target + 5).update(from: base, count: text.count) }
    }

    /// Appends the value at `at` to `column` and moves `at` behind it.
    static func read(_ at: inout UnsafePointer<UInt8>, into column: Column) {
        let isValid = at.pointee != 0
        at += 1
        guard isValid else { return column.appendNull() }
        switch column.type {
        case .string, .bytes:
            let count = length(&at)
            column.append(UnsafeBufferPointer(start: at, count: count))
            at += count
        case .list:
            let start = column.children[0].count
            for _ in 0..<length(&at) { read(&at, into: column.children[0]) }
            column.appendList(from: start)
        case .structure:
            for child in column.children { read(&at, into: child) }
            column.appendStructure()
        case .bool:
            column.append(at.pointee != 0)
            at += 1
        case .float64:
            column.append(UnsafeRawPointer(at).loadUnaligned(as: Double.self))
            at += 8
        case .decimal:
            column.append(UnsafeRawPointer(at).loadUnaligned(as: Int128.self))
            at += 16
        case .interval:
            column.append(UnsafeRawPointer(at).loadUnaligned(as: Interval.self))
            at += 16
        case .int64, .timestamp, .date:
            column.append(UnsafeRawPointer(at).loadUnaligned(as: Int64.self))
            at += 8
        }
    }

    /// Less than, equal to or greater than 0, as `left` is before, equal to or after `right`.
    static func compare(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let shared = min(left.count, right.count)
        if shared > 0, let mine = left.baseAddress, let theirs = right.baseAddress {
            let order = memcmp(mine, theirs, shared)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    private static func byte(_ value: UInt8, to arena: ByteArena) {
        arena.reserve(1)
        arena.base[arena.count] = value
        arena.count += 1
    }

    private static func word(_ value: UInt32, to arena: ByteArena) {
        arena.reserve(4)
        UnsafeMutableRawPointer(arena.base + arena.count).storeBytes(of: value, as: UInt32.self)
        arena.count += 4
    }

    private static func length(_ at: inout UnsafePointer<UInt8>) -> Int {
        let value = UnsafeRawPointer(at).loadUnaligned(as: UInt32.self)
        at += 4
        return Int(value)
    }
}
