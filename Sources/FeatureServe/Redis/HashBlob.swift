import Glibc
import StreamRuntime

/// A hash at rest: its fields and values as bytes.
///
/// - Shape: version byte 1, time it ends in milliseconds since 1970 i64 (0 never), number of fields u32, their
///   u32 offsets from the end of these; then for each, in the order of the names' bytes, u32 length of
///   the name, u32 length of the value, name, value. Little-endian. Documented in `docs/FORMATS.md`.
struct HashBlob {
    static let version: UInt8 = 1
    private static let headBytes = 13

    private let base: UnsafeRawPointer
    private let start: Int
    /// The number of fields.
    let count: Int
    /// When it ends, in milliseconds since 1970; 0 is never.
    let endMillis: Int64

    /// The hash that is `bytes`; nil when they are none of this version.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= HashBlob.headBytes, bytes[0] == HashBlob.version else { return nil }
        base = bytes.baseAddress!
        endMillis = Int64(littleEndian: base.loadUnaligned(fromByteOffset: 1, as: Int64.self))
        count = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 9, as: UInt32.self)))
        start = HashBlob.headBytes + count * 4
        guard start <= bytes.count else { return nil }
    }

    private func number(_ at: Int) -> Int {
        Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
    }

    private func entry(_ index: Int) -> Int { start + number(HashBlob.headBytes + index * 4) }

    func name(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let at = entry(index)
        return lend(at + 8, number(at))
    }

    func value(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let at = entry(index)
        return lend(at + 8 + number(at), number(at + 4))
    }

    private func lend(_ at: Int, _ length: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: (base + at).assumingMemoryBound(to: UInt8.self), count: length)
    }

    /// The position of the field called `name`, or nil.
    func find(_ name: UnsafeBufferPointer<UInt8>) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let order = HashBlob.compare(self.name(middle), name)
            if order == 0 { return middle }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    private static func compare(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let shared = min(left.count, right.count)
        let order = shared == 0 ? 0 : memcmp(left.baseAddress!, right.baseAddress!, shared)
        return order != 0 ? Int(order) : left.count - right.count
    }

    /// All fields by name.
    var fields: [[UInt8]: [UInt8]] {
        var fields: [[UInt8]: [UInt8]] = [:]
        fields.reserveCapacity(count)
        for index in 0..<count { fields[Array(name(index))] = Array(value(index)) }
        return fields
    }

    /// The bytes of a hash of `fields` that ends at `endMillis`.
    static func bytes(_ fields: [[UInt8]: [UInt8]], endMillis: Int64) -> [UInt8] {
        let sorted = fields.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var head: [UInt8] = [version]
        var body: [UInt8] = []
        func append(_ value: UInt32, to bytes: inout [UInt8]) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        withUnsafeBytes(of: endMillis.littleEndian) { head.append(contentsOf: $0) }
        append(UInt32(sorted.count), to: &head)
        for (name, value) in sorted {
            append(UInt32(body.count), to: &head)
            append(UInt32(name.count), to: &body)
            append(UInt32(value.count), to: &body)
            body += name
            body += value
        }
        return head + body
    }
}
