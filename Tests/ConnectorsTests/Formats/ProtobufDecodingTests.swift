import StreamRuntime
import Testing

@testable import Connectors

/// Bytes that the Python package `protobuf` 6 and its `protoc` wrote for the messages named below.
private enum Vectors {
    /// `shop.Order` (proto3) and `shop.Legacy` (proto2), with the well-known types they use.
    static let descriptor = """
        CncKH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiI7CglUaW1lc3RhbXASGAoH
        c2Vjb25kcxgBIAEoA1IHc2Vjb25kcxIUCgVuYW5vcxgCIAEoBVIFbmFub3NiBnByb3RvMwp1Ch5nb29nbGUvcHJvdG9i
        dWYvZHVyYXRpb24ucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiI6CghEdXJhdGlvbhIYCgdzZWNvbmRzGAEgASgDUgdzZWNv
        bmRzEhQKBW5hbm9zGAIgASgFUgVuYW5vc2IGcHJvdG8zCoADCh5nb29nbGUvcHJvdG9idWYvd3JhcHBlcnMucHJvdG8S
        D2dvb2dsZS5wcm90b2J1ZiIjCgtEb3VibGVWYWx1ZRIUCgV2YWx1ZRgBIAEoAVIFdmFsdWUiIgoKRmxvYXRWYWx1ZRIU
        CgV2YWx1ZRgBIAEoAlIFdmFsdWUiIgoKSW50NjRWYWx1ZRIUCgV2YWx1ZRgBIAEoA1IFdmFsdWUiIwoLVUludDY0VmFs
        dWUSFAoFdmFsdWUYASABKARSBXZhbHVlIiIKCkludDMyVmFsdWUSFAoFdmFsdWUYASABKAVSBXZhbHVlIiMKC1VJbnQz
        MlZhbHVlEhQKBXZhbHVlGAEgASgNUgV2YWx1ZSIhCglCb29sVmFsdWUSFAoFdmFsdWUYASABKAhSBXZhbHVlIiMKC1N0
        cmluZ1ZhbHVlEhQKBXZhbHVlGAEgASgJUgV2YWx1ZSIiCgpCeXRlc1ZhbHVlEhQKBXZhbHVlGAEgASgMUgV2YWx1ZWIG
        cHJvdG8zCs4HCgxzYW1wbGUucHJvdG8SBHNob3AaH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8aHmdvb2ds
        ZS9wcm90b2J1Zi9kdXJhdGlvbi5wcm90bxoeZ29vZ2xlL3Byb3RvYnVmL3dyYXBwZXJzLnByb3RvIkgKBExpbmUSEAoD
        c2t1GAEgASgJUgNza3USGgoIcXVhbnRpdHkYAiABKAVSCHF1YW50aXR5EhIKBHRhZ3MYAyADKAlSBHRhZ3Mi2AUKBU9y
        ZGVyEg4KAmlkGAEgASgJUgJpZBISCgR1c2VyGAIgASgDUgR1c2VyEhYKBmFtb3VudBgDIAEoAVIGYW1vdW50EhIKBHBh
        aWQYBCABKAhSBHBhaWQSHgoEa2luZBgFIAEoDjIKLnNob3AuS2luZFIEa2luZBIgCgVsaW5lcxgGIAMoCzIKLnNob3Au
        TGluZVIFbGluZXMSFgoGc2NvcmVzGAcgAygFUgZzY29yZXMSLwoGY291bnRzGAggAygLMhcuc2hvcC5PcmRlci5Db3Vu
        dHNFbnRyeVIGY291bnRzEioKAmF0GAkgASgLMhouZ29vZ2xlLnByb3RvYnVmLlRpbWVzdGFtcFICYXQSLQoEdG9vaxgK
        IAEoCzIZLmdvb2dsZS5wcm90b2J1Zi5EdXJhdGlvblIEdG9vaxIwCgRuaWNrGAsgASgLMhwuZ29vZ2xlLnByb3RvYnVm
        LlN0cmluZ1ZhbHVlUgRuaWNrEicKBWlubmVyGAwgASgLMhEuc2hvcC5PcmRlci5Jbm5lclIFaW5uZXISFgoFZW1haWwY
        DSABKAlIAFIFZW1haWwSFgoFcGhvbmUYDiABKANIAFIFcGhvbmUSGQoFbWF5YmUYDyABKA1IAVIFbWF5YmWIAQESEAoD
        cmF3GBAgASgMUgNyYXcSIwoNc2lnbmVkX251bWJlchgRIAEoEVIMc2lnbmVkTnVtYmVyEhAKA2JpZxgSIAEoBlIDYmln
        EhQKBXJhdGlvGBMgASgCUgVyYXRpbxIVCgVwcmljZRisAiABKAlSBXByaWNlGjEKBUlubmVyEhQKBWRlbHRhGAEgASgS
        UgVkZWx0YRISCgRub3RlGAIgASgJUgRub3RlGjkKC0NvdW50c0VudHJ5EhAKA2tleRgBIAEoCVIDa2V5EhQKBXZhbHVl
        GAIgASgDUgV2YWx1ZToCOAFCBQoDd2F5QggKBl9tYXliZSoqCgRLaW5kEgsKB1VOS05PV04QABIJCgVPUkRFUhABEgoK
        BlJFVFVSThAFYgZwcm90bzMK0gEKCW9sZC5wcm90bxIEc2hvcCK+AQoGTGVnYWN5Eg4KAmlkGAEgAigJUgJpZBIXCgVs
        ZXZlbBgCIAEoBToBN1IFbGV2ZWwSGAoEbmFtZRgDIAEoCToEbm9uZVIEbmFtZRIcCgdudW1iZXJzGAQgAygDQgIQAVIH
        bnVtYmVycxIoCgVleHRyYRgFIAEoCjISLnNob3AuTGVnYWN5LkV4dHJhUgVleHRyYRISCgRsYXN0GAkgASgIUgRsYXN0
        GhUKBUV4dHJhEgwKAWEYBiABKAlSAWE=
        """

    static let full = """
        0a036f2d3110fbffffffffffffffff011900000000000029402001280532150a016110feffffffffffffffff011a
        01781a02c3bc32030a01623a0d01ffffffffffffffffff01ac0242050a016b10094a0b0880e2cfaa0610959aef3a
        520808011080cab5ee015a050a03616e6e6205080512016e702a780082010200ff88010d91010100000000000080
        9d010000803ee2120531392e3939
        """
    static let legacy = "0a0178220c0102ffffffffffffffffff012b3201712c4801"
    static let merged = "0a0131620208080a0132620312017a6a0165"
    static let past = "0a01744a1108ffffffffffffffffff0110ff93ebdc03"

    static var schema: ProtobufSchema {
        get throws {
            let text = Array(descriptor.utf8).filter { $0 > 0x20 } + [0, 0, 0, 0]
            var bytes = [UInt8](repeating: 0, count: text.count)
            let count = Base64Text.decode(text, text.count - 4, into: &bytes)
            return try ProtobufSchema(descriptor: Array(bytes[0..<count]))
        }
    }
}

/// The messages that the tests of Protobuf share.
func protobufTestSchema() throws -> ProtobufSchema { try Vectors.schema }

private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.utf8.filter { $0 > 0x20 }.map { UInt8($0 < 0x40 ? $0 - 0x30 : $0 - 0x57) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

private func decoder(
    _ message: String, _ fields: [RecordField],
    framing: ProtobufRecordDecoder.Framing = .none
) throws -> ProtobufRecordDecoder {
    try ProtobufRecordDecoder(
        fields: fields, message: message, of: Vectors.schema, framing: framing)
}

private let line = ColumnType.structure([
    Field("sku", .string), Field("quantity", .int64), Field("tags", .list(.string)),
])

@Test func `every kind of field of a Protobuf message becomes a column`() throws {
    let table: [(RecordField, String)] = [
        (RecordField("id", .string), "o-1"),
        (RecordField("user", .int64), "-5"),
        (RecordField("user", .decimal(precision: 10, scale: 2)), "-500e-2"),
        (RecordField("amount", .float64), "12.5"),
        (RecordField("paid", .bool), "true"),
        (RecordField("kind", .string), "RETURN"),
        (RecordField("kind", .int64), "5"),
        (
            RecordField("lines", .list(line)),
            "[{sku=a, quantity=-2, tags=[x, ü]}, {sku=b, quantity=0, tags=[]}]"
        ),
        (RecordField("scores", .list(.int64)), "[1, -1, 300]"),
        (
            RecordField(
                "counts",
                .list(.structure([Field("key", .string), Field("value", .int64)]))),
            "[{key=k, value=9}]"
        ),
        (RecordField("at", .timestamp), "1700000000123456"),
        (RecordField("at", .structure([Field("nanos", .int64)])), "{nanos=123456789}"),
        (RecordField("took", .int64), "1500000"),
        (RecordField("nick", .string), "ann"),
        (RecordField("delta", .int64, path: "inner.delta"), "-3"),
        (
            RecordField("inner", .structure([Field("note", .string), Field("delta", .int64)])),
            "{note=n, delta=-3}"
        ),
        (RecordField("email", .string), "null"),
        (RecordField("phone", .int64), "42"),
        (RecordField("maybe", .int64), "0"),
        (RecordField("raw", .bytes), "0.ff"),
        (RecordField("signedNumber", .int64), "-7"),
        (RecordField("big", .decimal(precision: 38, scale: 0)), "9223372036854775809e-0"),
        (RecordField("ratio", .float64), "0.25"),
        (RecordField("price", .decimal(precision: 12, scale: 2)), "1999e-2"),
        (RecordField("price", .string), "19.99"),
    ]
    for (field, expected) in table {
        let decoded = decode(
            try decoder("shop.Order", [field]), records([bytes(Vectors.full)]))
        #expect(decoded == Decoded(rows: [expected]), "\(field.name) as \(field.type)")
    }
    let all = table.enumerated().map { index, row in
        RecordField(
            "c\(index)", row.0.type, path: row.0.path.joined(separator: "."))
    }
    let decoded = decode(
        try decoder("shop.Order", all), records([bytes(Vectors.full), bytes(Vectors.full)]))
    let row = table.map(\.1).joined(separator: " | ")
    #expect(decoded == Decoded(rows: [row, row]))
}

@Test func `an absent field has its default or is null, as its presence says`() throws {
    let three = [
        RecordField("id", .string), RecordField("user", .int64), RecordField("kind", .string),
        RecordField("maybe", .int64), RecordField("phone", .int64), RecordField("at", .timestamp),
        RecordField("delta", .int64, path: "inner.delta"), RecordField("lines", .list(line)),
    ]
    #expect(
        decode(try decoder("shop.Order", three), records([[]]))
            == Decoded(rows: [" | 0 | UNKNOWN | null | null | null | null | []"]))
    let two = [
        RecordField("id", .string), RecordField("level", .int64), RecordField("name", .string),
        RecordField("numbers", .list(.int64)), RecordField("last", .bool),
    ]
    #expect(
        decode(try decoder("shop.Legacy", two), records([bytes(Vectors.legacy), []]))
            == Decoded(rows: ["x | 7 | none | [1, 2, -1] | true", "null | 7 | none | [] | null"]))
    let required = RecordField("phone", .int64, isRequired: true)
    #expect(
        decode(try decoder("shop.Order", [required]), records([[], nil]))
            == Decoded(
                rejects: [
                    "0 phone: is missing", "1 : the record has no value (a tombstone)",
                ]))
}

@Test func `of a field that comes twice the last value counts, and pieces of a message are one`()
    throws
{
    let fields = [
        RecordField("id", .string), RecordField("delta", .int64, path: "inner.delta"),
        RecordField("inner", .structure([Field("note", .string), Field("delta", .int64)])),
    ]
    #expect(
        decode(try decoder("shop.Order", fields), records([bytes(Vectors.merged)]))
            == Decoded(rows: ["2 | 4 | {note=z, delta=4}"]))
    // Of a oneof only the member that came last is there: phone 42, then an e-mail address.
    let way = [RecordField("phone", .int64), RecordField("email", .string)]
    #expect(
        decode(try decoder("shop.Order", way), records([bytes("702a6a0165")]))
            == Decoded(rows: ["null | e"]))
    #expect(
        decode(try decoder("shop.Order", [way[0]]), records([bytes("702a6a0165")]))
            == Decoded(rows: ["null"]))
}

@Test func `numbers of a repeated field may be packed or not`() throws {
    let scores = [RecordField("scores", .list(.int64))]
    #expect(
        decode(try decoder("shop.Order", scores), records([bytes("3801380a3a02ff01")]))
            == Decoded(rows: ["[1, 10, 255]"]))
}

@Test func `a moment before 1970 is rounded towards the past`() throws {
    #expect(
        decode(
            try decoder("shop.Order", [RecordField("at", .timestamp)]),
            records([bytes(Vectors.past)])) == Decoded(rows: ["-1"]))
}

@Test func `what stands before a framed message is checked`() throws {
    let field = [RecordField("id", .string)]
    let framed = try decoder("shop.Order", field, framing: .confluent)
    // Order is message 1 of its file; Line, the first, is written as a lone zero.
    let decoded = decode(
        framed, records([bytes("000000000102020a0178"), bytes("0000000001000a0178"), [1, 2]]))
    #expect(
        decoded
            == Decoded(
                rows: ["x"],
                rejects: [
                    "1 : the record is message [0] of its file, and shop.Order is [1]",
                    "2 : the record does not begin with a schema's number",
                ]))
}

@Test func `a field that does not fit the descriptor is refused with what there is`() throws {
    let table: [(String, RecordField, String)] = [
        ("shop.Nothing", RecordField("id", .string), "the descriptor file has no message"),
        ("shop.Order", RecordField("idd", .string), "has no field \"idd\"; it has id, user"),
        ("shop.Order", RecordField("id", .bool), "a string is not read as bool"),
        ("shop.Order", RecordField("scores", .int64), "a repeated field is read as a list"),
        ("shop.Order", RecordField("x", .int64, path: "id.x"), "a string has no fields inside"),
        ("shop.Order", RecordField("inner", .int64), "the message shop.Order.Inner is not read"),
    ]
    for (message, field, expected) in table {
        let mismatch = try #require(throws: ProtobufMismatch.self) {
            _ = try decoder(message, [field])
        }
        #expect(mismatch.reason.contains(expected), "\(mismatch.reason)")
    }
    #expect(throws: ProtobufSchema.Problem.self) { try ProtobufSchema(descriptor: [1, 2, 3]) }
    #expect(throws: ProtobufSchema.Problem.self) { try ProtobufSchema(descriptor: []) }
}

@Test func `bytes that are no message are rejected and never crash`() throws {
    let made = try decoder(
        "shop.Order",
        [
            RecordField("id", .string), RecordField("kind", .string),
            RecordField("lines", .list(line)), RecordField("scores", .list(.int64)),
            RecordField("at", .timestamp), RecordField("delta", .int64, path: "inner.delta"),
        ])
    let whole = bytes(Vectors.full)
    for length in 0..<whole.count {
        let decoded = decode(made, records([Array(whole[0..<length])]))
        #expect(decoded.rows.count + decoded.rejects.count == 1)
    }
    let seed: UInt64 = 0x9E37_79B9_7F4A_7C15
    var state = seed
    for _ in 0..<3000 {
        var changed = whole
        for _ in 0..<3 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            changed[Int(state >> 33) % changed.count] = UInt8(truncatingIfNeeded: state >> 25)
        }
        let decoded = decode(made, records([changed]))
        #expect(decoded.rows.count + decoded.rejects.count == 1, "seed \(seed)")
    }
}
