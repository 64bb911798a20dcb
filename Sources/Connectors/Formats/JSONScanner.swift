/// A strict walk over one JSON document that checks everything it passes.
///
/// - Shape: positions count from `text`; nothing at or after `end` belongs to the document, but 64
///   bytes there can be read.
/// - Source: RFC 8259. Beyond it: a lone surrogate escape is refused, since it stands for no text,
///   and values nest at most `depthMax` deep.
struct JSONScanner {
    static let depthMax = 256

    var text: UnsafePointer<UInt8>
    var position: Int
    let end: Int
    /// What was wrong, once a call has returned false; it is wrong at `position`.
    var problem: StaticString = ""
    /// Whether the last string passed had an escape.
    var sawEscape = false

    init(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) {
        self.text = text
        position = start
        self.end = end
    }

    /// The next byte, or 0 at the end.
    var next: UInt8 { position < end ? text[position] : 0 }

    mutating func skipSpace() {
        while position < end {
            switch text[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position &+= 1
            default: return
            }
        }
    }

    /// Passes one value, which starts at `position`.
    mutating func skipValue(depth: Int = 0) -> Bool {
        switch next {
        case 0x22: return skipString()
        case 0x2D, 0x30...0x39: return skipNumber()
        case 0x7B: return skipObject(depth)
        case 0x5B: return skipArray(depth)
        case 0x74: return skipWord("true")
        case 0x66: return skipWord("false")
        case 0x6E: return skipWord("null")
        default: return fail(position < end ? "a value was expected" : "the document ends early")
        }
    }

    /// Passes an object; `position` is at its brace.
    private mutating func skipObject(_ depth: Int) -> Bool {
        guard depth < JSONScanner.depthMax else { return fail("values nest too deep") }
        position &+= 1
        var isFirst = true
        while true {
            guard let more = enterMember(isFirst: isFirst) else { return false }
            guard more else { return true }
            guard skipKey(), skipValue(depth: depth &+ 1) else { return false }
            isFirst = false
        }
    }

    private mutating func skipArray(_ depth: Int) -> Bool {
        guard depth < JSONScanner.depthMax else { return fail("values nest too deep") }
        position &+= 1
        var isFirst = true
        while true {
            guard let more = enterElement(isFirst: isFirst) else { return false }
            guard more else { return true }
            guard skipValue(depth: depth &+ 1) else { return false }
            isFirst = false
        }
    }

    /// Passes the comma before the next member, or the closing brace.
    ///
    /// - Returns: whether a member's key follows; nil when the text is malformed.
    mutating func enterMember(isFirst: Bool) -> Bool? {
        skipSpace()
        if next == 0x7D {
            position &+= 1
            return false
        }
        if !isFirst {
            guard next == 0x2C else { return failed("\",\" or \"}\" was expected") }
            position &+= 1
            skipSpace()
        }
        return next == 0x22 ? true : failed("a member name was expected")
    }

    /// Passes the comma before the next element, or the closing bracket.
    ///
    /// - Returns: whether an element follows; nil when the text is malformed.
    mutating func enterElement(isFirst: Bool) -> Bool? {
        skipSpace()
        if isFirst {
            guard next == 0x5D else { return true }
            position &+= 1
            return false
        }
        if next == 0x5D {
            position &+= 1
            return false
        }
        guard next == 0x2C else { return failed("\",\" or \"]\" was expected") }
        position &+= 1
        skipSpace()
        return true
    }

    /// Passes a member's name, the colon and the space around it.
    mutating func skipKey() -> Bool { skipString() && skipColon() }

    /// Passes the colon after a member's name and the space around it.
    mutating func skipColon() -> Bool {
        skipSpace()
        guard next == 0x3A else { return fail("\":\" was expected") }
        position &+= 1
        skipSpace()
        return true
    }

    /// Passes a string; `position` is at its opening quote.
    mutating func skipString() -> Bool {
        sawEscape = false
        position &+= 1
        let start = position
        if let close = JSONFastReader.closingQuote(text + start, text + end) {
            position = close - text + 1
            return true
        }
        var isPlain = true
        while position < end {
            let byte = text[position]
            if byte == 0x22 {
                guard isPlain || isUTF8(text + start, position &- start) else {
                    return fail("invalid UTF-8 before this")
                }
                position &+= 1
                return true
            }
            if byte == 0x5C {
                sawEscape = true
                guard skipEscape() else { return false }
                continue
            }
            guard byte >= 0x20 else { return fail("a control character in a string") }
            if byte >= 0x80 { isPlain = false }
            position &+= 1
        }
        return fail("a string does not end")
    }

    private mutating func skipEscape() -> Bool {
        guard position &+ 1 < end else { return fail("a string does not end") }
        switch text[position &+ 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            position &+= 2
            return true
        case 0x75:
            guard let unit = hex(position &+ 2) else { return fail("a broken \\u escape") }
            if unit & 0xFC00 == 0xDC00 { return fail("a lone surrogate") }
            if unit & 0xFC00 == 0xD800 {
                guard position &+ 7 < end, text[position &+ 6] == 0x5C,
                    text[position &+ 7] == 0x75, let low = hex(position &+ 8),
                    low & 0xFC00 == 0xDC00
                else { return fail("a lone surrogate") }
                position &+= 6
            }
            position &+= 6
            return true
        default: return fail("an unknown escape")
        }
    }

    /// The four hexadecimal digits at `start`.
    private func hex(_ start: Int) -> UInt32? {
        guard start &+ 4 <= end else { return nil }
        var value: UInt32 = 0
        for at in start..<(start + 4) {
            switch text[at] {
            case 0x30...0x39: value = value << 4 | UInt32(text[at] - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(text[at] - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(text[at] - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    /// Passes a number.
    mutating func skipNumber() -> Bool {
        if next == 0x2D { position &+= 1 }
        if next == 0x30 {
            position &+= 1
        } else {
            guard skipDigits() else { return fail("a digit was expected") }
        }
        if next == 0x2E {
            position &+= 1
            guard skipDigits() else { return fail("a digit was expected") }
        }
        if next | 0x20 == 0x65 {
            position &+= 1
            if next == 0x2B || next == 0x2D { position &+= 1 }
            guard skipDigits() else { return fail("a digit was expected") }
        }
        return true
    }

    private mutating func skipDigits() -> Bool {
        let start = position
        while position < end, text[position] &- 0x30 <= 9 { position &+= 1 }
        return position > start
    }

    private mutating func skipWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position &+ count <= end else { return fail("the document ends early") }
        for at in 0..<count where text[position &+ at] != word.utf8Start[at] {
            return fail("a value was expected")
        }
        position &+= count
        return true
    }

    mutating func fail(_ problem: StaticString) -> Bool {
        self.problem = problem
        return false
    }

    private mutating func failed(_ problem: StaticString) -> Bool? {
        self.problem = problem
        return nil
    }

    /// Passes a whole document: one value and the space around it.
    mutating func skipDocument() -> Bool {
        skipSpace()
        guard skipValue() else { return false }
        skipSpace()
        return position == end ? true : fail("something follows the document")
    }

    /// Writes the text of the checked string between `start` and `end`, quotes left out, with its
    /// escapes resolved, to `target`, which has room for as many bytes.
    ///
    /// - Returns: the bytes written.
    static func unescape(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int,
        into target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let scanner = JSONScanner(text, from: start, to: end)
        var at = start
        var made = 0
        while at < end {
            guard text[at] == 0x5C else {
                target[made] = text[at]
                made &+= 1
                at &+= 1
                continue
            }
            let escaped = text[at + 1]
            at += 2
            guard escaped == 0x75 else {
                target[made] = resolved(escaped)
                made += 1
                continue
            }
            var point = scanner.hex(at) ?? 0xFFFD
            at += 4
            if point & 0xFC00 == 0xD800 {
                point = 0x10000 + (point & 0x3FF) << 10 + ((scanner.hex(at + 2) ?? 0) & 0x3FF)
                at += 6
            }
            let scalar = Unicode.Scalar(point) ?? "\u{FFFD}"
            for byte in UTF8.encode(scalar)! {
                target[made] = byte
                made += 1
            }
        }
        return made
    }

    private static func resolved(_ escaped: UInt8) -> UInt8 {
        switch escaped {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: escaped
        }
    }
}
