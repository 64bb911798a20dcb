/// Whether `count` bytes are well-formed UTF-8: no overlong forms, surrogates or code points beyond
/// U+10FFFF.
///
/// - Source: Unicode 15, table 3-7.
func isUTF8(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    var at = 0
    while at < count {
        if at &+ 8 <= count {
            let word = UnsafeRawPointer(bytes + at).loadUnaligned(as: UInt64.self)
            if word & 0x8080_8080_8080_8080 == 0 {
                at &+= 8
                continue
            }
        }
        let lead = bytes[at]
        if lead < 0x80 {
            at &+= 1
            continue
        }
        var more: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: more = 1
        case 0xE0:
            more = 2
            low = 0xA0
        case 0xED:
            more = 2
            high = 0x9F
        case 0xE1...0xEF: more = 2
        case 0xF0:
            more = 3
            low = 0x90
        case 0xF4:
            more = 3
            high = 0x8F
        case 0xF1...0xF3: more = 3
        default: return false
        }
        guard at &+ more < count else { return false }
        at &+= 1
        guard bytes[at] >= low, bytes[at] <= high else { return false }
        at &+= 1
        more &-= 1
        while more > 0 {
            guard bytes[at] & 0xC0 == 0x80 else { return false }
            at &+= 1
            more &-= 1
        }
    }
    return true
}

/// A quoted excerpt of `bytes` for a message: at most 40 bytes, cut at a character.
func excerpt(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> String {
    var shown = min(count, 40)
    while shown < count, shown > 0, bytes[shown] & 0xC0 == 0x80 { shown -= 1 }
    let text = String(decoding: UnsafeBufferPointer(start: bytes, count: shown), as: UTF8.self)
    return "\"" + text + (shown < count ? "…\"" : "\"")
}
