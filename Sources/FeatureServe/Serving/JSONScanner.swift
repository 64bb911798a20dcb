import Glibc
import StreamRuntime

/// A value of a JSON document: what it is and where its bytes are.
struct JSONToken {
    enum Kind: UInt8 {
        case string, escapedString, number, yes, no, null, composite
        /// NaN, Infinity or -Infinity, where the scanner takes them.
        case notFinite
    }
    let kind: Kind
    /// The bytes; for strings those between the quotes.
    let start: Int32
    let end: Int32
}

/// Why a document is not JSON, or not the JSON that was asked for.
struct JSONFault: Error, Equatable {
    let position: Int
    let message: String

    /// Appends the body of the answer, in the form of Feast's validation errors.
    func append(to arena: ByteArena) {
        JSONText.append("{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",", to: arena)
        JSONText.append(integer: Int64(position), to: arena)
        JSONText.append("],\"msg\":", to: arena)
        JSONText.append(string: "JSON decode error: " + message, to: arena)
        JSONText.append(",\"input\":{}}]}", to: arena)
    }
}

/// Reads JSON strictly, as RFC 8259 has it, value by value, without building anything.
struct JSONScanner {
    private static let depthMax = 64

    let base: UnsafePointer<UInt8>
    let count: Int
    private(set) var at = 0
    /// Whether NaN, Infinity and -Infinity are values, as Python writes them though JSON has none.
    var takesNotFinite = false

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        count = bytes.count
        base = bytes.baseAddress ?? UnsafePointer(bitPattern: 1)!
    }

    func fault(_ message: String) -> JSONFault { JSONFault(position: at, message: message) }

    /// Whether `text` stands at the scanner's place.
    func startsHere(_ text: [UInt8]) -> Bool {
        count - at >= text.count && memcmp(base + at, text, text.count) == 0
    }

    /// Goes on at `place`, before or after which a whole value was scanned.
    mutating func move(to place: Int) { at = place }

    mutating func skipSpace() {
        while at < count {
            let byte = base[at]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at &+= 1
        }
    }

    /// The next byte after any space, or 0 at the end.
    mutating func peek() -> UInt8 {
        skipSpace()
        return at < count ? base[at] : 0
    }

    mutating func expect(_ byte: UInt8, _ what: String) throws(JSONFault) {
        guard peek() == byte else { throw fault("expected \(what)") }
        at &+= 1
    }

    /// Walks an object, calling `body` at each value with the member's name; `body` must take the value.
    mutating func object(
        _ body: (JSONToken, inout JSONScanner) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        try expect(0x7B, "an object")
        if peek() == 0x7D {
            at &+= 1
            return
        }
        while true {
            guard peek() == 0x22 else { throw fault("expected a member's name in quotes") }
            let name = try string()
            try expect(0x3A, "a colon")
            try body(name, &self)
            let next = peek()
            guard next == 0x2C || next == 0x7D else { throw fault("expected a comma or }") }
            at &+= 1
            if next == 0x7D { return }
        }
    }

    /// Walks an array, calling `body` at each element; `body` must take it.
    mutating func array(
        _ body: (inout JSONScanner) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        try expect(0x5B, "an array")
        if peek() == 0x5D {
            at &+= 1
            return
        }
        while true {
            try body(&self)
            let next = peek()
            guard next == 0x2C || next == 0x5D else { throw fault("expected a comma or ]") }
            at &+= 1
            if next == 0x5D { return }
        }
    }

    /// Takes any value; arrays and objects are checked and skipped.
    mutating func value(depth: Int = 0) throws(JSONFault) -> JSONToken {
        switch peek() {
        case 0x22: return try string()
        case 0x74: return try word("true", .yes)
        case 0x66: return try word("false", .no)
        case 0x6E: return try word("null", .null)
        case 0x4E where takesNotFinite: return try word("NaN", .notFinite)
        case 0x49 where takesNotFinite: return try word("Infinity", .notFinite)
        case 0x2D where takesNotFinite && at + 1 < count && base[at + 1] == 0x49:
            return try word("-Infinity", .notFinite)
        case 0x2D, 0x30...0x39: return try number()
        case 0x7B, 0x5B:
            guard depth < JSONScanner.depthMax else { throw fault("nested too deeply") }
            let start = at
            if base[at] == 0x7B {
                try object { (_, scanner) throws(JSONFault) in
                    _ = try scanner.value(depth: depth + 1)
                }
            } else {
                try array { (scanner) throws(JSONFault) in
                    _ = try scanner.value(depth: depth + 1)
                }
            }
            return JSONToken(kind: .composite, start: Int32(start), end: Int32(at))
        default: throw fault("expected a value")
        }
    }

    private mutating func word(
        _ text: StaticString, _ kind: JSONToken.Kind
    ) throws(JSONFault) -> JSONToken {
        let length = text.utf8CodeUnitCount
        guard count - at >= length, memcmp(base + at, text.utf8Start, length) == 0 else {
            throw fault("expected a value")
        }
        at &+= length
        return JSONToken(kind: kind, start: Int32(at - length), end: Int32(at))
    }

    private mutating func digits() -> Int {
        let start = at
        while at < count, base[at] &- 0x30 < 10 { at &+= 1 }
        return at - start
    }

    private mutating func number() throws(JSONFault) -> JSONToken {
        let start = at
        if base[at] == 0x2D { at &+= 1 }
        let leadsWithZero = at < count && base[at] == 0x30
        let whole = digits()
        guard whole > 0, !leadsWithZero || whole == 1 else { throw fault("not a JSON number") }
        if at < count, base[at] == 0x2E {
            at &+= 1
            guard digits() > 0 else { throw fault("not a JSON number") }
        }
        if at < count, base[at] | 0x20 == 0x65 {
            at &+= 1
            if at < count, base[at] == 0x2B || base[at] == 0x2D { at &+= 1 }
            guard digits() > 0 else { throw fault("not a JSON number") }
        }
        return JSONToken(kind: .number, start: Int32(start), end: Int32(at))
    }

    private mutating func string() throws(JSONFault) -> JSONToken {
        at &+= 1
        let start = at
        var isEscaped = false
        var isASCII = true
        while true {
            guard at < count else { throw fault("a string without an end") }
            let byte = base[at]
            if byte == 0x22 { break }
            if byte == 0x5C {
                isEscaped = true
                try escape()
                continue
            }
            guard byte >= 0x20 else { throw fault("a control character in a string") }
            if byte >= 0x80 { isASCII = false }
            at &+= 1
        }
        let end = at
        at &+= 1
        if !isASCII {
            let bytes = UnsafeBufferPointer(start: base + start, count: end - start)
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw JSONFault(position: start, message: "a string that is not UTF-8")
            }
        }
        return JSONToken(
            kind: isEscaped ? .escapedString : .string, start: Int32(start), end: Int32(end))
    }

    private mutating func escape() throws(JSONFault) {
        at &+= 1
        guard at < count else { throw fault("a string without an end") }
        switch base[at] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: at &+= 1
        case 0x75:
            let unit = try hex(at + 1)
            at &+= 5
            if unit & 0xFC00 == 0xD800 {
                guard at + 1 < count, base[at] == 0x5C, base[at + 1] == 0x75,
                    try hex(at + 2) & 0xFC00 == 0xDC00
                else { throw fault("half of a surrogate pair") }
                at &+= 6
            } else if unit & 0xFC00 == 0xDC00 {
                throw fault("half of a surrogate pair")
            }
        default: throw fault("an unknown escape")
        }
    }

    private func hex(_ start: Int) throws(JSONFault) -> UInt32 {
        guard start + 4 <= count else { throw fault("an unknown escape") }
        var value: UInt32 = 0
        for index in start..<(start + 4) {
            let byte = base[index]
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte - 0x37)
            case 0x61...0x66: value = value << 4 | UInt32(byte - 0x57)
            default: throw fault("an unknown escape")
            }
        }
        return value
    }

    /// The bytes of a string token that has escapes, without them; the token was scanned, so they are whole.
    func unescaped(_ token: JSONToken) -> [UInt8] {
        var result: [UInt8] = []
        var index = Int(token.start)
        let end = Int(token.end)
        while index < end {
            let byte = base[index]
            guard byte == 0x5C else {
                result.append(byte)
                index += 1
                continue
            }
            switch base[index + 1] {
            case 0x62: result.append(0x08)
            case 0x66: result.append(0x0C)
            case 0x6E: result.append(0x0A)
            case 0x72: result.append(0x0D)
            case 0x74: result.append(0x09)
            case 0x75:
                var scalar = (try? hex(index + 2)) ?? 0xFFFD
                if scalar & 0xFC00 == 0xD800 {
                    let low = (try? hex(index + 8)) ?? 0xDC00
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
                    index += 6
                }
                index += 4
                result += Array(String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8)
            case let plain: result.append(plain)
            }
            index += 2
        }
        return result
    }

    /// The text of a string token.
    func text(_ token: JSONToken) -> String {
        if token.kind == .escapedString {
            return String(decoding: unescaped(token), as: UTF8.self)
        }
        return String(decoding: bytes(token), as: UTF8.self)
    }

    /// The bytes of a token as they stand.
    func bytes(_ token: JSONToken) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: base + Int(token.start), count: Int(token.end - token.start))
    }
}
