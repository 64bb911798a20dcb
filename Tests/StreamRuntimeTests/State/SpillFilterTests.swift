import Testing

@testable import StreamRuntime

@Suite("The filter of keys that left memory")
struct SpillFilterTests {
    @Test(
        "knows every key that left and seems to know at most one in a hundred and fifty of the others",
        arguments: [1000, 30_000, 300_000])
    func errors(keys: Int) {
        var random = SeededGenerator(seed: 7)
        let meter = MemoryMeter()
        let filter = SpillFilter(meter: meter)
        let left = (0..<keys).map { _ in Int64(bitPattern: random.next()) }
        for hash in left { filter.add(hash) }
        #expect(left.allSatisfy { filter.mayContain($0) })
        let asked = 100_000
        let mistaken = (0..<asked).count { _ in
            filter.mayContain(Int64(bitPattern: random.next()))
        }
        #expect(mistaken < asked / 150)
        #expect(filter.added <= keys)
        #expect(meter.bytes.pointee > 0)
        filter.removeAll()
        #expect(meter.bytes.pointee == 0)
        #expect(!filter.mayContain(left[0]))
    }

    @Test("tells the keys of one worker apart, whose hashes share their highest bits")
    func sharedBits() {
        var random = SeededGenerator(seed: 8)
        let filter = SpillFilter(meter: MemoryMeter())
        let next = { Int64(bitPattern: random.next() >> 10 | 0x3F << 54) }
        for _ in 0..<100_000 { filter.add(next()) }
        let mistaken = (0..<100_000).count { _ in filter.mayContain(next()) }
        #expect(mistaken < 1000)
    }
}
