import Glibc
import StreamRuntime

/// Turns the values that rows are ordered by into bytes whose order is the order of the rows.
///
/// - Shape: for each value a byte that puts nulls first or last, then the value as keys have it, all its
///   bits turned round where large values come first; zeros up to a whole number of words.
struct SortKeys {
    private let items: [SortOrder.Item]
    private let expressions: [CompiledExpression]

    init(_ order: SortOrder, _ expressions: [CompiledExpression]) {
        precondition(expressions.count == order.items.count, "an expression for each item")
        items = order.items
        self.expressions = expressions
    }

    /// The keys of the rows of `batch`; rows an expression fails on are added to `errors`.
    func encode(_ batch: ColumnBatch, errors: inout RejectedRows) -> Column {
        var columns: [Column] = []
        for expression in expressions {
            columns.append(expression.evaluate(batch, errors: &errors))
        }
        return encode(columns, count: batch.count)
    }

    private func encode(_ columns: [Column], count: Int) -> Column {
        let result = Column(.bytes, capacity: count)
        let arena = result.arena!
        var fixed = 7
        var texts = 0
        for column in columns {
            switch column.type {
            case .string, .bytes:
                fixed += 3
                for row in 0..<count { texts += 2 * column.bytes(row).count }
            case .decimal: fixed += 17
            default: fixed += 9
            }
        }
        arena.reserve(count * fixed + texts + 8)
        let base = arena.base
        let ends = UnsafeMutablePointer<Int>.allocate(capacity: max(count, 1))
        defer { ends.deallocate() }
        let views = result.views
        var at = 0
        if texts == 0 {
            let stride = fixed & ~7
            var row = 0
            while row < count {
                views[row] = UInt64(truncatingIfNeeded: at)
                ends[row] = at
                at &+= stride
                row &+= 1
            }
        } else {
            for row in 0..<count {
                views[row] = UInt64(truncatingIfNeeded: at)
                ends[row] = at
                var length = fixed
                for column in columns where column.type.isBytes {
                    length += 2 * column.bytes(row).count
                }
                at += length & ~7
            }
        }
        arena.count = at
        for (item, column) in zip(items, columns) {
            switch column.type {
            case .string, .bytes: SortKeys.writeTexts(column, item, count, base, ends)
            case .decimal: SortKeys.writeDecimals(column, item, count, base, ends)
            default:
                SortKeys.writeWords(WordKernels.words(column), column, item, count, base, ends)
            }
        }
        var row = 0
        while row < count {
            let start = Int(views[row])
            var end = ends[row]
            while (end &- start) & 7 != 0 {
                base[end] = 0
                end &+= 1
            }
            views[row] = ByteView.pack(start: start, length: end &- start)
            row &+= 1
        }
        result.setCount(count)
        return result
    }

    private static func writeWords(
        _ words: Column, _ column: Column, _ item: SortOrder.Item, _ count: Int,
        _ base: UnsafeMutablePointer<UInt8>, _ ends: UnsafeMutablePointer<Int>
    ) {
        let values = words.int64s
        let there: UInt8 = item.nullsFirst ? 1 : 0
        let flip: UInt64 = (item.isDescending ? ~0 : 0) ^ (1 << 63)
        let validity = column.validity
        var row = 0
        while row < count {
            let at = UnsafeMutableRawPointer(base + ends[row])
            var word = UInt64(bitPattern: values[row]) ^ flip
            var mark = there
            if let validity, validity[row] == 0 {
                word = 0
                mark = 1 &- there
            }
            at.storeBytes(of: mark, as: UInt8.self)
            at.storeBytes(of: word.bigEndian, toByteOffset: 1, as: UInt64.self)
            ends[row] &+= 9
            row &+= 1
        }
    }

    private static func writeDecimals(
        _ column: Column, _ item: SortOrder.Item, _ count: Int,
        _ base: UnsafeMutablePointer<UInt8>, _ ends: UnsafeMutablePointer<Int>
    ) {
        let there: UInt8 = item.nullsFirst ? 1 : 0
        for row in 0..<count {
            let at = UnsafeMutableRawPointer(base + ends[row])
            let isValid = column.isValid(row)
            var number = UInt128(bitPattern: column.decimals[row]) ^ (1 << 127)
            if item.isDescending { number = ~number }
            if !isValid { number = 0 }
            at.storeBytes(of: isValid ? there : 1 - there, as: UInt8.self)
            at.storeBytes(
                of: UInt64(truncatingIfNeeded: number >> 64).bigEndian, toByteOffset: 1,
                as: UInt64.self)
            at.storeBytes(
                of: UInt64(truncatingIfNeeded: number).bigEndian, toByteOffset: 9, as: UInt64.self)
            ends[row] += 17
        }
    }

    private static func writeTexts(
        _ column: Column, _ item: SortOrder.Item, _ count: Int,
        _ base: UnsafeMutablePointer<UInt8>, _ ends: UnsafeMutablePointer<Int>
    ) {
        let there: UInt8 = item.nullsFirst ? 1 : 0
        let flip: UInt8 = item.isDescending ? 0xFF : 0
        for row in 0..<count {
            var at = ends[row]
            guard column.isValid(row) else {
                base[at] = 1 - there
                ends[row] = at + 1
                continue
            }
            base[at] = there
            at += 1
            for byte in column.bytes(row) {
                base[at] = byte ^ flip
                at += 1
                if byte == 0 {
                    base[at] = 0xFF ^ flip
                    at += 1
                }
            }
            base[at] = flip
            base[at + 1] = flip
            ends[row] = at + 2
        }
    }

    /// Below, equal to or above 0, as the row of one key comes before, with or after that of another.
    @inline(__always)
    static func compare(
        _ left: UnsafePointer<UInt8>, _ leftCount: Int, _ right: UnsafePointer<UInt8>,
        _ rightCount: Int
    ) -> Int {
        let shared = min(leftCount, rightCount)
        let left = UnsafeRawPointer(left)
        let right = UnsafeRawPointer(right)
        var at = 0
        while at < shared {
            let mine = left.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            let theirs = right.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            if mine != theirs { return mine.bigEndian < theirs.bigEndian ? -1 : 1 }
            at &+= 8
        }
        return leftCount &- rightCount
    }
}
