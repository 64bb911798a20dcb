/// Reads moments as text quickly when their date was that of the one before.
struct RecentDay {
    /// The bytes `YYYY-MM-DD` and the moment at which that day begins.
    private var head: UInt64 = 0
    private var tail: UInt16 = 0
    private var start: Int64 = 0

    /// As `TimeText.readTimestamp` in UTC.
    ///
    /// - Precondition: 8 bytes are readable behind the text.
    @inline(__always)
    mutating func read(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        let raw = UnsafeRawPointer(text)
        if length >= 19, raw.loadUnaligned(as: UInt64.self) == head,
            raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self) == tail
        {
            let clock = RecentDay.clock(text + 10, length &- 10)
            if clock >= 0 { return start &+ clock }
        }
        return readSlowly(text, length)
    }

    @inline(never)
    private mutating func readSlowly(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        let moment = TimeText.readTimestamp(text, length)
        if length >= 19, moment > TimeText.outOfRange {
            let days = TimeText.readDate(text, 10)
            if days > TimeText.outOfRange {
                let raw = UnsafeRawPointer(text)
                head = raw.loadUnaligned(as: UInt64.self)
                tail = raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
                start = days &* 86_400_000_000
            }
        }
        return moment
    }

    /// The microseconds of `THH:MM:SS`, perhaps with one to six digits of a fraction and a `Z`; below 0 for any
    /// other text.
    @inline(__always)
    private static func clock(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        // HH:MM:SS in one word: each byte less that of 00:00:00 is a digit or 0.
        let word =
            UnsafeRawPointer(text).loadUnaligned(fromByteOffset: 1, as: UInt64.self)
            ^ 0x3030_3A30_303A_3030
        let sixes: UInt64 = 0x0606_0006_0600_0606
        guard text[0] | 0x20 == 0x74 || text[0] == 0x20, word & 0x0000_FF00_00FF_0000 == 0,
            (word | (word &+ sixes)) & 0xF0F0_00F0_F000_F0F0 == 0
        else { return -1 }
        let pairs = word &* 10 &+ (word &>> 8)
        let hours = Int64(truncatingIfNeeded: pairs & 0xFF)
        let minutes = Int64(truncatingIfNeeded: (pairs &>> 24) & 0xFF)
        let seconds = Int64(truncatingIfNeeded: (pairs &>> 48) & 0xFF)
        guard hours < 24, minutes < 60, seconds < 60 else { return -1 }
        var micros = ((hours &* 60 &+ minutes) &* 60 &+ seconds) &* 1_000_000
        var at = 9
        if at < length, text[at] == 0x2E {
            at &+= 1
            var fraction: Int64 = 0
            while at < length, text[at] &- 0x30 <= 9, at < 16 {
                fraction = fraction &* 10 &+ Int64(text[at] &- 0x30)
                at &+= 1
            }
            switch at {
            case 13: fraction &*= 1000
            case 16: break
            case 11: fraction &*= 100_000
            case 12: fraction &*= 10_000
            case 14: fraction &*= 100
            case 15: fraction &*= 10
            default: return -1
            }
            micros &+= fraction
        }
        if at < length, text[at] | 0x20 == 0x7A { at &+= 1 }
        return at == length ? micros : -1
    }
}
