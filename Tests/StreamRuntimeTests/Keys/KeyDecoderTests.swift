import StreamRuntime
import Testing

@Suite struct KeyDecoderTests {
    @Test func `keys of every type come back as they went in`() {
        let numbers = Column(.int64, capacity: 4)
        let texts = Column(.string, capacity: 4)
        let doubles = Column(.float64, capacity: 4)
        let decimals = Column(.decimal(precision: 38, scale: 2), capacity: 4)
        let truths = Column(.bool, capacity: 4)
        let raw = Column(.bytes, capacity: 4)
        for (number, text, double, decimal, truth) in [
            (Int64.min, "", -1.5, Int128.min, true), (-1, "a\0b", 0.0, -1, false),
            (0, "\0", .infinity, 0, true),
            (.max, "grüße\0\0", -.greatestFiniteMagnitude, .max, false),
        ] {
            numbers.append(number)
            texts.append(text)
            doubles.append(double)
            decimals.append(decimal)
            truths.append(truth)
            [0, 0xFF, 0, 0, UInt8(truncatingIfNeeded: number)].withUnsafeBufferPointer {
                raw.append($0)
            }
        }
        let parts = [numbers, texts, doubles, decimals, truths, raw]
        for part in parts { part.appendNull() }
        let keys = KeyEncoder(columns: []).encode(parts, count: 5)
        let decoder = KeyDecoder(parts.map(\.type))
        let back = parts.map { Column($0.type, capacity: 5) }
        for row in 0..<5 { decoder.decode(keys.bytes.bytes(row), into: back) }
        let again = KeyEncoder(columns: []).encode(back, count: 5)
        for row in 0..<5 {
            #expect(Array(again.bytes.bytes(row)) == Array(keys.bytes.bytes(row)))
            #expect(back[0].isValid(row) == parts[0].isValid(row))
            #expect(back[0].int64s[row] == parts[0].int64s[row])
            #expect(back[1].string(row) == parts[1].string(row))
            #expect(back[2].float64s[row] == parts[2].float64s[row])
            #expect(back[3].decimals[row] == parts[3].decimals[row])
            #expect(Array(back[5].bytes(row)) == Array(parts[5].bytes(row)))
        }
    }

    @Test func `a zero is escaped wherever in a text it stands`() {
        let plain = (1...20).map { UInt8($0 * 12) } + [0x80, 0x01]
        let column = Column(.bytes, capacity: 1)
        var expected: [[UInt8]] = []
        for length in 0...plain.count {
            for zero in -1..<length {
                var text = Array(plain.prefix(length))
                if zero >= 0 { text[zero] = 0 }
                text.withUnsafeBufferPointer { column.append($0) }
                expected.append([1] + text.flatMap { $0 == 0 ? [0, 0xFF] : [$0] } + [0, 0])
            }
        }
        let keys = KeyEncoder(columns: []).encode([column], count: column.count)
        #expect((0..<column.count).map { Array(keys.bytes.bytes($0)) } == expected)
    }

    @Test func `negative zero and every NaN are one key each`() {
        let doubles = Column(.float64, capacity: 2)
        doubles.append(-0.0)
        doubles.append(-Double.nan)
        let keys = KeyEncoder(columns: []).encode([doubles], count: 2)
        let back = Column(.float64, capacity: 2)
        for row in 0..<2 { KeyDecoder([.float64]).decode(keys.bytes.bytes(row), into: [back]) }
        #expect(back.float64s[0].sign == .plus)
        #expect(back.float64s[1].isNaN)
    }
}
