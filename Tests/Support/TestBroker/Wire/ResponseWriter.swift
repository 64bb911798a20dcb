/// Writes the body of a response, field by field.
///
/// A writer knows whether the version is flexible: lengths are then compact, and `tags` writes the empty
/// list of tagged fields. Ranges of log files go out without being copied.
struct ResponseWriter {
    /// A part of a response.
    enum Piece {
        case bytes([UInt8])
        case file(LogFile, position: Int, count: Int)
    }

    /// Whether lengths are compact and tagged fields follow each structure.
    var isFlexible: Bool
    private var done: [Piece] = []
    private var open: [UInt8] = []

    init(isFlexible: Bool) {
        self.isFlexible = isFlexible
        open.reserveCapacity(256)
    }

    /// The writer of the answer to a request.
    init(answering header: RequestHeader) { self.init(isFlexible: header.isFlexible) }

    /// The parts in order.
    var pieces: [Piece] { open.isEmpty ? done : done + [.bytes(open)] }

    /// The bytes of a body that has no file parts.
    var flatBytes: [UInt8] {
        precondition(done.isEmpty)
        return open
    }

    /// How many bytes all parts have.
    var count: Int {
        var sum = open.count
        for piece in done {
            switch piece {
            case .bytes(let bytes): sum += bytes.count
            case .file(_, _, let count): sum += count
            }
        }
        return sum
    }

    // MARK: numbers

    private mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { open.append(contentsOf: $0) }
    }

    mutating func int8(_ value: Int8) { open.append(UInt8(bitPattern: value)) }
    mutating func bool(_ value: Bool) { open.append(value ? 1 : 0) }
    mutating func int16(_ value: Int16) { put(value) }
    mutating func int32(_ value: Int32) { put(value) }
    mutating func uint32(_ value: UInt32) { put(value) }
    mutating func int64(_ value: Int64) { put(value) }
    mutating func error(_ code: ErrorCode) { put(code.rawValue) }

    mutating func unsignedVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            open.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        open.append(UInt8(rest))
    }

    /// A number in zigzag encoding, as in the fields of a record.
    mutating func varint(_ value: Int64) {
        unsignedVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    // MARK: texts and bytes

    private mutating func length(_ count: Int?, wide: Bool) {
        if isFlexible {
            unsignedVarint(UInt64((count ?? -1) + 1))
        } else if wide {
            int32(Int32(count ?? -1))
        } else {
            int16(Int16(count ?? -1))
        }
    }

    mutating func nullableString(_ text: String?) {
        length(text?.utf8.count, wide: false)
        if let text { open.append(contentsOf: text.utf8) }
    }

    mutating func string(_ text: String) { nullableString(text) }

    mutating func nullableBytes(_ bytes: [UInt8]?) {
        length(bytes?.count, wide: true)
        if let bytes { open.append(contentsOf: bytes) }
    }

    mutating func bytes(_ bytes: [UInt8]) { nullableBytes(bytes) }

    /// Bytes without a length before them.
    mutating func raw(_ bytes: some Sequence<UInt8>) { open.append(contentsOf: bytes) }

    /// Bytes of log files, one after the other, with one length before them.
    mutating func files(_ slices: [LogSlice]) {
        length(slices.reduce(0) { $0 + $1.count }, wide: true)
        for slice in slices {
            done.append(.bytes(open))
            done.append(.file(slice.file, position: slice.position, count: slice.count))
            open = []
        }
    }

    // MARK: structures

    /// The number of items that follow; nil is a null array.
    mutating func arrayCount(_ count: Int?) { length(count, wide: true) }

    /// Items, each written by `item`.
    mutating func array<Items: Collection>(
        _ items: Items, _ item: (inout ResponseWriter, Items.Element) -> Void
    ) {
        arrayCount(items.count)
        for element in items { item(&self, element) }
    }

    /// No tagged fields, if the version has any.
    mutating func tags() { if isFlexible { open.append(0) } }
}
