import Codecs

/// Collects the little-endian fields of a small file, and its checksum at the end.
struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// The fields so far, followed by their CRC-32C.
    func sealed() -> [UInt8] {
        var all = self
        all.append(bytes.withUnsafeBytes { Checksum.crc32c($0.baseAddress!, $0.count) })
        return all.bytes
    }
}

/// Reads the fields of a small file whose checksum was found right.
struct FieldReader {
    private let bytes: [UInt8]
    private var at = 0

    /// Nil when the checksum at the end of `bytes` is not theirs.
    init?(sealed bytes: [UInt8]) {
        guard bytes.count > 4 else { return nil }
        let whole = bytes.withUnsafeBytes { raw in
            let sum = Checksum.crc32c(raw.baseAddress!, raw.count - 4)
            return sum
                == UInt32(
                    littleEndian: raw.loadUnaligned(
                        fromByteOffset: raw.count - 4, as: UInt32.self))
        }
        guard whole else { return nil }
        self.bytes = Array(bytes.dropLast(4))
    }

    var remaining: Int { bytes.count - at }

    mutating func next<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { return nil }
        defer { at += size }
        return bytes.withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Value.self))
        }
    }
}
