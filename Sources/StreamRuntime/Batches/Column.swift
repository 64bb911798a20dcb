import Glibc

/// The values of one column of a batch, in one block of raw memory.
///
/// - Shape: `count` rows of `type.stride` bytes in `values`; `validity`, if there, has one byte a
///   row (1 = has a value, 0 = null). Strings, bytes and lists are `ByteView`s: into `arena`, or into
///   `children[0]`. A struct's fields are `children`, each of `count` rows.
/// - Note: owned by one thread at a time; after a batch is emitted its columns are only read.
public final class Column {
    /// What the values are.
    public let type: ColumnType
    /// The rows' values, `type.stride` bytes each.
    public internal(set) var values: UnsafeMutableRawPointer
    /// A byte a row, 1 for a value and 0 for null; nil when no row is null.
    public internal(set) var validity: UnsafeMutablePointer<UInt8>?
    /// The bytes that string and bytes views point into.
    public var arena: ByteArena?
    /// The elements of a list, or the fields of a struct.
    public var children: [Column]
    /// The rows there is room for.
    public internal(set) var capacity: Int
    /// The rows there are.
    public internal(set) var count = 0

    /// An empty column with room for `capacity` rows.
    public init(_ type: ColumnType, capacity: Int) {
        let rows = max(capacity, 1)
        self.type = type
        self.capacity = rows
        values = .allocate(byteCount: max(rows * type.stride, 16), alignment: 64)
        switch type {
        case .string, .bytes:
            arena = ByteArena(capacity: min(rows * 16, 1 << 16))
            children = []
        case .list(let element): children = [Column(element, capacity: rows)]
        case .structure(let fields):
            children = fields.map { Column($0.type, capacity: rows) }
        default: children = []
        }
    }

    /// A column with no arena and no children yet, for the copying extensions.
    init(bare type: ColumnType, capacity: Int) {
        let rows = max(capacity, 1)
        self.type = type
        self.capacity = rows
        values = .allocate(byteCount: max(rows * type.stride, 16), alignment: 64)
        children = []
    }

    deinit {
        values.deallocate()
        validity?.deallocate()
    }

    // MARK: typed memory

    /// Values of an int64, timestamp or date column.
    @inline(__always) public var int64s: UnsafeMutablePointer<Int64> {
        values.assumingMemoryBound(to: Int64.self)
    }
    /// Values of a double column.
    @inline(__always) public var float64s: UnsafeMutablePointer<Double> {
        values.assumingMemoryBound(to: Double.self)
    }
    /// Values of a bool column, one byte each.
    @inline(__always) public var bools: UnsafeMutablePointer<UInt8> {
        values.assumingMemoryBound(to: UInt8.self)
    }
    /// Unscaled values of a decimal column.
    @inline(__always) public var decimals: UnsafeMutablePointer<Int128> {
        values.assumingMemoryBound(to: Int128.self)
    }
    /// Values of an interval column.
    @inline(__always) public var intervals: UnsafeMutablePointer<Interval> {
        values.assumingMemoryBound(to: Interval.self)
    }
    /// Views of a string, bytes or list column.
    @inline(__always) public var views: UnsafeMutablePointer<UInt64> {
        values.assumingMemoryBound(to: UInt64.self)
    }

    /// Whether a row has a value.
    @inline(__always) public func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row] != 0
    }

    /// The bytes of a string or bytes row; empty for a null.
    @inline(__always) public func bytes(_ row: Int) -> UnsafeBufferPointer<UInt8> {
        guard let arena, isValid(row) else { return UnsafeBufferPointer(start: nil, count: 0) }
        let view = views[row]
        return UnsafeBufferPointer(
            start: UnsafePointer(arena.base) + ByteView.start(view), count: ByteView.length(view))
    }

    /// The text of a string row; allocates, so only for edges and tests.
    public func string(_ row: Int) -> String { String(decoding: bytes(row), as: UTF8.self) }

    // MARK: growing

    /// Makes room for `extra` more rows; `values` may move.
    public func reserve(_ extra: Int) {
        let wanted = count + extra
        guard wanted > capacity else { return }
        let grown = max(wanted, capacity * 2)
        if type.stride > 0 {
            let moved = UnsafeMutableRawPointer.allocate(
                byteCount: grown * type.stride, alignment: 64)
            memcpy(moved, values, count * type.stride)
            values.deallocate()
            values = moved
        }
        if let validity {
            let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: grown)
            memcpy(moved, validity, count)
            validity.deallocate()
            self.validity = moved
        }
        capacity = grown
    }

    /// Gives the column a validity byte a row (all valid so far), if it has none yet.
    @discardableResult
    public func ensureValidity() -> UnsafeMutablePointer<UInt8> {
        if let validity { return validity }
        let made = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        memset(made, 1, capacity)
        validity = made
        return made
    }

    /// Declares that the first `count` rows have been written through the raw pointers.
    public func setCount(_ count: Int) {
        precondition(count <= capacity, "rows beyond the column's capacity")
        self.count = count
    }

    /// Forgets every row and keeps the memory.
    public func removeAll() {
        count = 0
        if let validity { memset(validity, 1, capacity) }
        arena?.count = 0
        for child in children { child.removeAll() }
    }

    /// Appends a null.
    public func appendNull() {
        reserve(1)
        ensureValidity()[count] = 0
        switch type {
        case .structure: for child in children { child.appendNull() }
        default: memset(values + count * type.stride, 0, type.stride)
        }
        count += 1
    }

    /// Appends `rows` nulls to a column without fields of its own.
    public func appendNulls(_ rows: Int) {
        if case .structure = type { preconditionFailure("a struct's fields are appended to") }
        reserve(rows)
        memset(ensureValidity() + count, 0, rows)
        memset(values + count * type.stride, 0, rows * type.stride)
        count += rows
    }

    @inline(__always) private func markValid() { if let validity { validity[count] = 1 } }

    /// Appends a value of an int64, timestamp or date column.
    public func append(_ value: Int64) {
        reserve(1)
        int64s[count] = value
        markValid()
        count += 1
    }
    /// Appends a value of a double column.
    public func append(_ value: Double) {
        reserve(1)
        float64s[count] = value
        markValid()
        count += 1
    }
    /// Appends a value of a bool column.
    public func append(_ value: Bool) {
        reserve(1)
        bools[count] = value ? 1 : 0
        markValid()
        count += 1
    }
    /// Appends an unscaled value of a decimal column.
    public func append(_ value: Int128) {
        reserve(1)
        decimals[count] = value
        markValid()
        count += 1
    }
    /// Appends a value of an interval column.
    public func append(_ value: Interval) {
        reserve(1)
        intervals[count] = value
        markValid()
        count += 1
    }
    /// Appends a value of a string or bytes column; the bytes are copied.
    public func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        reserve(1)
        let start = bytes.baseAddress ?? UnsafePointer(arena!.base)
        views[count] = arena!.append(start, bytes.count)
        markValid()
        count += 1
    }
    /// Appends a value of a string column.
    public func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// Closes a list row whose elements, from `start` on, were appended to `children[0]`.
    public func appendList(from start: Int) {
        reserve(1)
        views[count] = ByteView.pack(start: start, length: children[0].count - start)
        markValid()
        count += 1
    }

    /// Closes a struct row whose fields were each appended to `children`.
    public func appendStructure() {
        reserve(1)
        markValid()
        count += 1
    }
}
