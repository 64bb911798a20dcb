import Codecs
import StreamRuntime
import Testing

@testable import Connectors

struct ChecksumEncoderTests {
    private func batch() -> ColumnBatch {
        let number = Column(.int64, capacity: 2)
        let text = Column(.string, capacity: 2)
        let double = Column(.float64, capacity: 2)
        let decimal = Column(.decimal(precision: 23, scale: 3), capacity: 2)
        let flag = Column(.bool, capacity: 2)
        number.append(Int64(-5))
        number.appendNull()
        text.append("größer")
        text.append("")
        double.append(-0.0)
        double.append(1.5)
        decimal.append(Int128(-1234))
        decimal.appendNull()
        flag.append(true)
        flag.append(false)
        let columns = [number, text, double, decimal, flag]
        let order = RowOrder(capacity: 2)
        for row in 0..<2 {
            order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
        }
        let fields = columns.enumerated().map { Field("c\($0.offset)", $0.element.type) }
        return ColumnBatch(schema: Schema(fields), columns: columns, order: order, count: 2)
    }

    @Test func `rows become the bytes that other programs make of them`() {
        let made = batch()
        let values = Column(.bytes, capacity: 1)
        ChecksumEncoder(schema: made.schema).encode(made, into: values)
        let hex = (0..<2).map { row in
            values.bytes(row).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
                .joined()
        }
        #expect(
            hex == [
                "01fbffffffffffffff" + "0108000000" + "6772c3b6c39f6572" + "010000000000000000"
                    + "012efbffffffffffffffffffffffffffff" + "0101",
                "00" + "0100000000" + "01000000000000f83f" + "00" + "0100",
            ])
    }

    @Test func `hashes are those of the specification`() {
        func hash(_ text: String) -> UInt64 {
            var text = text
            return text.withUTF8 { Hash.xxh64($0.baseAddress!, $0.count) }
        }
        #expect(hash("a") == 0xD24E_C4F1_A98C_6E5B)
        #expect(hash("abc") == 0x44BC_2CF5_AD77_0999)
    }
}
