import Glibc
import StreamRuntime

/// The values of one view of one entity as bytes, in the order of the view's features.
///
/// - Shape: a byte 0 when every feature has a value, else a byte 1 and one presence bit a feature (low bit
///   first, whole bytes); then each present value: a signed compact number for int64, timestamp, date and
///   decimal; a compact double; one byte for bool; an unsigned length and the bytes for string and
///   bytes; an unsigned count for a list, then for each element a byte 0 (null) or 1 and its
///   value. Part of the format "Online rows".
enum ViewPayload {
    /// Appends the payload of row `row` of `columns` to `arena`.
    ///
    /// - Shape: `hints` has a byte for each column, 0 at first, kept from row to row.
    static func append(
        row: Int, of columns: UnsafeBufferPointer<Unmanaged<Column>>,
        hints: UnsafeMutablePointer<UInt8>, to arena: ByteArena
    ) {
        let bits = arena.count + 1
        var missing = 0
        var feature = 0
        while feature < columns.count {
            if !columns[feature]._withUnsafeGuaranteedRef({ $0.isValid(row) }) { missing &+= 1 }
            feature &+= 1
        }
        let bitBytes = missing == 0 ? 0 : (columns.count + 7) / 8
        arena.reserve(1 + bitBytes)
        arena.base[arena.count] = missing == 0 ? 0 : 1
        memset(arena.base + bits, 0, bitBytes)
        arena.count += 1 + bitBytes
        feature = 0
        while feature < columns.count {
            columns[feature]._withUnsafeGuaranteedRef { column in
                if column.isValid(row) {
                    if missing > 0 { arena.base[bits + feature / 8] |= 1 << UInt8(feature % 8) }
                    append(column, row, hint: hints + feature, to: arena)
                }
            }
            feature &+= 1
        }
    }

    private static func append(
        _ column: Column, _ row: Int, hint: UnsafeMutablePointer<UInt8>, to arena: ByteArena
    ) {
        switch column.type {
        case .bool:
            arena.reserve(1)
            arena.base[arena.count] = column.bools[row]
            arena.count += 1
        case .int64, .timestamp, .date:
            CompactNumber.append(signed: column.int64s[row], to: arena)
        case .float64:
            CompactNumber.append(number: column.float64s[row], hint: &hint.pointee, to: arena)
        case .decimal: CompactNumber.append(wide: column.decimals[row], to: arena)
        case .string, .bytes:
            let bytes = column.bytes(row)
            CompactNumber.append(unsigned: UInt64(bytes.count), to: arena)
            if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        case .list:
            let elements = column.children[0]
            let start = ByteView.start(column.views[row])
            let count = ByteView.length(column.views[row])
            CompactNumber.append(unsigned: UInt64(count), to: arena)
            for element in start..<(start + count) {
                arena.reserve(1)
                arena.base[arena.count] = elements.isValid(element) ? 1 : 0
                arena.count += 1
                if elements.isValid(element) { append(elements, element, hint: hint, to: arena) }
            }
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
    }
}

/// Walks the values of a payload in order.
struct PayloadReader {
    /// A double as it is kept.
    enum Number {
        /// `digits` divided by ten to the power of `decimals`.
        case decimal(digits: Int64, decimals: Int)
        case double(Double)

        var value: Double {
            switch self {
            case .decimal(let digits, let decimals): Double(digits) / CompactNumber.power(decimals)
            case .double(let value): value
            }
        }
    }

    private let base: UnsafePointer<UInt8>
    private let isWhole: Bool
    private var at: Int

    /// A reader of the payload of `features` features at `base`.
    init(_ base: UnsafePointer<UInt8>, features: Int) {
        self.base = base
        isWhole = base[0] == 0
        at = isWhole ? 1 : 1 + (features + 7) / 8
    }

    func isPresent(_ feature: Int) -> Bool {
        isWhole || base[1 + feature / 8] & (1 << UInt8(feature % 8)) != 0
    }

    mutating func byte() -> UInt8 {
        at += 1
        return base[at - 1]
    }

    private mutating func unsigned() -> UInt64 {
        var value = UInt64(base[at])
        at &+= 1
        guard value >= 0x80 else { return value }
        value &= 0x7F
        var shift: UInt64 = 7
        while shift < 64 {
            let next = base[at]
            at &+= 1
            value |= UInt64(next & 0x7F) &<< shift
            if next < 0x80 { break }
            shift &+= 7
        }
        return value
    }

    /// An int64, timestamp (microseconds) or date (days).
    mutating func integer() -> Int64 { CompactNumber.unzigzag(unsigned()) }

    /// A double.
    mutating func number() -> Number {
        let word = unsigned()
        if word & 7 == CompactNumber.isRaw {
            at += 8
            let bits = UnsafeRawPointer(base + at - 8).loadUnaligned(as: UInt64.self)
            return .double(Double(bitPattern: UInt64(littleEndian: bits)))
        }
        return .decimal(digits: CompactNumber.unzigzag(word &>> 3), decimals: Int(word & 7))
    }

    mutating func decimal() -> Int128 {
        var value: UInt128 = 0
        var shift: UInt128 = 0
        while shift < 128 {
            let next = base[at]
            at += 1
            value |= UInt128(next & 0x7F) &<< shift
            if next < 0x80 { break }
            shift += 7
        }
        return Int128(truncatingIfNeeded: (value &>> 1) ^ (0 &- (value & 1)))
    }

    /// The number of a list's elements.
    mutating func count() -> Int { Int(unsigned()) }

    mutating func bytes() -> UnsafeBufferPointer<UInt8> {
        let length = count()
        at += length
        return UnsafeBufferPointer(start: base + at - length, count: length)
    }
}
