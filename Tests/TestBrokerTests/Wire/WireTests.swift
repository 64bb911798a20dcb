import Testing

@testable import TestBroker

struct WireTests {
    /// The bytes of a body that has no file parts.
    static func bytes(_ writer: ResponseWriter) -> [UInt8] {
        writer.pieces.flatMap { piece in
            if case .bytes(let bytes) = piece { bytes } else { [UInt8]() }
        }
    }

    @Test(arguments: [false, true])
    func `a body is read as it was written, compact or not`(isFlexible: Bool) throws {
        var writer = ResponseWriter(isFlexible: isFlexible)
        writer.int8(-3)
        writer.int16(-300)
        writer.int32(70_000)
        writer.int64(.min)
        writer.string("Zürich")
        writer.nullableString(nil)
        writer.bytes([1, 2, 3])
        writer.array([5, 6]) { $0.int32($1) }
        writer.arrayCount(nil)
        writer.varint(-1_000_000)
        writer.tags()
        let written = WireTests.bytes(writer)
        #expect(written.count == writer.count)
        try written.withUnsafeBytes { lent in
            var reader = RequestReader(lent, isFlexible: isFlexible)
            #expect(try reader.int8() == -3)
            #expect(try reader.int16() == -300)
            #expect(try reader.int32() == 70_000)
            #expect(try reader.int64() == .min)
            #expect(try reader.string() == "Zürich")
            #expect(try reader.nullableString() == nil)
            #expect(try reader.bytes() == [1, 2, 3])
            #expect(try reader.int32s() == [5, 6])
            #expect(
                try reader.nullableArray { (item) throws(WireFailure) in try item.int8() } == nil)
            #expect(try reader.varint() == -1_000_000)
            try reader.tags()
            #expect(reader.remaining == 0)
        }
    }

    @Test func `lengths beyond the request are refused before any memory is taken for them`() {
        let short: [UInt8] = [0x7F, 0xFF, 0xFF, 0xFF]
        short.withUnsafeBytes { lent in
            var reader = RequestReader(lent, isFlexible: false)
            #expect(throws: WireFailure.self) { try reader.int32s() }
            reader = RequestReader(lent, isFlexible: false)
            #expect(throws: WireFailure.self) { try reader.string() }
            reader = RequestReader(lent, isFlexible: false)
            #expect(throws: WireFailure.self) { try reader.int64() }
        }
    }
}
