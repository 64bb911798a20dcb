/// One message of Feast's registry file: its fields by number, as bytes.
///
/// - Source: "Encoding" of the Protocol Buffers documentation. Only what registries use is read: numbers,
///   texts and messages; fixed-width fields are passed over.
struct FeastMessage {
    private enum Field {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private var fields: [Int: [Field]] = [:]

    /// The fields of `bytes`; nil when they are no message.
    init?(_ bytes: ArraySlice<UInt8>) {
        var at = bytes.startIndex
        func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while at < bytes.endIndex, shift < 64 {
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while at < bytes.endIndex {
            guard let tag = varint(), tag >> 3 > 0, tag >> 3 < 1 << 29 else { return nil }
            let number = Int(tag >> 3)
            switch tag & 7 {
            case 0:
                guard let value = varint() else { return nil }
                fields[number, default: []].append(.number(value))
            case 1:
                guard bytes.endIndex - at >= 8 else { return nil }
                at += 8
            case 2:
                guard let length = varint(), length <= UInt64(bytes.endIndex - at) else {
                    return nil
                }
                fields[number, default: []].append(.bytes(bytes[at..<(at + Int(length))]))
                at += Int(length)
            case 5:
                guard bytes.endIndex - at >= 4 else { return nil }
                at += 4
            default: return nil
            }
        }
    }

    /// The text of a field; empty when it is not there.
    func text(_ number: Int) -> String { texts(number).last ?? "" }

    /// The texts of a repeated field.
    func texts(_ number: Int) -> [String] {
        (fields[number] ?? []).compactMap { field in
            if case .bytes(let bytes) = field {
                String(decoding: bytes, as: UTF8.self)
            } else {
                nil
            }
        }
    }

    /// The number of a field; 0 when it is not there.
    func number(_ number: Int) -> Int {
        if case .number(let value)? = fields[number]?.last {
            Int(truncatingIfNeeded: value)
        } else {
            0
        }
    }

    /// The messages of a field; those that cannot be read are left out.
    func messages(_ number: Int) -> [FeastMessage] {
        (fields[number] ?? []).compactMap { field in
            if case .bytes(let bytes) = field { FeastMessage(bytes) } else { nil }
        }
    }

    /// The message of a field.
    func message(_ number: Int) -> FeastMessage? { messages(number).last }

    /// A map from texts to texts, sorted by key.
    func map(_ number: Int) -> [(key: String, value: String)] {
        messages(number).map { ($0.text(1), $0.text(2)) }.sorted { $0.0 < $1.0 }
    }
}
