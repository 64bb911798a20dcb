import Glibc

/// A growing stretch of bytes that lines are written to.
///
/// - Shape: owned by who made it, who ends with `deallocate`. `reserve` comes before what it makes room for.
public struct NexmarkLines {
    /// The bytes written so far.
    public private(set) var bytes: UnsafeMutablePointer<UInt8>
    /// How many there are.
    public private(set) var count = 0
    private var capacity: Int
    /// The second that `moment` is about, and its text: `2026-06-14 23:59:00`.
    private var second = Int64.min
    private let moment: UnsafeMutablePointer<UInt8>

    /// An empty stretch.
    public init(capacity: Int) {
        self.capacity = capacity
        bytes = .allocate(capacity: capacity)
        moment = .allocate(capacity: 19)
    }

    /// Gives the memory back.
    public func deallocate() {
        bytes.deallocate()
        moment.deallocate()
    }

    /// Forgets the bytes and keeps the room.
    public mutating func removeAll() { count = 0 }

    mutating func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        capacity = max(capacity * 2, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        memcpy(larger, bytes, count)
        bytes.deallocate()
        bytes = larger
    }

    mutating func append(_ text: StaticString) { append(text.utf8Start, text.utf8CodeUnitCount) }

    mutating func append(_ from: UnsafePointer<UInt8>, _ length: Int) {
        memcpy(bytes + count, from, length)
        count &+= length
    }

    mutating func append(_ number: Int64) {
        var rest = number.magnitude
        if number < 0 { append("-") }
        var width = 1
        var limit: UInt64 = 10
        while rest >= limit {
            width &+= 1
            limit &*= 10
        }
        var place = count &+ width
        count = place
        for _ in 0..<width {
            place &-= 1
            bytes[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    mutating func append(digits number: Int, width: Int) {
        NexmarkLines.put(number, width, at: bytes + count)
        count &+= width
    }

    /// Three letters or more, one in thirteen of them `special`; never so at the ends.
    mutating func appendWord(
        _ random: inout SampleRandom, shorterThan bound: Int, special: UInt8
    ) {
        let length = 3 + random.below(bound - 3)
        var place = 0
        while place < length {
            let letter = random.below(13 * 26)
            let isSpecial = letter < 26 && place > 0 && place < length - 1
            bytes[count] = isSpecial ? special : 0x61 &+ UInt8(truncatingIfNeeded: letter % 26)
            count &+= 1
            place &+= 1
        }
    }

    /// A time as `2026-06-14 23:59:00.123`.
    mutating func append(millis: Int64) {
        let of = millis / 1000
        if of != second {
            second = of
            NexmarkLines.write(second: of, at: moment)
        }
        memcpy(bytes + count, moment, 19)
        bytes[count + 19] = 0x2E
        NexmarkLines.put(Int(millis - of * 1000), 3, at: bytes + count + 20)
        count &+= 23
    }

    /// - Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    private static func write(second: Int64, at text: UnsafeMutablePointer<UInt8>) {
        let days = Int(second / 86_400) + 719_468
        let era = days / 146_097
        let day = days - era * 146_097
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let ofYear = day - (365 * year + year / 4 - year / 100)
        let shifted = (5 * ofYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        put(year + era * 400 + (month <= 2 ? 1 : 0), 4, at: text)
        text[4] = 0x2D
        put(month, 2, at: text + 5)
        text[7] = 0x2D
        put(ofYear - (153 * shifted + 2) / 5 + 1, 2, at: text + 8)
        text[10] = 0x20
        let ofDay = Int(second % 86_400)
        put(ofDay / 3600, 2, at: text + 11)
        text[13] = 0x3A
        put(ofDay / 60 % 60, 2, at: text + 14)
        text[16] = 0x3A
        put(ofDay % 60, 2, at: text + 17)
    }

    private static func put(_ number: Int, _ width: Int, at text: UnsafeMutablePointer<UInt8>) {
        var rest = number
        var place = width
        while place > 0 {
            place &-= 1
            text[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }
}
