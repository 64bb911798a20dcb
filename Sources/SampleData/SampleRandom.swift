/// Repeatable numbers.
///
/// - Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (SplitMix64).
struct SampleRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func below(_ bound: Int64) -> Int64 { Int64(below(Int(bound))) }

    mutating func chance(_ permille: Int) -> Bool { below(1000) < permille }

    /// A number below `bound`, small ones much more often than large ones.
    mutating func skewed(below bound: Int) -> Int {
        let (first, second) = (below(bound), below(bound))
        return first * second / bound
    }

    /// The usual stores, the hot one with 40 % of all.
    mutating func store() -> String { chance(400) ? "s001" : SampleText.store(2 + below(39)) }

    mutating func product() -> String { SampleText.padded(1 + skewed(below: 500), 6) }

    mutating func hex(_ digits: Int) -> String {
        var text = ""
        while text.utf8.count < digits {
            let part = String(next(), radix: 16)
            text += String(repeating: "0", count: 16 - part.utf8.count) + part
        }
        return String(text.prefix(digits))
    }

    mutating func uuid() -> String {
        let digits = hex(32)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 12 || index == 16 || index == 20 { text += "-" }
            text.append(digit)
        }
        return text
    }
}
