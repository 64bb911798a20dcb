import StreamRuntime

/// A place in the bytes of one record, and how far it may go.
///
/// - Source: the specification of Apache Avro 1.12, "Binary Encoding".
struct AvroCursor {
    let base: UnsafePointer<UInt8>
    var at: Int
    let end: Int
    /// Elements of arrays and maps that may still come: more than the bytes could hold are a damage, and
    /// would be an endless loop where an element takes no bytes.
    var elements: Int

    init(_ base: UnsafePointer<UInt8>, start: Int, length: Int) {
        self.base = base
        at = start
        end = start + length
        elements = length + 4096
    }

    var left: Int { end &- at }

    private static var short: ValueProblem { ValueProblem("the record ends in the middle") }

    /// The next `count` bytes; their place.
    @inline(__always)
    mutating func take(_ count: Int) throws(ValueProblem) -> Int {
        guard count >= 0, count <= end &- at else { throw AvroCursor.short }
        let start = at
        at &+= count
        return start
    }

    /// An int or long: base 128 with the low digits first, the sign in the lowest bit.
    @inline(__always)
    mutating func long() throws(ValueProblem) -> Int64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard at < end else { throw AvroCursor.short }
            let byte = UInt64(base[at])
            at &+= 1
            value |= (byte & 0x7F) &<< shift
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                guard shift < 63 || byte < 2 else { break }
                return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
            }
            shift &+= 7
            if shift > 63 { break }
        }
        throw ValueProblem("a number of the record has more than 64 bits")
    }

    /// The length of bytes or text that follow.
    @inline(__always)
    mutating func length() throws(ValueProblem) -> Int {
        let count = try long()
        guard count >= 0 else { throw ValueProblem("a length in the record is negative") }
        guard count <= Int64(left) else { throw AvroCursor.short }
        return Int(count)
    }

    /// The number of elements of the next block of an array or map; 0 at its end.
    mutating func block() throws(ValueProblem) -> Int {
        var count = try long()
        if count < 0 {
            guard count > -(1 << 40) else { throw ValueProblem("a block has too many elements") }
            count = -count
            // The size in bytes, for those who want to pass over the block.
            guard try long() >= 0 else { throw ValueProblem("a block's size is negative") }
        }
        guard count <= Int64(elements) else {
            throw ValueProblem("a block has \(count) elements, more than the record can hold")
        }
        elements &-= Int(count)
        return Int(count)
    }

    /// Eight bytes, low ones first.
    mutating func word64() throws(ValueProblem) -> UInt64 {
        let start = try take(8)
        return UInt64(
            littleEndian: UnsafeRawPointer(base + start).loadUnaligned(as: UInt64.self))
    }

    /// Four bytes, low ones first.
    mutating func word32() throws(ValueProblem) -> UInt32 {
        let start = try take(4)
        return UInt32(
            littleEndian: UnsafeRawPointer(base + start).loadUnaligned(as: UInt32.self))
    }
}
