/// Reads the body of a request, field by field.
///
/// A reader knows whether the version is flexible: strings, bytes and arrays are then compact, and `tags`
/// skips the tagged fields, so that one handler reads all versions.
///
/// - Shape: the bytes are lent for the time of `RequestHandler.handle`; copy what must outlive it.
struct RequestReader {
    private let base: UnsafeRawPointer
    private var at = 0
    private let end: Int
    /// Whether lengths are compact and tagged fields follow each structure.
    var isFlexible: Bool

    init(_ bytes: UnsafeRawBufferPointer, isFlexible: Bool) {
        // An empty body may have no address; nothing is read from the stand-in.
        base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
        end = bytes.count
        self.isFlexible = isFlexible
    }

    /// How many bytes are left.
    var remaining: Int { end - at }

    private mutating func take(_ count: Int) throws(WireFailure) -> UnsafeRawPointer {
        guard count >= 0, count <= end - at else {
            throw WireFailure("\(count) bytes wanted at \(at) of \(end)")
        }
        defer { at += count }
        return base + at
    }

    // MARK: numbers

    mutating func int8() throws(WireFailure) -> Int8 { try take(1).load(as: Int8.self) }

    mutating func bool() throws(WireFailure) -> Bool { try int8() != 0 }

    mutating func int16() throws(WireFailure) -> Int16 {
        Int16(bigEndian: try take(2).loadUnaligned(as: Int16.self))
    }

    mutating func int32() throws(WireFailure) -> Int32 {
        Int32(bigEndian: try take(4).loadUnaligned(as: Int32.self))
    }

    mutating func int64() throws(WireFailure) -> Int64 {
        Int64(bigEndian: try take(8).loadUnaligned(as: Int64.self))
    }

    mutating func unsignedVarint() throws(WireFailure) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            let byte = try take(1).load(as: UInt8.self)
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw WireFailure("a varint of more than ten bytes at \(at)")
    }

    /// A number in zigzag encoding, as in the fields of a record.
    mutating func varint() throws(WireFailure) -> Int64 {
        let raw = try unsignedVarint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    // MARK: texts and bytes

    /// The length before a field: nil is null.
    private mutating func length(wide: Bool) throws(WireFailure) -> Int? {
        if isFlexible {
            let raw = try unsignedVarint()
            guard raw <= UInt64(end) + 1 else { throw WireFailure("a length of \(raw) at \(at)") }
            return raw == 0 ? nil : Int(raw) - 1
        }
        let raw = wide ? Int(try int32()) : Int(try int16())
        return raw < 0 ? nil : raw
    }

    mutating func nullableString() throws(WireFailure) -> String? {
        guard let count = try length(wide: false) else { return nil }
        return String(
            decoding: UnsafeRawBufferPointer(start: try take(count), count: count), as: UTF8.self)
    }

    mutating func string() throws(WireFailure) -> String {
        guard let text = try nullableString() else { throw WireFailure("null text at \(at)") }
        return text
    }

    /// Bytes in place: valid until the handler returns.
    mutating func nullableBytes() throws(WireFailure) -> UnsafeRawBufferPointer? {
        guard let count = try length(wide: true) else { return nil }
        return UnsafeRawBufferPointer(start: try take(count), count: count)
    }

    /// A copy of bytes; null is read as empty.
    mutating func bytes() throws(WireFailure) -> [UInt8] {
        try nullableBytes().map { [UInt8]($0) } ?? []
    }

    /// The next `count` bytes in place: valid until the handler returns.
    mutating func lent(_ count: Int) throws(WireFailure) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: try take(count), count: count)
    }

    mutating func skip(_ count: Int) throws(WireFailure) { _ = try take(count) }

    // MARK: structures

    /// Items, each read by `item`; nil is a null array.
    mutating func nullableArray<Item>(
        _ item: (inout RequestReader) throws(WireFailure) -> Item
    ) throws(WireFailure) -> [Item]? {
        guard let count = try length(wide: true) else { return nil }
        // Every item takes a byte at least: a larger count is a lie that must not reserve memory.
        guard count <= remaining else { throw WireFailure("an array of \(count) at \(at)") }
        var items: [Item] = []
        items.reserveCapacity(count)
        for _ in 0..<count { items.append(try item(&self)) }
        return items
    }

    /// Items, each read by `item`; a null array is read as empty.
    mutating func array<Item>(
        _ item: (inout RequestReader) throws(WireFailure) -> Item
    ) throws(WireFailure) -> [Item] { try nullableArray(item) ?? [] }

    mutating func strings() throws(WireFailure) -> [String] {
        try array { (reader) throws(WireFailure) in try reader.string() }
    }

    mutating func int32s() throws(WireFailure) -> [Int32] {
        try array { (reader) throws(WireFailure) in try reader.int32() }
    }

    /// Skips the tagged fields at the end of a structure, if the version has any.
    mutating func tags() throws(WireFailure) {
        guard isFlexible else { return }
        var left = try unsignedVarint()
        while left > 0 {
            _ = try unsignedVarint()
            let size = try unsignedVarint()
            guard size <= UInt64(remaining) else { throw WireFailure("a tag of \(size) bytes") }
            _ = try take(Int(size))
            left -= 1
        }
    }
}
