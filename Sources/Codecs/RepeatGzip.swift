import CZlib
import Glibc

/// Writes gzip of bytes that are known to repeat what stands shortly before them.
///
/// What does not repeat is stored as it is, and a repetition is one reference after the other: nothing is
/// searched and nothing is coded bit by bit, so that it costs little more than the copy.
///
/// - Source: RFC 1951 (stored and fixed blocks) and RFC 1952.
public final class RepeatGzip {
    /// Bytes that are not among the literals, because they stand `distance` bytes before them already.
    public struct Repeat {
        /// The literals that come before it.
        public let at: Int
        /// How far back the bytes are, in the whole text; at most 32768.
        public let distance: Int
        /// Where the literals have the same bytes: their number is the repetition's length.
        public let source: Range<Int>

        /// The bytes of `source` once more behind the first `at` literals.
        public init(at: Int, distance: Int, source: Range<Int>) {
            self.at = at
            self.distance = distance
            self.source = source
        }
    }

    /// The farthest a repetition may be from what it repeats.
    public static let distanceMax = 32_768
    private static let storedMax = 65_535
    private static let matchMax = 258

    private var base: UnsafeMutablePointer<UInt8>
    private var capacity = 1 << 16
    private var count = 0
    private var bits: UInt64 = 0
    private var bitCount: UInt64 = 0

    /// A writer that keeps its memory from text to text.
    public init() { base = .allocate(capacity: capacity) }

    deinit { base.deallocate() }

    /// The text of `literals` and `repeats` as gzip.
    ///
    /// - Shape: `repeats` ascend by `at`; the bytes are the writer's, until the next call.
    public func encode(
        _ literals: UnsafeBufferPointer<UInt8>, repeats: [Repeat]
    ) -> UnsafeBufferPointer<UInt8> {
        count = 0
        bits = 0
        bitCount = 0
        reserve(64)
        for byte: UInt8 in [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF] { put(byte) }
        var done = 0
        var total = 0
        var sum: UInt32 = 0
        var last: (source: Range<Int>, sum: UInt32, shift: UInt)?
        for again in repeats {
            sum = store(literals, done..<again.at, sum, isLast: false)
            total += again.at - done
            done = again.at
            let length = again.source.count
            if last?.source != again.source {
                let part = Checksum.crc32(literals.baseAddress! + again.source.lowerBound, length)
                last = (again.source, part, crc32_combine_gen(length))
            }
            sum = UInt32(
                truncatingIfNeeded: crc32_combine_op(UInt(sum), UInt(last!.sum), last!.shift))
            refer(distance: again.distance, length: length)
            total += length
        }
        sum = store(literals, done..<literals.count, sum, isLast: true)
        total += literals.count - done
        reserve(8)
        for shift: UInt32 in [0, 8, 16, 24] { put(UInt8(truncatingIfNeeded: sum >> shift)) }
        for shift in [0, 8, 16, 24] { put(UInt8(truncatingIfNeeded: total >> shift)) }
        return UnsafeBufferPointer(start: base, count: count)
    }

    private func reserve(_ extra: Int) {
        guard count + extra > capacity else { return }
        capacity = max(count + extra, capacity * 2)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        memcpy(grown, base, count)
        base.deallocate()
        base = grown
    }

    private func put(_ byte: UInt8) {
        base[count] = byte
        count &+= 1
    }

    /// Puts up to 48 bits; eight bytes must be reserved.
    private func put(bits value: UInt64, _ width: UInt64) {
        bits |= value &<< bitCount
        bitCount &+= width
        UnsafeMutableRawPointer(base + count).storeBytes(of: bits.littleEndian, as: UInt64.self)
        count &+= Int(bitCount &>> 3)
        bits &>>= bitCount & ~7
        bitCount &= 7
    }

    /// Stores the literals of `range` and returns the sum with them.
    private func store(
        _ literals: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ sum: UInt32, isLast: Bool
    ) -> UInt32 {
        guard !range.isEmpty || isLast else { return sum }
        var at = range.lowerBound
        repeat {
            let length = min(range.upperBound - at, RepeatGzip.storedMax)
            reserve(length + 24)
            let ends = isLast && at + length == range.upperBound
            put(bits: ends ? 1 : 0, 3)
            if bitCount > 0 { put(bits: 0, 8 - bitCount) }
            put(UInt8(truncatingIfNeeded: length))
            put(UInt8(truncatingIfNeeded: length >> 8))
            put(UInt8(truncatingIfNeeded: ~length))
            put(UInt8(truncatingIfNeeded: ~length >> 8))
            if length > 0 { memcpy(base + count, literals.baseAddress! + at, length) }
            count += length
            at += length
        } while at < range.upperBound
        guard !range.isEmpty else { return sum }
        return Checksum.crc32(literals.baseAddress! + range.lowerBound, range.count, seed: sum)
    }

    /// A block of references, all the same distance back.
    private func refer(distance: Int, length: Int) {
        reserve(24 + length / RepeatGzip.matchMax * 4)
        put(bits: 2, 3)
        // The distance's code: its two highest bits and how many are below them, which follow as they are.
        let offset = distance - 1
        var code = UInt64(offset)
        var extra: UInt64 = 0
        if offset >= 4 {
            extra = UInt64(Int.bitWidth - offset.leadingZeroBitCount - 2)
            code = 2 * extra + UInt64(offset) &>> extra
        }
        let far = RepeatGzip.reversed(code, 5) | (UInt64(offset) & ((1 << extra) - 1)) &<< 5
        // The longest reference is a code of eight bits, then the distance.
        let longest = RepeatGzip.reversed(0xC5, 8) | far &<< 8
        var left = length
        while left >= RepeatGzip.matchMax + 3 {
            put(bits: longest, 13 + extra)
            left -= RepeatGzip.matchMax
        }
        while left > 0 {
            // No reference is shorter than three.
            let part =
                left - RepeatGzip.matchMax > 0 && left - RepeatGzip.matchMax < 3
                ? left - 3 : min(left, RepeatGzip.matchMax)
            put(length: part)
            put(bits: far, 5 + extra)
            left -= part
        }
        put(bits: 0, 7)
    }

    private func put(length: Int) {
        guard length < RepeatGzip.matchMax else {
            return put(bits: RepeatGzip.reversed(0xC5, 8), 8)
        }
        let offset = length - 3
        var code = 257 + UInt64(offset)
        var extra: UInt64 = 0
        if offset >= 8 {
            extra = UInt64(Int.bitWidth - offset.leadingZeroBitCount - 3)
            code = 257 + 4 * extra + UInt64(offset) &>> extra
        }
        if code < 280 {
            put(bits: RepeatGzip.reversed(code - 256, 7), 7)
        } else {
            put(bits: RepeatGzip.reversed(0xC0 + code - 280, 8), 8)
        }
        put(bits: UInt64(offset) & ((1 << extra) - 1), extra)
    }

    /// Huffman codes go highest bit first into bytes that are filled from the lowest.
    private static func reversed(_ code: UInt64, _ width: UInt64) -> UInt64 {
        var rest = code
        var result: UInt64 = 0
        for _ in 0..<width {
            result = result << 1 | rest & 1
            rest >>= 1
        }
        return result
    }
}
