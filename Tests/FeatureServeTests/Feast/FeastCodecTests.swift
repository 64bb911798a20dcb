import Codecs
import StreamRuntime
import Testing

@testable import FeatureServe

/// Bytes written as hexadecimal, blanks for the eye.
func hex(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8).filter { $0 != 0x20 }.map { $0 < 0x40 ? $0 - 0x30 : $0 - 0x57 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// What `body` appends.
func appended(_ body: (ByteArena) -> Void) -> [UInt8] {
    let arena = ByteArena(capacity: 64)
    body(arena)
    return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
}

/// A column of `type` with the rows `fill` appends.
func column(_ type: ColumnType, _ fill: (Column) -> Void) -> Column {
    let column = Column(type, capacity: 4)
    fill(column)
    return column
}

/// A list column of one row.
private func list(_ element: ColumnType, _ fill: (Column) -> Void) -> Column {
    column(.list(element)) {
        fill($0.children[0])
        $0.appendList(from: 0)
    }
}

// The bytes of these tests are what Feast 0.67's own messages and functions gave for the same values.
@Suite struct FeastCodecTests {
    private static let money = ColumnType.decimal(precision: 12, scale: 2)

    /// Each value, the bytes Feast writes for it, and its text once it is read back.
    private static var values: [(column: Column, bytes: String, text: String)] {
        [
            (column(.int64) { $0.append(9 as Int64) }, "2009", "9"),
            (column(.int64) { $0.append(-5 as Int64) }, "20fbffffffffffffffff01", "-5"),
            (column(.float64) { $0.append(0.93) }, "29c3f5285c8fc2ed3f", "0.93"),
            (column(.float64) { $0.append(Double.infinity) }, "29000000000000f07f", "inf"),
            (column(.bool) { $0.append(false) }, "3800", "false"),
            (column(.string) { $0.append("") }, "1200", ""),
            (
                column(.bytes) { b in [0, 1].withUnsafeBufferPointer { b.append($0) } }, "0a020001",
                "\\x00\\x01"
            ),
            (
                column(.timestamp) { $0.append(-2_500_000 as Int64) }, "40fdffffffffffffffff01",
                "1969-12-31 23:59:57"
            ),
            (column(.date) { $0.append(1 as Int64) }, "4080a305", "1970-01-02"),
            (column(money) { $0.append(1234 as Int128) }, "e2020531322e3334", "12.34"),
            (
                list(.int64) { c in [1, 2, 300, -1].forEach { c.append($0 as Int64) } },
                "72100a0e0102ac02ffffffffffffffffff01", "[1, 2, 300, -1]"
            ),
            (list(.int64) { _ in }, "7200", "[]"),
            (
                list(.string) {
                    $0.append("a"); $0.append("")
                }, "62050a01610a00", "[a, '']"
            ),
            (
                list(.float64) {
                    $0.append(1.5); $0.append(-2.0)
                },
                "7a120a10000000000000f83f00000000000000c0", "[1.5, -2.0]"
            ),
            (
                list(.bool) {
                    $0.append(true); $0.append(false)
                }, "8a01040a020100", "[true, false]"
            ),
            (
                list(.timestamp) { $0.append(5_000_000 as Int64) }, "9201030a0105",
                "['1970-01-01 00:00:05']"
            ),
            (
                list(money) {
                    $0.append(150 as Int128); $0.append(-5 as Int128)
                },
                "ea020d0a04312e35300a052d302e3035", "[1.50, -0.05]"
            ),
            (
                list(.int64) {
                    $0.append(1 as Int64); $0.appendNull()
                }, "d202060a0220010a00",
                "[1, NULL]"
            ),
            (
                list(.list(.int64)) {
                    $0.children[0].append(1 as Int64)
                    $0.appendList(from: 0)
                    $0.appendList(from: 1)
                }, "d2020b0a0572030a01010a027200", "[[1], []]"
            ),
        ]
    }

    @Test func `values are Feast's bytes, and come back from them`() throws {
        for value in FeastCodecTests.values {
            let bytes = appended { FeastValue.append(value.column, 0, to: $0) }
            #expect(bytes == hex(value.bytes), "\(value.text)")
            let back = Column(value.column.type, capacity: 1)
            try hex(value.bytes).withUnsafeBufferPointer { try FeastValue.read($0, into: back) }
            #expect(back.valueText(0) == value.text)
        }
    }

    @Test func `a null is no bytes, and so is a number that is none`() throws {
        #expect(appended { FeastValue.append(column(.int64) { $0.appendNull() }, 0, to: $0) } == [])
        let nan = column(.float64) { $0.append(Double.nan) }
        #expect(appended { FeastValue.append(nan, 0, to: $0) } == [])
        for bytes in ["", "980100"] {
            let back = Column(.int64, capacity: 1)
            try hex(bytes).withUnsafeBufferPointer { try FeastValue.read($0, into: back) }
            #expect(!back.isValid(0))
        }
    }

    @Test func `values of another width are read where nothing is lost`() throws {
        let cases: [(type: ColumnType, bytes: String, text: String)] = [
            (.int64, "18f9ffffffffffffffff01", "-7"), (.int64, "290000000000000840", "3"),
            (.float64, "35cdcccc3d", "0.10000000149011612"), (.float64, "2003", "3.0"),
            (.list(.int64), "6a0d0a0b01feffffffffffffffff01", "[1, -2]"),
            (.list(.int64), "ca01030a0104", "[4]"),
            (.list(.float64), "8201060a040000003f", "[0.5]"),
            (.list(.float64), "820100", "[]"), (.list(.bytes), "5a040a027879", "[xy]"),
            (.timestamp, "82030708051203555443", "1970-01-01 00:00:05"),
            (FeastCodecTests.money, "2003", "3.00"),
        ]
        for (type, bytes, text) in cases {
            let back = Column(type, capacity: 1)
            try hex(bytes).withUnsafeBufferPointer { try FeastValue.read($0, into: back) }
            #expect(back.valueText(0) == text)
        }
    }

    @Test func `what does not fit, or is no message, is refused with what was found`() {
        let cases: [(type: ColumnType, bytes: String, problem: String)] = [
            (.int64, "120161", "string_val where int64 is declared"),
            (.int64, "29000000000000f83f", "double_val where int64 is declared"),
            (.string, "2009", "int64_val where string is declared"),
            (.list(.int64), "2009", "int64_val where list<int64> is declared"),
            (
                FeastCodecTests.money, "e20205312e323334",
                "\"1.234\" where decimal(12,2) is declared"
            ),
            (.int64, "20", "a number cut short"), (.string, "1205", "a field cut short"),
        ]
        for (type, bytes, problem) in cases {
            let back = Column(type, capacity: 1)
            #expect(throws: FeastProblem(problem)) {
                try hex(bytes).withUnsafeBufferPointer { try FeastValue.read($0, into: back) }
            }
        }
    }

    @Test func `decimals are read as Python writes them`() throws {
        let cases: [(text: String, value: Int128?)] = [
            ("12.34", 1234), ("-0.05", -5), ("7", 700), ("1E+2", 10000), ("1.5e-1", 15),
            ("1.500", 150), ("+3", 300), ("", nil), ("NaN", nil), ("1.005", nil), ("1e", nil),
            ("12345678901", nil), ("0e90", 0),
        ]
        for (text, value) in cases {
            let read = Array(text.utf8).withUnsafeBufferPointer { bytes in
                try? DecimalText.read(bytes, precision: 12, scale: 2)
            }
            #expect(read == value, "\(text)")
        }
    }

    @Test func `event times are Timestamps`() throws {
        let cases: [(micros: Int64, bytes: String)] = [
            (1_577_836_800_000_000, "0880c2aff005"),
            (1_795_219_383_123_456, "08b7bf83d806108094ef3a"),
            (-1_500_000, "08feffffffffffffffff011080cab5ee01"), (0, ""),
        ]
        for (micros, bytes) in cases {
            #expect(appended { FeastTimestamp.append(micros: micros, to: $0) } == hex(bytes))
            let back = try hex(bytes).withUnsafeBufferPointer { try FeastTimestamp.micros($0) }
            #expect(back == micros)
        }
    }

    @Test func `fields are named by murmur3`() {
        let hashes: [(text: String, hash: UInt32)] = [
            ("", 0), ("a", 0x3c25_69b2), ("ab", 0x9bbf_d75f), ("abc", 0xb3dd_93fa),
            ("abcd", 0x43ed_676a), ("hello world", 0x5e92_8f0f),
        ]
        for (text, hash) in hashes { #expect(Murmur3.hash(text) == hash, "\(text)") }
        let fields: [(view: String, feature: String, name: String)] = [
            ("user_counters", "orders_1h", "99953fc6"), ("user_counters", "spend_24h", "8895dd1c"),
            ("availability", "p_found", "57b9c005"), ("availability", "orders_1h", "c9bd6fec"),
            ("driver_hourly_stats", "conv_rate", "6160e3da"),
        ]
        for (view, feature, name) in fields {
            #expect(FeastField.name(view: view, feature: feature) == hex(name))
        }
        #expect(FeastField.time(view: "v") == Array("_ts:v".utf8))
    }

    @Test func `entity keys are Feast's bytes, and the online store's come back from them`() throws
    {
        let user = Entity(name: "user", keys: [Field("user_id", .int64)])
        let item = Entity(
            name: "item", keys: [Field("store_id", .int64), Field("item_id", .string)])
        let odd = Entity(name: "odd", keys: [Field("b", .bytes), Field("a", .timestamp)])
        let cases: [(entity: Entity, parts: [Column], bytes: String)] = [
            (
                user, [column(.int64) { $0.append(2 as Int64) }],
                "01000000 02000000 07000000 757365725f6964 04000000 08000000 0200000000000000 6c6162"
            ),
            (
                item,
                [
                    column(.int64) { $0.append(10 as Int64) },
                    column(.string) { $0.append("apple") },
                ],
                "02000000 02000000 07000000 6974656d5f6964 02000000 08000000 73746f72655f6964 "
                    + "02000000 05000000 6170706c65 04000000 08000000 0a00000000000000 6c6162"
            ),
            (
                odd,
                [
                    column(.bytes) { c in [0, 0x78].withUnsafeBufferPointer { c.append($0) } },
                    column(.timestamp) { $0.append(7_000_000 as Int64) },
                ],
                "02000000 02000000 01000000 61 02000000 01000000 62 08000000 08000000 "
                    + "0700000000000000 01000000 02000000 0078 6c6162"
            ),
        ]
        for (entity, parts, bytes) in cases {
            let keys = try #require(FeastEntityKey(entity: entity, project: "lab"))
            #expect(appended { keys.append(parts, 0, to: $0) } == hex(bytes))
            let encoded = appended { arena in
                for part in parts { KeyEncoder.append(part, 0, to: arena) }
            }
            let own = appended { arena in
                let key = ByteArena()
                key.append(hex(bytes), hex(bytes).count)
                #expect(keys.encode(key.base, key.count, to: arena))
            }
            #expect(own == encoded)
            let back = appended { arena in
                encoded.withUnsafeBufferPointer { keys.append(encoded: $0, to: arena) }
            }
            #expect(back == hex(bytes))
        }
    }

    @Test
    func `a key of another entity, project or type is none, and an int32 is taken for an int64`() {
        let user = Entity(name: "user", keys: [Field("user_id", .int64)])
        let keys = FeastEntityKey(entity: user, project: "lab")!
        let head = "01000000 02000000 07000000 757365725f6964 "
        let cases: [(bytes: String, value: String?)] = [
            (head + "03000000 04000000 feffffff 6c6162", "-2"),
            (head + "04000000 08000000 0200000000000000 6d79", nil),
            (head + "04000000 08000000 0200000000000000 6d796c6162", nil),
            (head + "02000000 01000000 32 6c6162", nil), (head + "04000000 08000000 02", nil),
            (head + "04000000 ffffffff 02", nil), (head, nil), ("", nil), ("01", nil),
        ]
        for (bytes, value) in cases {
            let back = Column(.int64, capacity: 1)
            let taken = hex(bytes).withUnsafeBufferPointer { keys.read($0, into: [back]) }
            #expect(taken == (value != nil))
            #expect(value == nil || back.valueText(0) == value)
        }
        let bad = Entity(name: "bad", keys: [Field("rate", .float64)])
        #expect(FeastEntityKey(entity: bad, project: "lab") == nil)
    }

    @Test func `a row's values are rendered once, framed, with their nulls marked`() throws {
        let store = try Shop.store()
        let at: Int64 = 1_577_836_800_000_000
        try Shop.write([.init(user: 7, orders: nil, spend: 0.93, city: "", at: at)], to: store)
        let table = store.tables[0]
        let key = appended { KeyEncoder.append(word: 7, to: $0) }
        let hash = Hash.xxh3(key, key.count)
        let arena = ByteArena()
        var reads = [ViewRead.absent, ViewRead.absent]
        for _ in 0..<2 {
            arena.count = 0
            _ = try reads.withUnsafeMutableBufferPointer {
                try table.shard(hash).read(
                    hash: hash, key: key, keyLength: key.count, slots: [0, 1], asValues: true,
                    reads: $0.baseAddress!, into: arena)
            }
            #expect(reads[0].isPresent && reads[0].eventTime == at)
            #expect(!reads[1].isPresent)
            let block = UnsafePointer(arena.base + reads[0].rendered)
            let values = (0..<4).map { Array(RenderedValues.value(block, features: 3, index: $0)) }
            #expect(
                values == [[], hex("29c3f5285c8fc2ed3f"), hex("1200"), hex("0880c2aff005")])
            #expect(RenderedValues.isNull(block, index: 0))
            #expect(!RenderedValues.isNull(block, index: 2))
        }
        let runs = [ValueRun(slot: 0, first: 2, last: 3), ValueRun(slot: 1, first: 0, last: 1)]
        let framed = try appendedThrowing { arena in
            try table.shard(hash).appendValues(
                hash: hash, key: key, keyLength: key.count, runs: runs, count: 2,
                absent: "$-1\r\n", to: arena)
        }
        #expect(
            framed == Array("$2\r\n\u{12}\0\r\n$6\r\n".utf8) + hex("0880c2aff005")
                + Array("\r\n$-1\r\n$-1\r\n".utf8))
    }

    @Test func `a removed view is gone whatever its time, and what comes after is taken`() throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 7, orders: 1, at: 500)], to: store)
        let key = appended { KeyEncoder.append(word: 7, to: $0) }
        let hash = Hash.xxh3(key, key.count)
        let shard = store.tables[0].shard(hash)
        #expect(try shard.remove(hash: hash, key: key, keyLength: key.count, slot: 0))
        #expect(try !shard.remove(hash: hash, key: key, keyLength: key.count, slot: 0))
        #expect(try Shop.write([.init(user: 7, orders: 2, at: 100)], to: store).applied == 1)
    }

    private func appendedThrowing(_ body: (ByteArena) throws -> Void) throws -> [UInt8] {
        let arena = ByteArena(capacity: 64)
        try body(arena)
        return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
    }
}
