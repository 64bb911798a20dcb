import Glibc
import StreamRuntime

/// Rows of some fields as byte strings: what a join keeps of a row, and takes apart again.
///
/// - Shape: a byte for each field, 1 for a value and 0 for null; then each field in turn, numbers and
///   times in their width, strings and nested values as the start and length (u32) of their bytes
///   behind the fields; then those bytes, nested values as in `ValueBytes`. Little-endian.
struct RowPacking {
    let fields: [Field]
    /// Where each field lies.
    private let places: [Int]
    /// Bytes before those of strings and nested values.
    private let fixedBytes: Int
    /// Tells rows of these fields from rows of others; never 0.
    let fingerprint: Int64

    init(_ fields: [Field]) {
        self.fields = fields
        var places: [Int] = []
        var at = fields.count
        for field in fields {
            places.append(at)
            at += RowPacking.width(field.type)
        }
        self.places = places
        fixedBytes = at
        let text = Column(.string, capacity: 1)
        text.append(fields.map { "\($0.name): \($0.type)" }.joined(separator: ", "))
        let hashes = KeyEncoder(columns: []).encode([text], count: 1).hashes
        fingerprint = withExtendedLifetime(hashes) { hashes.int64s[0] | 1 }
    }

    private static func width(_ type: ColumnType) -> Int {
        switch type {
        case .bool: 1
        case .decimal, .interval: 16
        default: 8
        }
    }

    private static func isNested(_ type: ColumnType) -> Bool {
        switch type {
        case .list, .structure: true
        default: false
        }
    }

    // MARK: packing

    /// The rows of `columns`, which are of the fields, each behind the bytes of its row in `prefix`.
    ///
    /// - Shape: `prefix` is written as a u32 length and the bytes; without one the row begins at once.
    func pack(_ columns: [Column], prefix: Column?, count: Int) -> Column {
        let result = Column(.bytes, capacity: count)
        let arena = result.arena!
        let texts = columns.enumerated().compactMap { index, column in
            PackedText(column, place: places[index], count: count)
        }
        let head = prefix.map { PackedText(views: $0, count: count) }
        var total = count * (fixedBytes + (head == nil ? 0 : 4))
        for text in texts { total += text.total(count) }
        if let head { total += head.total(count) }
        arena.reserve(total)
        let starts = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: count + 1)
        let ends = UnsafeMutablePointer<Int>.allocate(capacity: count + 1)
        defer {
            starts.deallocate()
            ends.deallocate()
        }
        // Whole rows one after another need their lengths first.
        var row = 0
        while row < count {
            ends[row] = fixedBytes
            row &+= 1
        }
        for text in texts { text.addLengths(to: ends, count) }
        let base = UnsafeMutableRawPointer(arena.base)
        let views = result.views
        let fixed = fixedBytes
        var at = 0
        row = 0
        while row < count {
            let begin = at
            if let head { at &+= head.write(row, to: base + at) }
            starts[row] = base + at
            at &+= ends[row]
            views[row] = ByteView.pack(start: begin, length: at &- begin)
            ends[row] = fixed
            row &+= 1
        }
        for text in texts { text.write(to: starts, ends: ends, count) }
        for (index, column) in columns.enumerated() {
            RowPacking.packFixed(column, index, places[index], starts, count)
        }
        arena.count = at
        result.setCount(count)
        withExtendedLifetime((columns, prefix, texts)) {}
        return result
    }

    private static func packFixed(
        _ column: Column, _ index: Int, _ place: Int,
        _ starts: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ count: Int
    ) {
        var row = 0
        if let validity = column.validity {
            while row < count {
                starts[row].storeBytes(of: validity[row], toByteOffset: index, as: UInt8.self)
                row &+= 1
            }
        } else {
            while row < count {
                starts[row].storeBytes(of: 1, toByteOffset: index, as: UInt8.self)
                row &+= 1
            }
        }
        row = 0
        switch column.type {
        case .string, .bytes, .list, .structure: break
        case .bool:
            let values = column.bools
            while row < count {
                starts[row].storeBytes(of: values[row], toByteOffset: place, as: UInt8.self)
                row &+= 1
            }
        case .decimal, .interval:
            let values = column.values.assumingMemoryBound(to: Int128.self)
            while row < count {
                starts[row].storeBytes(of: values[row], toByteOffset: place, as: Int128.self)
                row &+= 1
            }
        default:
            let values = column.int64s
            while row < count {
                starts[row].storeBytes(of: values[row], toByteOffset: place, as: Int64.self)
                row &+= 1
            }
        }
        guard let validity = column.validity, !column.type.isBytes, !isNested(column.type) else {
            return
        }
        // What a null has for a value is anything: equal rows are to be equal bytes.
        let width = width(column.type)
        row = 0
        while row < count {
            if validity[row] == 0 { memset(starts[row] + place, 0, width) }
            row &+= 1
        }
    }

    // MARK: taking apart

    /// The columns of rows that lie in `arena`, a row from each place in `starts`; null where that is
    /// negative.
    ///
    /// - Shape: strings are views into `arena`, which must not be written any more.
    func unpack(_ arena: ByteArena, _ starts: UnsafePointer<Int>, count: Int) -> [Column] {
        fields.indices.map { index in
            unpack(index, arena, starts, count)
        }
    }

    private func unpack(
        _ index: Int, _ arena: ByteArena, _ starts: UnsafePointer<Int>, _ count: Int
    ) -> Column {
        let type = fields[index].type
        let base = UnsafeRawPointer(arena.base)
        let place = places[index]
        let column = Column(type, capacity: RowPacking.isNested(type) ? 0 : count)
        if RowPacking.isNested(type) {
            for row in 0..<count {
                let start = starts[row]
                if start < 0 || base.load(fromByteOffset: start + index, as: UInt8.self) == 0 {
                    column.appendNull()
                    continue
                }
                let behind = base.loadUnaligned(fromByteOffset: start + place, as: UInt32.self)
                var at = (base + start + Int(behind)).assumingMemoryBound(to: UInt8.self)
                ValueBytes.read(&at, into: column)
            }
            return column
        }
        RowPacking.markNulls(index, base, starts, count, in: column)
        var row = 0
        switch type {
        case .string, .bytes:
            column.arena = arena
            let views = column.views
            while row < count {
                let start = starts[row]
                if start >= 0 {
                    let word = base.loadUnaligned(fromByteOffset: start &+ place, as: UInt64.self)
                    // Start and length as a view has them; the start counts from the row's own.
                    views[row] = word &+ UInt64(truncatingIfNeeded: start)
                } else {
                    views[row] = 0
                }
                row &+= 1
            }
        case .bool:
            let values = column.bools
            while row < count {
                let start = starts[row]
                values[row] =
                    start < 0 ? 0 : base.load(fromByteOffset: start &+ place, as: UInt8.self)
                row &+= 1
            }
        case .decimal, .interval:
            let values = column.values.assumingMemoryBound(to: Int128.self)
            while row < count {
                let start = starts[row]
                values[row] =
                    start < 0
                    ? 0 : base.loadUnaligned(fromByteOffset: start &+ place, as: Int128.self)
                row &+= 1
            }
        default:
            let values = column.int64s
            while row < count {
                let start = starts[row]
                values[row] =
                    start < 0
                    ? 0 : base.loadUnaligned(fromByteOffset: start &+ place, as: Int64.self)
                row &+= 1
            }
        }
        column.setCount(count)
        return column
    }

    private static func markNulls(
        _ index: Int, _ base: UnsafeRawPointer, _ starts: UnsafePointer<Int>, _ count: Int,
        in column: Column
    ) {
        var all: UInt8 = 1
        var row = 0
        while row < count {
            let start = starts[row]
            all &= start < 0 ? 0 : base.load(fromByteOffset: start &+ index, as: UInt8.self)
            row &+= 1
        }
        if all != 0 { return }
        let validity = column.ensureValidity()
        row = 0
        while row < count {
            let start = starts[row]
            validity[row] =
                start < 0 ? 0 : base.load(fromByteOffset: start &+ index, as: UInt8.self)
            row &+= 1
        }
    }
}
