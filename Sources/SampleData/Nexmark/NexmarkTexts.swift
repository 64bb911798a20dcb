import Glibc

/// The texts that Nexmark's events are made of: names, channels, addresses, and letters to fill up with.
final class NexmarkTexts: @unchecked Sendable {
    // Unchecked: its memory is written in `init` only.

    static let firstPerson: Int64 = 1000
    static let firstAuction: Int64 = 1000
    /// Channels besides the four hot ones.
    static let channels = 10_000
    static let hotChannels: [StaticString] = ["Google", "Facebook", "Baidu", "Apple"]
    static let states: [StaticString] = ["AZ", "CA", "ID", "OR", "WA", "WY"]
    static let cities: [StaticString] = [
        "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond",
        "Seattle", "Kent", "Cheyenne",
    ]
    static let firstNames: [StaticString] = [
        "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter",
        "Walter",
    ]
    static let lastNames: [StaticString] = [
        "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris",
    ]

    private static let letterCount = 1 << 20
    private let letters: UnsafeMutablePointer<UInt8>
    private let urls: NexmarkLines
    /// Where each address begins, and where the last one ends.
    private let starts: UnsafeMutablePointer<Int32>

    init(seed: UInt64) {
        var random = SampleRandom(seed: seed ^ 0xA54F_F53A_5F1D_36F1)
        letters = .allocate(capacity: NexmarkTexts.letterCount)
        for place in 0..<NexmarkTexts.letterCount {
            letters[place] = 0x61 + UInt8(random.below(26))
        }
        let count = NexmarkTexts.channels + NexmarkTexts.hotChannels.count
        starts = .allocate(capacity: count + 1)
        var lines = NexmarkLines(capacity: 1 << 20)
        for channel in 0..<count {
            starts[channel] = Int32(lines.count)
            lines.reserve(256)
            lines.append("https://www.nexmark.com/")
            for _ in 0..<3 {
                lines.appendWord(&random, shorterThan: 5, special: 0x5F)
                lines.append("/")
            }
            lines.append("item.htm?query=1")
            if channel < NexmarkTexts.channels, random.below(10) > 0 {
                lines.append("&channel_id=")
                lines.append(Int64(NexmarkTexts.identifier(of: channel)))
            }
        }
        starts[count] = Int32(lines.count)
        urls = lines
    }

    deinit {
        letters.deallocate()
        starts.deallocate()
        urls.deallocate()
    }

    /// The number's bits from the other end, without sign.
    private static func identifier(of channel: Int) -> UInt32 {
        var (rest, reversed) = (UInt32(channel), UInt32(0))
        for _ in 0..<32 {
            reversed = reversed << 1 | rest & 1
            rest >>= 1
        }
        return Int32(bitPattern: reversed).magnitude
    }

    func appendURL(_ channel: Int, to lines: inout NexmarkLines) {
        let begin = Int(starts[channel])
        lines.append(urls.bytes + begin, Int(starts[channel + 1]) - begin)
    }

    /// `count` letters from somewhere.
    func appendExtra(_ count: Int, _ random: inout SampleRandom, to lines: inout NexmarkLines) {
        lines.append(letters + random.below(NexmarkTexts.letterCount - count), count)
    }
}
