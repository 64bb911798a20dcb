import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct CompactNumberTests {
    private static let edges: [Double] = [
        0, -0.0, 1, -1, 0.1, 0.5, 0.93, 12.345, 1e-4, 9e-5, 1e-5, 1e-6, 1e-7, 0.000123, 123.456_789,
        1e12, 9_999_999_999_999, 1e13, 1e15, 1e16, 1e17, -1e17, 1 / 3, .pi, .infinity, -.infinity,
        .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1 + 0.2, 99_999_999.999_999,
    ]

    private func written(_ values: [Double]) -> (bytes: Int, read: [PayloadReader.Number]) {
        let column = Column(.float64, capacity: values.count)
        for value in values { column.append(value) }
        let arena = ByteArena()
        var hint: UInt8 = 0
        var read: [PayloadReader.Number] = []
        for row in values.indices {
            arena.count = 0
            let columns = [Unmanaged.passUnretained(column)]
            columns.withUnsafeBufferPointer {
                ViewPayload.append(row: row, of: $0, hints: &hint, to: arena)
            }
            var reader = PayloadReader(arena.base, features: 1)
            #expect(reader.isPresent(0))
            read.append(reader.number())
        }
        withExtendedLifetime(column) {}
        return (arena.count, read)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `every double comes back bit by bit, in the text it always had`(seed: UInt64) {
        var random = SplitMix(state: seed)
        var values = CompactNumberTests.edges
        for _ in 0..<2000 {
            let digits = Int64.random(in: -10_000_000...10_000_000, using: &random)
            values.append(Double(digits) / CompactNumber.power(Int(digits.magnitude % 7)))
            if Int.random(in: 0..<4, using: &random) == 0 {
                values.append(Double(bitPattern: random.next()))
            }
        }
        let text = ByteArena()
        for (value, number) in zip(values, written(values).read) where !value.isNaN {
            #expect(number.value.bitPattern == value.bitPattern, "\(value), seed \(seed)")
            guard case .decimal(let digits, let decimals) = number else { continue }
            text.count = 0
            JSONText.append(digits: digits, decimals: decimals, to: text)
            let shown = String(
                decoding: UnsafeBufferPointer(start: text.base, count: text.count), as: UTF8.self)
            #expect(shown == value.description, "seed \(seed)")
        }
    }

    @Test(
        arguments: [
            (0.0, 2), (3.0, 2), (0.93, 3), (12.34, 4), (-99.999, 4), (1 / 3, 10), (1e300, 10),
        ] as [(Double, Int)])
    func `short decimals take few bytes`(value: Double, bytes: Int) {
        // One byte says that the value is there.
        #expect(written([value]).bytes == bytes)
    }

    @Test func `decimals are tried again after numbers that have none`() {
        var values = [Double](repeating: 1 / 3, count: 40)
        values += [Double](repeating: 2.5, count: 40)
        let last = written(values).read.last
        guard case .decimal(25, 1) = last else {
            Issue.record("\(String(describing: last))")
            return
        }
    }

    @Test(
        arguments: [
            0, 1, -1, 63, 64, -64, -65, 1 << 40, .max, .min,
        ] as [Int64])
    func `integers come back`(value: Int64) {
        let arena = ByteArena()
        CompactNumber.append(signed: value, to: arena)
        var reader = CompactReader(arena.base, from: 0, to: arena.count)
        #expect(reader.signed() == value)
        #expect(reader.isAtEnd && !reader.isShort)
        var cut = CompactReader(arena.base, from: 0, to: arena.count - 1)
        _ = cut.signed()
        #expect(cut.isShort)
    }
}
