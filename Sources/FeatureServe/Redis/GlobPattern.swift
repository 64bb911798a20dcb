/// A pattern over bytes as Redis's SCAN takes it: `*`, `?`, `[a-z]`, `[^a]` and `\` before a byte meant itself.
///
/// - Source: stringmatchlen in redis/src/util.c.
struct GlobPattern {
    private let pattern: [UInt8]

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    /// The bytes every match begins with.
    var literalPrefix: [UInt8] {
        Array(pattern.prefix { ![0x2A, 0x3F, 0x5B, 0x5C].contains($0) })
    }

    /// Whether `text` matches the whole pattern.
    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        var from = 0
        // Where to go on after a `*` took one byte more.
        var star: (at: Int, from: Int)?
        while from < text.count {
            if at < pattern.count, pattern[at] == 0x2A {
                star = (at + 1, from)
                at += 1
                continue
            }
            if at < pattern.count, let next = single(at, text[from]) {
                at = next
                from += 1
                continue
            }
            guard let back = star else { return false }
            star = (back.at, back.from + 1)
            at = back.at
            from = back.from + 1
        }
        while at < pattern.count, pattern[at] == 0x2A { at += 1 }
        return at == pattern.count
    }

    /// The place behind the element at `at` when `byte` matches it, otherwise nil.
    private func single(_ at: Int, _ byte: UInt8) -> Int? {
        switch pattern[at] {
        case 0x3F: return at + 1
        case 0x5C where at + 1 < pattern.count: return pattern[at + 1] == byte ? at + 2 : nil
        case 0x5B: return set(at + 1, byte)
        default: return pattern[at] == byte ? at + 1 : nil
        }
    }

    private func set(_ start: Int, _ byte: UInt8) -> Int? {
        var at = start
        let isNegated = at < pattern.count && pattern[at] == 0x5E
        if isNegated { at += 1 }
        var isIn = false
        while at < pattern.count, pattern[at] != 0x5D {
            if pattern[at] == 0x5C, at + 1 < pattern.count { at += 1 }
            if at + 2 < pattern.count, pattern[at + 1] == 0x2D, pattern[at + 2] != 0x5D {
                let low = min(pattern[at], pattern[at + 2])
                let high = max(pattern[at], pattern[at + 2])
                if low <= byte, byte <= high { isIn = true }
                at += 3
            } else {
                if pattern[at] == byte { isIn = true }
                at += 1
            }
        }
        return isIn != isNegated ? min(at + 1, pattern.count) : nil
    }
}
