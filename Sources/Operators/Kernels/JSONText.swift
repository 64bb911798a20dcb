import StreamRuntime

/// Finds values in JSON text without building anything.
///
/// - Source: RFC 8259; strict, save that the text's bytes are taken to be UTF-8.
struct JSONText {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    let bytes: Bytes

    /// Deeper nesting than any record has; bounds the recursion.
    static let depthMax = 512

    init(_ bytes: Bytes) { self.bytes = bytes }

    /// One step into a value.
    enum Step: Equatable {
        case key([UInt8])
        /// From 0; from the end if negative.
        case index(Int)
        /// Every element, `[*]`, or every member, `.*`.
        case every
    }

    /// A path: `$.a.b[1]`, `/a/b/1`, or a plain key; nil when it is none of these.
    static func path(_ text: String) -> [Step]? {
        let bytes = Array(text.utf8)
        guard let first = bytes.first else { return [] }
        if first == UInt8(ascii: "/") {
            return bytes.dropFirst().split(separator: first, omittingEmptySubsequences: false)
                .map { part in
                    let text = String(decoding: part, as: UTF8.self)
                    return Int(text).map { .index($0) } ?? .key(Array(part))
                }
        }
        guard first == UInt8(ascii: "$") else { return [.key(bytes)] }
        var steps: [Step] = []
        var at = 1
        while at < bytes.count {
            let mark = bytes[at]
            at += 1
            var part: [UInt8] = []
            if mark == UInt8(ascii: "."), at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
                at += 1
                while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
                    part.append(bytes[at])
                    at += 1
                }
                guard at < bytes.count else { return nil }
                at += 1
                steps.append(.key(part))
            } else if mark == UInt8(ascii: ".") {
                while at < bytes.count, bytes[at] != UInt8(ascii: "."),
                    bytes[at] != UInt8(ascii: "[")
                {
                    part.append(bytes[at])
                    at += 1
                }
                guard !part.isEmpty else { return nil }
                steps.append(part == [UInt8(ascii: "*")] ? .every : .key(part))
            } else if mark == UInt8(ascii: "[") {
                while at < bytes.count, bytes[at] != UInt8(ascii: "]") {
                    part.append(bytes[at])
                    at += 1
                }
                let digits = String(decoding: part, as: UTF8.self)
                if digits == "*", at < bytes.count {
                    at += 1
                    steps.append(.every)
                    continue
                }
                // "[#]" is the place behind the last element, "[#-1]" the last one.
                let written = digits.hasPrefix("#") ? String(digits.dropFirst()) : digits
                guard at < bytes.count, let index = digits == "#" ? .max : Int(written)
                else { return nil }
                at += 1
                steps.append(.index(index))
            } else {
                return nil
            }
        }
        return steps
    }

    /// Where the text's one value lies; nil when the text is not JSON.
    func root() -> Range<Int>? {
        let start = skipBlanks(0)
        guard let end = skipValue(start, 0), skipBlanks(end) == bytes.count else { return nil }
        return start..<end
    }

    /// Where the value at `path` of the checked value at `range` lies; nil when there is none.
    func find(_ path: [Step], in range: Range<Int>) -> Range<Int>? {
        var range = range
        for step in path {
            var found: Range<Int>?
            switch step {
            case .key(let key):
                guard bytes[range.lowerBound] == UInt8(ascii: "{") else { return nil }
                forEachMember(range) { name, value in
                    if found == nil, isKey(name, key) { found = value }
                }
            case .index(let index):
                guard bytes[range.lowerBound] == UInt8(ascii: "[") else { return nil }
                let wanted = index < 0 ? count(range) + index : index
                var at = 0
                forEachMember(range) { _, value in
                    if at == wanted { found = value }
                    at += 1
                }
            case .every: return nil
            }
            guard let found else { return nil }
            range = found
        }
        return range
    }

    /// Where the values lie that a path with `[*]` or `.*` leads to.
    func findAll(_ path: ArraySlice<Step>, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        guard let first = path.first else { return body(range) }
        guard first == .every else {
            if let found = find([first], in: range) { findAll(path.dropFirst(), in: found, body) }
            return
        }
        forEachMember(range) { _, value in findAll(path.dropFirst(), in: value, body) }
    }

    /// How many members the array or object at `range` has.
    func count(_ range: Range<Int>) -> Int {
        var count = 0
        forEachMember(range) { _, _ in count += 1 }
        return count
    }

    /// Calls `body` with the name, empty in an array, and the value of each member.
    func forEachMember(_ range: Range<Int>, _ body: (Range<Int>, Range<Int>) -> Void) {
        let isObject = bytes[range.lowerBound] == UInt8(ascii: "{")
        guard isObject || bytes[range.lowerBound] == UInt8(ascii: "[") else { return }
        var at = skipBlanks(range.lowerBound + 1)
        while at < range.upperBound - 1 {
            var name = at..<at
            if isObject {
                guard let end = skipString(at) else { return }
                name = at..<end
                at = skipBlanks(skipBlanks(end) + 1)
            }
            guard let end = skipValue(at, 0) else { return }
            body(name, at..<end)
            at = skipBlanks(end)
            if at < range.upperBound - 1 { at = skipBlanks(at + 1) }
        }
    }

    private func isKey(_ name: Range<Int>, _ key: [UInt8]) -> Bool {
        let inner = bytes[(name.lowerBound + 1)..<(name.upperBound - 1)]
        if !inner.contains(UInt8(ascii: "\\")) { return inner.elementsEqual(key) }
        let arena = ByteArena(capacity: inner.count)
        appendUnescaped(name, to: arena)
        return Bytes(start: UnsafePointer(arena.base), count: arena.count).elementsEqual(key)
    }

    // MARK: syntax

    private func skipBlanks(_ start: Int) -> Int {
        var at = start
        while at < bytes.count {
            switch bytes[at] {
            case 32, 9, 10, 13: at += 1
            default: return at
            }
        }
        return at
    }

    private func skipValue(_ start: Int, _ depth: Int) -> Int? {
        guard start < bytes.count, depth < JSONText.depthMax else { return nil }
        switch bytes[start] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): return skipMembers(start, depth)
        case UInt8(ascii: "\""): return skipString(start)
        case UInt8(ascii: "t"): return skipWord(start, "true")
        case UInt8(ascii: "f"): return skipWord(start, "false")
        case UInt8(ascii: "n"): return skipWord(start, "null")
        default: return skipNumber(start)
        }
    }

    private func skipMembers(_ start: Int, _ depth: Int) -> Int? {
        let isObject = bytes[start] == UInt8(ascii: "{")
        let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        var at = skipBlanks(start + 1)
        if at < bytes.count, bytes[at] == close { return at + 1 }
        while true {
            if isObject {
                guard let end = skipString(at) else { return nil }
                at = skipBlanks(end)
                guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return nil }
                at = skipBlanks(at + 1)
            }
            guard let end = skipValue(at, depth + 1) else { return nil }
            at = skipBlanks(end)
            guard at < bytes.count else { return nil }
            if bytes[at] == close { return at + 1 }
            guard bytes[at] == UInt8(ascii: ",") else { return nil }
            at = skipBlanks(at + 1)
        }
    }

    private func skipWord(_ start: Int, _ word: StaticString) -> Int? {
        let end = start + word.utf8CodeUnitCount
        guard end <= bytes.count else { return nil }
        for index in 0..<word.utf8CodeUnitCount where bytes[start + index] != word.utf8Start[index]
        {
            return nil
        }
        return end
    }

    private func skipString(_ start: Int) -> Int? {
        guard start < bytes.count, bytes[start] == UInt8(ascii: "\"") else { return nil }
        var at = start + 1
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") { return at + 1 }
            guard byte >= 0x20 else { return nil }
            at += 1
            guard byte == UInt8(ascii: "\\") else { continue }
            guard at < bytes.count else { return nil }
            switch Unicode.Scalar(bytes[at]) {
            case "\"", "\\", "/", "b", "f", "n", "r", "t": at += 1
            case "u":
                guard hex4(at + 1) != nil else { return nil }
                at += 5
            default: return nil
            }
        }
        return nil
    }

    private func hex4(_ start: Int) -> UInt32? {
        guard start + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for index in 0..<4 {
            guard let digit = CastKernels.hexDigit(bytes[start + index]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private func skipDigits(_ start: Int) -> Int? {
        var at = start
        while at < bytes.count, Lexer.isDigit(bytes[at]) { at += 1 }
        return at == start ? nil : at
    }

    private func skipNumber(_ start: Int) -> Int? {
        var at = start
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let whole = at
        guard let afterWhole = skipDigits(at) else { return nil }
        guard bytes[whole] != UInt8(ascii: "0") || afterWhole == whole + 1 else { return nil }
        at = afterWhole
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            guard let end = skipDigits(at + 1) else { return nil }
            at = end
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") {
                at += 1
            }
            guard let end = skipDigits(at) else { return nil }
            at = end
        }
        return at
    }

    // MARK: writing

    /// Appends the text of the string at `range`, its escapes resolved.
    func appendUnescaped(_ range: Range<Int>, to arena: ByteArena) {
        var at = range.lowerBound + 1
        while at < range.upperBound - 1 {
            guard bytes[at] == UInt8(ascii: "\\") else {
                arena.add(bytes[at])
                at += 1
                continue
            }
            let escape = bytes[at + 1]
            at += 2
            switch Unicode.Scalar(escape) {
            case "b": arena.add(8)
            case "f": arena.add(12)
            case "n": arena.add(10)
            case "r": arena.add(13)
            case "t": arena.add(9)
            case "u":
                var value = hex4(at) ?? 0xFFFD
                at += 4
                if value & 0xFC00 == 0xD800, at + 6 <= range.upperBound,
                    bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u"),
                    let low = hex4(at + 2), low & 0xFC00 == 0xDC00
                {
                    value = 0x10000 + (value & 0x3FF) << 10 + low & 0x3FF
                    at += 6
                }
                arena.add(scalar: Unicode.Scalar(value) == nil ? 0xFFFD : value)
            default: arena.add(escape)
            }
        }
    }

    /// Appends the value at `range` without blanks between its parts.
    func appendCompact(_ range: Range<Int>, to arena: ByteArena) {
        var isInString = false
        var at = range.lowerBound
        while at < range.upperBound {
            let byte = bytes[at]
            if isInString, byte == UInt8(ascii: "\\") {
                arena.add(byte)
                at += 1
                arena.add(bytes[at])
            } else {
                if byte == UInt8(ascii: "\"") { isInString.toggle() }
                let isBlank = byte == 32 || byte == 9 || byte == 10 || byte == 13
                if isInString || !isBlank { arena.add(byte) }
            }
            at += 1
        }
    }
}
