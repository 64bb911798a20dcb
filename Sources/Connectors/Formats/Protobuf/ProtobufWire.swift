/// Walks over the fields of one encoded message.
///
/// - Source: "Encoding" of the Protocol Buffers documentation.
struct ProtobufWire {
    /// How a field's value lies in the bytes.
    enum Kind: UInt64 {
        case varint = 0
        case fixed64 = 1
        case length = 2
        case groupStart = 3
        case groupEnd = 4
        case fixed32 = 5
    }

    /// The deepest nesting of groups that is skipped.
    private static let depthMax = 100

    let base: UnsafePointer<UInt8>
    private(set) var at: Int
    let end: Int

    /// The bytes of `base` from `start` on.
    init(_ base: UnsafePointer<UInt8>, start: Int, length: Int) {
        self.base = base
        at = start
        end = start + length
    }

    var isAtEnd: Bool { at == end }

    /// A number of 7 bits a byte, least significant first.
    mutating func varint() throws(ValueProblem) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < end {
            let byte = base[at]
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 {
                guard shift < 63 || byte <= 1 else { break }
                return value
            }
            shift &+= 7
            guard shift < 64 else { break }
        }
        throw ValueProblem(
            at == end ? "the message ends inside a number" : "a number has more than 64 bits")
    }

    /// The next field's number and how its value lies there.
    mutating func tag() throws(ValueProblem) -> (number: Int, kind: Kind) {
        let tag = try varint()
        guard let kind = Kind(rawValue: tag & 7), tag >> 3 >= 1, tag >> 3 < 1 << 29 else {
            throw ValueProblem("the bytes are no Protobuf message")
        }
        return (Int(tag >> 3), kind)
    }

    mutating func fixed32() throws(ValueProblem) -> UInt64 {
        try need(4)
        defer { at &+= 4 }
        return UInt64(
            UInt32(littleEndian: UnsafeRawPointer(base + at).loadUnaligned(as: UInt32.self)))
    }

    mutating func fixed64() throws(ValueProblem) -> UInt64 {
        try need(8)
        defer { at &+= 8 }
        return UInt64(littleEndian: UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self))
    }

    /// Where a value with its length before it lies; the walk goes on behind it.
    mutating func span() throws(ValueProblem) -> (start: Int, length: Int) {
        let length = try varint()
        guard length <= UInt64(end - at) else {
            throw ValueProblem("the message ends inside a value")
        }
        defer { at &+= Int(length) }
        return (at, Int(length))
    }

    /// Passes over the value of a field that is not wanted.
    mutating func skip(_ kind: Kind, number: Int, depth: Int = 0) throws(ValueProblem) {
        switch kind {
        case .varint: _ = try varint()
        case .fixed32: _ = try fixed32()
        case .fixed64: _ = try fixed64()
        case .length: _ = try span()
        case .groupEnd: throw ValueProblem("a group ends that has not begun")
        case .groupStart:
            guard depth < ProtobufWire.depthMax else {
                throw ValueProblem("groups are nested more than \(ProtobufWire.depthMax) deep")
            }
            while true {
                let inner = try tag()
                if inner.kind == .groupEnd {
                    guard inner.number == number else {
                        throw ValueProblem("a group ends that has not begun")
                    }
                    return
                }
                try skip(inner.kind, number: inner.number, depth: depth + 1)
            }
        }
    }

    private func need(_ count: Int) throws(ValueProblem) {
        guard end - at >= count else { throw ValueProblem("the message ends inside a value") }
    }
}
