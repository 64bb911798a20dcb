import Codecs
import StreamRuntime

/// What stands around records in an Avro file.
///
/// - Shape: the head names the schema; each block has its number of records, its bytes and the file's mark.
///   The mark is made of the schema, so that equal rows give equal files.
/// - Source: the specification of Apache Avro 1.12, "Object Container Files".
public struct AvroFileFrame {
    private let schema: [UInt8]
    private let mark: [UInt8]

    /// The frame of records of `schema`, called `name`.
    public init(schema: Schema, name: String) {
        self.schema = Array(AvroSchemaText.make(schema, name: name).utf8)
        let low = Hash.xxh3(self.schema, self.schema.count)
        let high = Hash.xxh3([1] + self.schema, self.schema.count + 1)
        var mark: [UInt8] = []
        for word in [low, high] { withUnsafeBytes(of: word.littleEndian) { mark += $0 } }
        self.mark = mark
    }

    /// What a file begins with.
    public var head: [UInt8] {
        var bytes: [UInt8] = [0x4F, 0x62, 0x6A, 0x01]
        AvroFileFrame.append(2, to: &bytes)
        for (name, value) in [("avro.schema", schema), ("avro.codec", Array("null".utf8))] {
            AvroFileFrame.append(name.utf8.count, to: &bytes)
            bytes += Array(name.utf8)
            AvroFileFrame.append(value.count, to: &bytes)
            bytes += value
        }
        AvroFileFrame.append(0, to: &bytes)
        return bytes + mark
    }

    /// What stands before `count` records of together `bytes` bytes.
    public func blockHead(count: Int, bytes: Int) -> [UInt8] {
        var head: [UInt8] = []
        AvroFileFrame.append(count, to: &head)
        AvroFileFrame.append(bytes, to: &head)
        return head
    }

    /// What stands behind a block's records.
    public var blockEnd: [UInt8] { mark }

    private static func append(_ value: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: Int64(value) << 1 ^ Int64(value) >> 63)
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
