import Codecs
import Testing

@Suite struct RepeatGzipTests {
    private func unpacked(_ packed: UnsafeBufferPointer<UInt8>, capacity: Int) throws -> [UInt8] {
        var text = [UInt8](repeating: 0, count: capacity)
        let progress = try text.withUnsafeMutableBufferPointer {
            try Inflater().inflate(packed, into: $0)
        }
        #expect(progress.consumed == packed.count)
        return Array(text[..<progress.produced])
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `what was left out comes back, and the sum is right`(seed: UInt64) throws {
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let writer = RepeatGzip()
        for _ in 0..<20 {
            var literals: [UInt8] = []
            var repeats: [RepeatGzip.Repeat] = []
            var whole: [UInt8] = []
            func say(_ count: Int) {
                let bytes = (0..<count).map { _ in UInt8(next(256)) }
                literals += bytes
                whole += bytes
            }
            say(next(100))
            let source = literals.count
            let length = 3 + next([8, 300, 1000, 20_000][next(4)])
            say(length)
            var last = whole.count - length
            for _ in 0..<next(30) {
                say(next(next(8) == 0 ? 70_000 : 600))
                let distance = whole.count - last
                guard distance <= RepeatGzip.distanceMax else { break }
                repeats.append(
                    .init(
                        at: literals.count, distance: distance, source: source..<(source + length)))
                last = whole.count
                whole += literals[source..<(source + length)]
            }
            say(next(3) == 0 ? 0 : 50)
            let text = try literals.withUnsafeBufferPointer {
                try unpacked(writer.encode($0, repeats: repeats), capacity: whole.count + 1)
            }
            #expect(text == whole, "seed \(seed)")
        }
    }

    @Test func `nothing packs to nothing`() throws {
        let writer = RepeatGzip()
        let packed = writer.encode(UnsafeBufferPointer(start: nil, count: 0), repeats: [])
        #expect(try unpacked(packed, capacity: 8) == [])
        withExtendedLifetime(writer) {}
    }

    @Test func `the sum is gzip's, however long the bytes`() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 3) }
        for count in [0, 1, 15, 16, 63, 64, 65, 79, 80, 128, 200, 999] {
            // Bit by bit, as the standard defines it.
            var sum: UInt32 = ~0
            for byte in bytes[..<count] {
                sum ^= UInt32(byte)
                for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
            }
            #expect(
                bytes.withUnsafeBytes { Checksum.crc32($0.baseAddress!, count) } == ~sum, "\(count)"
            )
            let half = count / 2
            bytes.withUnsafeBytes {
                let first = Checksum.crc32($0.baseAddress!, half)
                #expect(Checksum.crc32($0.baseAddress! + half, count - half, seed: first) == ~sum)
            }
        }
    }
}
