/// The headers of a record, as the log keeps them.
///
/// - Shape: for each header the length of its name (u16), the name, the length of its value (i32, -1
///   for null), the value; little-endian.
public enum RecordHeaders {
    /// One header.
    public struct Header: Equatable, Sendable {
        /// What it is called.
        public let name: String
        /// Its bytes, or nil.
        public let value: [UInt8]?

        /// A header called `name`.
        ///
        /// - Precondition: the name has at most 65,535 bytes.
        public init(_ name: String, _ value: [UInt8]?) {
            precondition(name.utf8.count <= Int(UInt16.max), "a header's name is short")
            self.name = name
            self.value = value
        }
    }

    /// The bytes of `headers`.
    public static func encode(_ headers: [Header]) -> [UInt8] {
        var fields = FieldWriter()
        for header in headers {
            fields.append(UInt16(header.name.utf8.count))
            for byte in header.name.utf8 { fields.append(byte) }
            fields.append(Int32(header.value?.count ?? -1))
            for byte in header.value ?? [] { fields.append(byte) }
        }
        return fields.bytes
    }

    /// The headers in `bytes`, or nil when they are not headers.
    public static func decode(_ bytes: UnsafeBufferPointer<UInt8>) -> [Header]? {
        let raw = UnsafeRawBufferPointer(bytes)
        var headers: [Header] = []
        var at = 0
        while at < raw.count {
            guard at + 2 <= raw.count else { return nil }
            let nameLength = Int(
                UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
            at += 2
            guard at + nameLength + 4 <= raw.count else { return nil }
            let name = String(decoding: raw[at..<(at + nameLength)], as: UTF8.self)
            at += nameLength
            let length = Int(
                Int32(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: Int32.self)))
            at += 4
            guard length >= -1, at + max(length, 0) <= raw.count else { return nil }
            headers.append(Header(name, length < 0 ? nil : Array(raw[at..<(at + length)])))
            at += max(length, 0)
        }
        return headers
    }
}
