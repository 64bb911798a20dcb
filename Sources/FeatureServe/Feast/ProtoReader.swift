/// Walks the fields of a protobuf message that lies in memory.
///
/// - Shape: `next` moves to a field; `number`, and `word` or `body` by its wire type, then tell of it.
/// - Source: protobuf.dev, "Encoding"; groups are refused.
public struct ProtoReader {
    private let base: UnsafePointer<UInt8>?
    private let end: Int
    private var at = 0
    /// The field's number.
    public private(set) var number = 0
    /// How it is written.
    public private(set) var wire = ProtoWriter.Wire.varint
    /// The value of a varint or fixed field.
    public private(set) var word: UInt64 = 0
    /// The bytes of a length-delimited field.
    public private(set) var body = UnsafeBufferPointer<UInt8>(start: nil, count: 0)

    /// A reader of the message that is `bytes`.
    public init(_ bytes: UnsafeBufferPointer<UInt8>) {
        base = bytes.baseAddress
        end = bytes.count
    }

    /// Moves to the next field; false at the end.
    ///
    /// - Throws: when the bytes are no message.
    public mutating func next() throws(FeastProblem) -> Bool {
        guard at < end else { return false }
        let tag = try varint()
        number = Int(truncatingIfNeeded: tag &>> 3)
        guard let wire = ProtoWriter.Wire(rawValue: tag & 7), number > 0, tag >> 32 == 0 else {
            throw FeastProblem("a field of an unknown wire type \(tag & 7)")
        }
        self.wire = wire
        switch wire {
        case .varint: word = try varint()
        case .fixed64: word = try fixed(8)
        case .fixed32: word = try fixed(4)
        case .lengthDelimited:
            let length = try varint()
            guard length <= UInt64(end - at) else { throw FeastProblem("a field cut short") }
            body = UnsafeBufferPointer(start: base! + at, count: Int(length))
            at += Int(length)
        }
        return true
    }

    /// The next base-128 number of packed values; nil at the end.
    mutating func packedVarint() throws(FeastProblem) -> UInt64? {
        at < end ? try varint() : nil
    }

    /// The next packed value of `count` bytes; nil at the end.
    mutating func packedFixed(_ count: Int) throws(FeastProblem) -> UInt64? {
        at < end ? try fixed(count) : nil
    }

    private mutating func fixed(_ count: Int) throws(FeastProblem) -> UInt64 {
        guard end - at >= count, let base else { throw FeastProblem("a field cut short") }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(base[at + index]) << UInt64(8 * index) }
        at += count
        return value
    }

    private mutating func varint() throws(FeastProblem) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < end, shift < 70, let base {
            let byte = base[at]
            at += 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw FeastProblem("a number cut short")
    }
}

/// Why bytes are not what Feast's layout says, in a few words.
public struct FeastProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let description: String

    /// A problem said as `description`.
    public init(_ description: String) { self.description = description }
}
