import Codecs
import Testing

private func crc(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { Checksum.crc32c($0.baseAddress!, $0.count) }
}

private let castagnoli: [([UInt8], UInt32)] = [
    ([UInt8]("123456789".utf8), 0xE306_9283),
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    ([UInt8](0..<32), 0x46DD_794E),
]

@Test(arguments: castagnoli)
func `the checksum is the Castagnoli one of RFC 3720`(bytes: [UInt8], sum: UInt32) {
    #expect(crc(bytes) == sum)
}

@Test func `a checksum may be continued`() {
    let bytes = [UInt8]("123456789".utf8)
    let sum = bytes.withUnsafeBytes {
        Checksum.crc32c(
            $0.baseAddress! + 4, 5, seed: Checksum.crc32c($0.baseAddress!, 4))
    }
    #expect(sum == 0xE306_9283)
}

private let javaHashes: [(String, Int32)] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
]

@Test(arguments: javaHashes)
func `keys hash as in Kafka's Java client`(key: String, hash: Int32) {
    var key = key
    #expect(key.withUTF8 { Murmur2.hash($0.baseAddress!, $0.count) } == hash)
}

@Test func `a negative hash still gives a partition`() {
    var key = "21"
    let partition = key.withUTF8 { Murmur2.partition(key: $0.baseAddress!, $0.count, of: 7) }
    #expect(partition == Int((-973_932_308 as Int32) & 0x7FFF_FFFF) % 7)
}

/// Bytes that look like text: they compress, but not to nothing.
private func sample(_ count: Int) -> [UInt8] {
    var state: UInt64 = 42
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(97 + (state >> 60))
    }
}

@Test(arguments: [1, 15, 4096, 100_000])
func `an LZ4 block comes back whole`(count: Int) throws {
    let bytes = sample(count)
    var packed = [UInt8](repeating: 0, count: LZ4.compressedMax(count))
    let length = try #require(LZ4.compress(bytes, count, into: &packed, capacity: packed.count))
    var unpacked = [UInt8](repeating: 0, count: count)
    #expect(LZ4.decompress(packed, length, into: &unpacked, length: count))
    #expect(unpacked == bytes)
    #expect(!LZ4.decompress(packed, length - 1, into: &unpacked, length: count))
    #expect(!LZ4.decompress(packed, length, into: &unpacked, length: count - 1))
}

@Test func `LZ4 says when its output does not fit`() {
    let bytes = sample(4096)
    var packed = [UInt8](repeating: 0, count: 64)
    #expect(LZ4.compress(bytes, bytes.count, into: &packed, capacity: 64) == nil)
}

private func gzip(_ bytes: [UInt8]) -> [UInt8] {
    let deflater = Deflater()
    var packed: [UInt8] = []
    bytes.withUnsafeBufferPointer { deflater.deflate($0, into: &packed) }
    deflater.finish(into: &packed)
    return packed
}

/// Decompresses `packed`, offering `inputMax` bytes of input and `outputMax` of room at a time.
private func gunzip(_ packed: [UInt8], inputMax: Int, outputMax: Int) throws -> [UInt8] {
    let inflater = Inflater()
    var result: [UInt8] = []
    var room = [UInt8](repeating: 0, count: outputMax)
    var at = 0
    while at < packed.count {
        let upper = min(at + inputMax, packed.count)
        let progress = try packed[at..<upper].withUnsafeBufferPointer { input in
            try room.withUnsafeMutableBufferPointer { try inflater.inflate(input, into: $0) }
        }
        at += progress.consumed
        result += room[..<progress.produced]
    }
    while true {
        let produced = try room.withUnsafeMutableBufferPointer { try inflater.drain(into: $0) }
        if produced == 0 { break }
        result += room[..<produced]
    }
    try inflater.finish()
    return result
}

@Test(arguments: [(1, 1000), (7, 3), (1 << 20, 1 << 20)])
func `gzip comes back whole however it is cut`(inputMax: Int, outputMax: Int) throws {
    let bytes = sample(20_000)
    let packed = gzip(bytes)
    #expect(packed.count < bytes.count)
    #expect(try gunzip(packed, inputMax: inputMax, outputMax: outputMax) == bytes)
}

@Test func `gzip members one after the other are one stream and zeros after them are padding`()
    throws
{
    let packed = gzip([1, 2, 3]) + gzip([4, 5]) + [0, 0, 0]
    #expect(try gunzip(packed, inputMax: 5, outputMax: 100) == [1, 2, 3, 4, 5])
}

@Test func `a truncated gzip is told at every length`() {
    let packed = gzip(sample(100))
    for length in 0..<packed.count {
        #expect(throws: CodecFailure.truncated) {
            try gunzip(Array(packed[..<length]), inputMax: 64, outputMax: 4096)
        }
    }
}

@Test func `a gzip with a flipped byte never gives other bytes`() {
    let bytes = sample(200)
    let packed = gzip(bytes)
    var refused = 0
    for at in packed.indices {
        var bad = packed
        bad[at] ^= 0x10
        // Bits of the header and the padding of the last deflate byte do not touch the data.
        if let result = try? gunzip(bad, inputMax: 4096, outputMax: 4096) {
            #expect(result == bytes)
        } else {
            refused += 1
        }
    }
    #expect(refused > packed.count - 12)
}

@Test func `text is not a gzip`() {
    #expect(throws: CodecFailure.self) {
        try gunzip([UInt8]("hello, world".utf8), inputMax: 64, outputMax: 64)
    }
}
