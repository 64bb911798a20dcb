import Glibc
import StreamRuntime

/// The values of one view of one entity as bytes, in the order of the view's features.
///
/// - Shape: one presence bit a feature (low bit first, whole bytes), then each present value: eight bytes
///   little-endian for int64, timestamp, date and double; one byte for bool; sixteen for decimal; a u32
///   length and the bytes for string and bytes; a u32 count for a list, then for each element a byte 0
///   (null) or 1 and its value. Part of the format "Online rows".
enum ViewPayload {
    /// Appends the payload of row `row` of `columns` to `arena`.
    static func append(
        row: Int, of columns: UnsafeBufferPointer<Unmanaged<Column>>, to arena: ByteArena
    ) {
        let bits = arena.count
        let bitBytes = (columns.count + 7) / 8
        arena.reserve(bitBytes)
        memset(arena.base + bits, 0, bitBytes)
        arena.count += bitBytes
        var feature = 0
        while feature < columns.count {
            columns[feature]._withUnsafeGuaranteedRef { column in
                if column.isValid(row) {
                    arena.base[bits + feature / 8] |= 1 << UInt8(feature % 8)
                    append(column, row, to: arena)
                }
            }
            feature &+= 1
        }
    }

    private static func append(_ column: Column, _ row: Int, to arena: ByteArena) {
        switch column.type {
        case .bool:
            arena.reserve(1)
            arena.base[arena.count] = column.bools[row]
            arena.count += 1
        case .int64, .timestamp, .date, .float64, .decimal:
            let stride = column.type.stride
            arena.reserve(stride)
            memcpy(arena.base + arena.count, column.values + row * stride, stride)
            arena.count += stride
        case .string, .bytes:
            let bytes = column.bytes(row)
            append(count: bytes.count, to: arena)
            if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        case .list:
            let elements = column.children[0]
            let start = ByteView.start(column.views[row])
            let count = ByteView.length(column.views[row])
            append(count: count, to: arena)
            for element in start..<(start + count) {
                arena.reserve(1)
                arena.base[arena.count] = elements.isValid(element) ? 1 : 0
                arena.count += 1
                if elements.isValid(element) { append(elements, element, to: arena) }
            }
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
    }

    private static func append(count: Int, to arena: ByteArena) {
        arena.reserve(4)
        UnsafeMutableRawPointer(arena.base + arena.count)
            .storeBytes(of: UInt32(count).littleEndian, as: UInt32.self)
        arena.count += 4
    }
}

/// Walks the values of a payload in order.
struct PayloadReader {
    private let base: UnsafePointer<UInt8>
    private var at: Int

    /// A reader of the payload of `features` features at `base`.
    init(_ base: UnsafePointer<UInt8>, features: Int) {
        self.base = base
        at = (features + 7) / 8
    }

    func isPresent(_ feature: Int) -> Bool {
        base[feature / 8] & (1 << UInt8(feature % 8)) != 0
    }

    mutating func byte() -> UInt8 {
        at += 1
        return base[at - 1]
    }

    mutating func word() -> Int64 {
        at += 8
        return Int64(
            littleEndian: UnsafeRawPointer(base + at - 8).loadUnaligned(as: Int64.self))
    }

    mutating func decimal() -> Int128 {
        at += 16
        return Int128(
            littleEndian: UnsafeRawPointer(base + at - 16).loadUnaligned(as: Int128.self))
    }

    mutating func count() -> Int {
        at += 4
        return Int(
            UInt32(littleEndian: UnsafeRawPointer(base + at - 4).loadUnaligned(as: UInt32.self)))
    }

    mutating func bytes() -> UnsafeBufferPointer<UInt8> {
        let length = count()
        at += length
        return UnsafeBufferPointer(start: base + at - length, count: length)
    }
}
