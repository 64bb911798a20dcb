import StreamRuntime

/// Feast's `feast.types.Value`: what one feature is on the wire of Redis and gRPC.
///
/// - Shape: the message's bytes; a null is no bytes at all, which is also an unset `Value`. bool, int64,
///   double, string and bytes are their own fields; a timestamp is `unix_timestamp_val` in whole seconds
///   (rounded down), a date the same at midnight, a decimal `decimal_val`, its text with all digits of the
///   scale. A list is the list of its elements' field; a list with a null in it, or of lists, is
///   `list_val`. NaN is null, as in JSON.
/// - Source: feast-dev/feast, protos/feast/types/Value.proto of 0.67.
public enum FeastValue {
    /// The number of the field that a scalar of `type` is.
    static func field(_ type: ColumnType) -> Int {
        switch type {
        case .bytes: 1
        case .string: 2
        case .int64: 4
        case .float64: 5
        case .bool: 7
        case .timestamp, .date: 8
        case .decimal: 44
        case .list, .interval, .structure: 42
        }
    }

    /// Appends row `row` of `column` as a Value.
    ///
    /// - Returns: false when it is null, and nothing was appended.
    @discardableResult
    public static func append(_ column: Column, _ row: Int, to arena: ByteArena) -> Bool {
        guard column.isValid(row) else { return false }
        let payload = ByteArena(capacity: 256)
        let columns = [Unmanaged.passUnretained(column)]
        var hint: UInt8 = 0
        columns.withUnsafeBufferPointer {
            ViewPayload.append(row: row, of: $0, hints: &hint, to: payload)
        }
        var reader = PayloadReader(payload.base, features: 1)
        let isValue = append(&reader, column.type, to: arena)
        withExtendedLifetime((payload, column)) {}
        return isValue
    }

    /// Appends the payload's next value, which is there, as a Value.
    ///
    /// - Returns: false when it is one that counts as null (NaN), and nothing was appended.
    static func append(
        _ reader: inout PayloadReader, _ type: ColumnType, to arena: ByteArena
    ) -> Bool {
        switch type {
        case .float64:
            let value = reader.number().value
            guard !value.isNaN else { return false }
            ProtoWriter.tag(5, .fixed64, to: arena)
            ProtoWriter.fixed64(value.bitPattern, to: arena)
        case .bool, .int64, .timestamp, .date:
            ProtoWriter.tag(field(type), .varint, to: arena)
            ProtoWriter.varint(number(&reader, type), to: arena)
        case .string, .bytes: ProtoWriter.bytes(field(type), reader.bytes(), to: arena)
        case .decimal(_, let scale): append(decimal: reader.decimal(), scale, field: 44, to: arena)
        case .list(let element): append(list: &reader, of: element, to: arena)
        case .interval, .structure: preconditionFailure("the catalog refuses such features")
        }
        return true
    }

    /// The next value of a type that is written as a varint.
    private static func number(_ reader: inout PayloadReader, _ type: ColumnType) -> UInt64 {
        switch type {
        case .bool: return UInt64(reader.byte())
        case .timestamp:
            return UInt64(bitPattern: FeastTimestamp.seconds(ofMicros: reader.integer()))
        case .date: return UInt64(bitPattern: reader.integer() &* 86_400)
        default: return UInt64(bitPattern: reader.integer())
        }
    }

    private static func append(
        decimal value: Int128, _ scale: Int, field: Int, to arena: ByteArena
    ) {
        var text: [UInt8] = []
        ValueText.append(value, scale: scale, to: &text)
        text.withUnsafeBufferPointer { ProtoWriter.bytes(field, $0, to: arena) }
    }

    private static func append(
        list reader: inout PayloadReader, of element: ColumnType, to arena: ByteArena
    ) {
        let count = reader.count()
        guard !isNested(element), !hasNull(reader, count: count, element) else {
            ProtoWriter.tag(42, .lengthDelimited, to: arena)
            let start = arena.count
            for _ in 0..<count {
                ProtoWriter.tag(1, .lengthDelimited, to: arena)
                let value = arena.count
                if reader.byte() != 0 { _ = append(&reader, element, to: arena) }
                ProtoWriter.close(from: value, in: arena)
            }
            return ProtoWriter.close(from: start, in: arena)
        }
        let scalar = field(element)
        ProtoWriter.tag(scalar == 44 ? 45 : scalar + 10, .lengthDelimited, to: arena)
        let start = arena.count
        switch element {
        case .string, .bytes:
            for _ in 0..<count {
                _ = reader.byte()
                ProtoWriter.bytes(1, reader.bytes(), to: arena)
            }
        case .decimal(_, let scale):
            for _ in 0..<count {
                _ = reader.byte()
                append(decimal: reader.decimal(), scale, field: 1, to: arena)
            }
        default:
            guard count > 0 else { break }
            ProtoWriter.tag(1, .lengthDelimited, to: arena)
            let packed = arena.count
            for _ in 0..<count {
                _ = reader.byte()
                if element == .float64 {
                    ProtoWriter.fixed64(reader.number().value.bitPattern, to: arena)
                } else {
                    ProtoWriter.varint(number(&reader, element), to: arena)
                }
            }
            ProtoWriter.close(from: packed, in: arena)
        }
        ProtoWriter.close(from: start, in: arena)
    }

    private static func isNested(_ type: ColumnType) -> Bool {
        if case .list = type { true } else { false }
    }

    /// Whether any of the next `count` elements is null.
    private static func hasNull(
        _ reader: PayloadReader, count: Int, _ element: ColumnType
    ) -> Bool {
        var reader = reader
        for _ in 0..<count {
            if reader.byte() == 0 { return true }
            reader.skip(element)
        }
        return false
    }
}
