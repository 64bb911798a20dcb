import StreamRuntime
import Testing

@Suite struct BatchBytesTests {
    private static let schema = Schema([
        Field("text", .string), Field("number", .int64),
        Field("price", .decimal(precision: 38, scale: 2)),
        Field("list", .list(.structure([Field("a", .string), Field("b", .bool)]))),
        Field("pair", .structure([Field("x", .float64), Field("tags", .list(.bytes))])),
    ])

    private func batch(_ count: Int) -> ColumnBatch {
        let batch = ColumnBatch(schema: BatchBytesTests.schema, capacity: count)
        let columns = batch.columns
        for row in 0..<count {
            row % 3 == 1 ? columns[0].appendNull() : columns[0].append("text \(row)")
            columns[1].append(Int64(row) - 5)
            row % 4 == 2 ? columns[2].appendNull() : columns[2].append(Int128(row) << 80)
            let element = columns[3].children[0]
            let start = element.count
            for item in 0..<(row % 4) {
                item == 2
                    ? element.children[0].appendNull() : element.children[0].append("i\(item)")
                element.children[1].append(item % 2 == 0)
                element.appendStructure()
            }
            columns[3].appendList(from: start)
            let tags = columns[4].children[1]
            columns[4].children[0].append(Double(row) / 3)
            let first = tags.children[0].count
            if row % 2 == 0 { tags.children[0].append("tag \(row)") }
            tags.appendList(from: first)
            columns[4].appendStructure()
            batch.order.append(
                eventTime: Int64(row) * 7, watermark: .min, origin: 3, offset: Int64(-row))
        }
        batch.count = count
        batch.keys = KeyEncoder(columns: [0, 1]).encode(batch)
        batch.changes = RowChange.inserts(count)
        if count > 1 { batch.changes!.bools[1] = RowChange.delete.rawValue }
        batch.raw = batch.columns[0]
        return batch
    }

    private func decode(_ arena: ByteArena, _ schema: Schema = schema) throws -> ColumnBatch {
        try BatchBytes.decode(
            UnsafeBufferPointer(start: arena.base, count: arena.count), schema: schema)
    }

    @Test(arguments: [0, 1, 2, 100])
    func `rows come back with everything they carry`(count: Int) throws {
        let batch = batch(count)
        let bytes = BatchBytes.encode(batch)
        let back = try decode(bytes)
        #expect(back.count == count)
        #expect(back.keys?.hashes.count == count)
        let again = BatchBytes.encode(back)
        #expect(bytes.count == again.count)
        #expect((0..<bytes.count).allSatisfy { bytes.base[$0] == again.base[$0] })
        for row in 0..<count {
            #expect(back.columns[0].isValid(row) == (row % 3 != 1))
            if row % 3 != 1 { #expect(back.columns[0].string(row) == "text \(row)") }
            if row % 4 != 2 { #expect(back.columns[2].decimals[row] == Int128(row) << 80) }
            #expect(ByteView.length(back.columns[3].views[row]) == row % 4)
            #expect(back.order.offsets.int64s[row] == Int64(-row))
            #expect(back.changes?.bools[row] == (row == 1 ? 3 : 0))
        }
    }

    @Test func `picked rows of shared memory are written once each`() throws {
        let batch = batch(100)
        let rows: [Int32] = [99, 3, 3, 50]
        let back = try decode(BatchBytes.encode(batch.gathered(rows, count: 4)))
        #expect((0..<4).map { back.columns[1].int64s[$0] } == [94, -2, -2, 45])
        #expect(back.columns[3].children[0].count == 3 + 3 + 3 + 2)
        #expect(back.columns[0].string(0) == "text 99")
    }

    @Test func `bytes cut short or changed anywhere in their head are refused with a remedy`()
        throws
    {
        let bytes = BatchBytes.encode(batch(5))
        for length in 0..<bytes.count {
            let cut = ByteArena(capacity: length)
            cut.append(bytes.base, length)
            #expect(throws: JobFailure.self) { try decode(cut) }
        }
        let other = Schema(Array(BatchBytesTests.schema.fields.dropLast()))
        #expect(throws: JobFailure.self) { try decode(bytes, other) }
        bytes.base[0] = 9
        let failure = #expect(throws: JobFailure.self) { try decode(bytes) }
        #expect(failure?.description.contains("format 9") == true)
    }

    @Test func `rows picked from several batches are gathered in the order of the picks`() throws {
        let batches = [batch(10), batch(40)]
        let picks = [(1, 33), (0, 4), (1, 1), (0, 7), (1, 0)].map {
            RowPick(batch: Int32($0.0), row: Int32($0.1))
        }
        let result = BatchBuilder.gather(
            picks, count: 5, from: batches, schema: BatchBytesTests.schema)
        #expect((0..<5).map { result.columns[1].int64s[$0] } == [28, -1, -4, 2, -5])
        #expect(!result.columns[0].isValid(1))
        #expect(result.columns[0].string(0) == "text 33")
        #expect((0..<5).map { ByteView.length(result.columns[3].views[$0]) } == [1, 0, 1, 3, 0])
        #expect(result.columns[4].children[0].float64s[3] == 7.0 / 3)
        #expect(result.changes?.bools[2] == 3)
        #expect(result.keys?.bytes.count == 5)
    }
}
