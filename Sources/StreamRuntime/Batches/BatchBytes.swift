import Codecs
import Glibc

/// Rows of a batch as bytes: how buffered rows are kept in state.
///
/// - Shape: everything a `ColumnBatch` carries: columns, order, changes, keys and raw records. The
///   layout is versioned and stated in `docs/FORMATS.md`, section "Rows".
public enum BatchBytes {
    static let version: UInt8 = 1
    private static let hasKeys: UInt8 = 1
    private static let hasChanges: UInt8 = 2
    private static let hasRaw: UInt8 = 4
    private static let hasElements: UInt8 = 8

    /// The bytes of all rows of `batch`.
    public static func encode(_ batch: ColumnBatch) -> ByteArena {
        let bytes = ByteArena(capacity: 64 + batch.count * 64)
        encode(batch, onto: bytes)
        return bytes
    }

    /// Appends the bytes of all rows of `batch` to `bytes`.
    public static func encode(_ batch: ColumnBatch, onto bytes: ByteArena) {
        var flags: UInt8 = 0
        if batch.keys != nil { flags |= hasKeys }
        if batch.changes != nil { flags |= hasChanges }
        if batch.raw != nil { flags |= hasRaw }
        if batch.order.elements != nil { flags |= hasElements }
        bytes.put(version)
        bytes.put(flags)
        bytes.put(UInt32(batch.count))
        bytes.put(fingerprint(batch.schema))
        let order = batch.order
        for column in [order.eventTimes, order.watermarks, order.origins, order.offsets] {
            bytes.put(column.values, batch.count * 8)
        }
        if let elements = order.elements { bytes.put(elements.values, batch.count * 8) }
        for column in batch.columns { encode(column, 0, batch.count, onto: bytes) }
        if let keys = batch.keys {
            encode(keys.bytes, 0, batch.count, onto: bytes)
            bytes.put(keys.hashes.values, batch.count * 8)
        }
        if let changes = batch.changes { bytes.put(changes.values, batch.count) }
        if let raw = batch.raw { encode(raw, 0, batch.count, onto: bytes) }
    }

    /// The rows that `encode` wrote, as a batch of its own memory.
    ///
    /// - Throws: when the bytes are of another version or schema, or are cut short.
    public static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, schema: Schema
    ) throws(JobFailure) -> ColumnBatch {
        var reader = ByteReader(bytes)
        let found = try reader.byte()
        guard found == version else {
            throw damaged(
                "rows in state have format \(found), this program reads \(version)",
                remedy: "run the program version that wrote the state, or start afresh")
        }
        let flags = try reader.byte()
        let count = Int(try reader.word32())
        guard try reader.word64() == fingerprint(schema) else {
            throw damaged(
                "rows in state have other columns than the step now has",
                remedy: "give the changed step a new id, or restore the earlier pipelines file")
        }
        guard count <= bytes.count else { throw cutShort() }
        var order = RowOrder(capacity: count)
        for column in [order.eventTimes, order.watermarks, order.origins, order.offsets] {
            try reader.copy(count * 8, to: column.values)
            column.setCount(count)
        }
        if flags & hasElements != 0 {
            let elements = Column(.int64, capacity: count)
            try reader.copy(count * 8, to: elements.values)
            elements.setCount(count)
            order.elements = elements
        }
        var columns: [Column] = []
        for field in schema.fields {
            columns.append(try decode(field.type, count, from: &reader))
        }
        let batch = ColumnBatch(schema: schema, columns: columns, order: order, count: count)
        if flags & hasKeys != 0 {
            let keys = try decode(.bytes, count, from: &reader)
            let hashes = Column(.int64, capacity: count)
            try reader.copy(count * 8, to: hashes.values)
            hashes.setCount(count)
            batch.keys = KeyColumn(bytes: keys, hashes: hashes)
        }
        if flags & hasChanges != 0 {
            let changes = Column(.bool, capacity: count)
            try reader.copy(count, to: changes.values)
            changes.setCount(count)
            batch.changes = changes
        }
        if flags & hasRaw != 0 { batch.raw = try decode(.bytes, count, from: &reader) }
        guard reader.isAtEnd else { throw cutShort() }
        return batch
    }

    private static func encode(_ column: Column, _ start: Int, _ count: Int, onto bytes: ByteArena)
    {
        if let validity = column.validity {
            bytes.put(UInt8(1))
            bytes.put(validity + start, count)
        } else {
            bytes.put(UInt8(0))
        }
        switch column.type {
        case .string, .bytes:
            let views = column.views + start
            for row in 0..<count { bytes.put(UInt32(ByteView.length(views[row]))) }
            guard let arena = column.arena else { return }
            for row in 0..<count {
                bytes.put(arena.base + ByteView.start(views[row]), ByteView.length(views[row]))
            }
        case .list(let element):
            let views = column.views + start
            let flat = Column(element, capacity: count)
            for row in 0..<count {
                let from = ByteView.start(views[row])
                let length = ByteView.length(views[row])
                bytes.put(UInt32(length))
                for item in from..<(from + length) {
                    flat.append(from: column.children[0], row: item)
                }
            }
            bytes.put(UInt32(flat.count))
            encode(flat, 0, flat.count, onto: bytes)
        case .structure:
            for child in column.children { encode(child, start, count, onto: bytes) }
        default:
            let stride = column.type.stride
            bytes.put(column.values + start * stride, count * stride)
        }
    }

    private static func decode(
        _ type: ColumnType, _ count: Int, from reader: inout ByteReader
    ) throws(JobFailure) -> Column {
        let column = Column(type, capacity: count)
        if try reader.byte() != 0 { try reader.copy(count, to: column.ensureValidity()) }
        switch type {
        case .string, .bytes:
            guard let arena = column.arena else { break }
            let total = try decodeLengths(count, into: column, from: &reader)
            arena.reserve(total)
            try reader.copy(total, to: arena.base)
            arena.count = total
        case .list(let element):
            let total = try decodeLengths(count, into: column, from: &reader)
            guard Int(try reader.word32()) == total else { throw cutShort() }
            column.children = [try decode(element, total, from: &reader)]
        case .structure(let fields):
            var children: [Column] = []
            for field in fields { children.append(try decode(field.type, count, from: &reader)) }
            column.children = children
        default: try reader.copy(count * type.stride, to: column.values)
        }
        column.setCount(count)
        return column
    }

    private static func decodeLengths(
        _ count: Int, into column: Column, from reader: inout ByteReader
    ) throws(JobFailure) -> Int {
        var total = 0
        for row in 0..<count {
            let length = Int(try reader.word32())
            column.views[row] = ByteView.pack(start: total, length: length)
            total += length
        }
        guard total <= reader.left || column.children.count == 1 else { throw cutShort() }
        return total
    }

    private static func fingerprint(_ schema: Schema) -> UInt64 {
        var text = ColumnType.structure(schema.fields).description
        return text.withUTF8 { UInt64(bitPattern: Hash.xxh3($0.baseAddress!, $0.count)) }
    }

    static func damaged(_ problem: String, remedy: String) -> JobFailure {
        JobFailure(.corruption, problem, at: "buffered rows in state", remedy: remedy)
    }

    static func cutShort() -> JobFailure {
        damaged("rows in state are cut short", remedy: "restore the checkpoint before")
    }
}

/// A walk over encoded bytes that never leaves them.
struct ByteReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var left: Int { bytes.count - at }
    var isAtEnd: Bool { at == bytes.count }

    mutating func copy(_ length: Int, to target: UnsafeMutableRawPointer) throws(JobFailure) {
        guard length <= left else { throw BatchBytes.cutShort() }
        if length > 0 { memcpy(target, bytes.baseAddress! + at, length) }
        at += length
    }

    mutating func byte() throws(JobFailure) -> UInt8 {
        var value: UInt8 = 0
        try copy(1, to: &value)
        return value
    }

    mutating func word32() throws(JobFailure) -> UInt32 {
        var value: UInt32 = 0
        try copy(4, to: &value)
        return UInt32(littleEndian: value)
    }

    mutating func word64() throws(JobFailure) -> UInt64 {
        var value: UInt64 = 0
        try copy(8, to: &value)
        return UInt64(littleEndian: value)
    }
}

extension ByteArena {
    func put(_ value: UInt8) {
        reserve(1)
        base[count] = value
        count += 1
    }

    func put(_ value: UInt32) {
        reserve(4)
        UnsafeMutableRawPointer(base + count).storeBytes(of: value.littleEndian, as: UInt32.self)
        count += 4
    }

    func put(_ value: UInt64) {
        reserve(8)
        UnsafeMutableRawPointer(base + count).storeBytes(of: value.littleEndian, as: UInt64.self)
        count += 8
    }

    func put(_ bytes: UnsafeRawPointer, _ length: Int) {
        reserve(length)
        if length > 0 { memcpy(base + count, bytes, length) }
        count += length
    }
}
