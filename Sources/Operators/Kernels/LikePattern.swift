/// A pattern of `like`: % stands for any text, _ for any character.
struct LikePattern {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    private enum Part: Equatable {
        case anyText
        case anyCharacter
        case scalar(UInt32)
    }

    private let parts: [Part]
    private let ignoringCase: Bool
    /// The text between two %, when that is all the pattern is.
    private let needle: [UInt8]?

    init(_ pattern: [UInt8], escape: UInt8?, ignoringCase: Bool) {
        var parts: [Part] = []
        pattern.withUnsafeBufferPointer { bytes in
            var at = 0
            while at < bytes.count {
                var (scalar, length) = Characters.scalar(bytes, at)
                if let escape, scalar == UInt32(escape), at + 1 < bytes.count {
                    at += length
                    (scalar, length) = Characters.scalar(bytes, at)
                    parts.append(.scalar(LikePattern.folded(scalar, ignoringCase)))
                } else if scalar == UInt32(UInt8(ascii: "%")) {
                    if parts.last != .anyText { parts.append(.anyText) }
                } else if scalar == UInt32(UInt8(ascii: "_")) {
                    parts.append(.anyCharacter)
                } else {
                    parts.append(.scalar(LikePattern.folded(scalar, ignoringCase)))
                }
                at += length
            }
        }
        self.parts = parts
        self.ignoringCase = ignoringCase
        let inner = pattern.dropFirst().dropLast()
        let isSearch =
            !ignoringCase && escape == nil && pattern.count > 2
            && pattern.first == UInt8(ascii: "%") && pattern.last == UInt8(ascii: "%")
            && !inner.contains(UInt8(ascii: "%")) && !inner.contains(UInt8(ascii: "_"))
        needle = isSearch ? Array(inner) : nil
    }

    @inline(__always)
    private static func folded(_ scalar: UInt32, _ ignoringCase: Bool) -> UInt32 {
        guard ignoringCase else { return scalar }
        if scalar < 0x80 { return scalar >= 65 && scalar <= 90 ? scalar | 0x20 : scalar }
        guard let unicode = Unicode.Scalar(scalar) else { return scalar }
        let lower = unicode.properties.lowercaseMapping.unicodeScalars
        return lower.count == 1 ? lower.first?.value ?? scalar : scalar
    }

    /// Whether the whole text fits; linear but for the last %, to which it goes back.
    func matches(_ text: Bytes) -> Bool {
        if let needle {
            return needle.withUnsafeBufferPointer { Characters.find($0, in: text) != nil }
        }
        var at = 0
        var part = 0
        var retryPart = -1
        var retryAt = 0
        while at < text.count {
            let (scalar, length) = Characters.scalar(text, at)
            if part < parts.count {
                switch parts[part] {
                case .anyText:
                    part += 1
                    retryPart = part
                    retryAt = at
                    continue
                case .anyCharacter:
                    part += 1
                    at += length
                    continue
                case .scalar(let wanted):
                    if LikePattern.folded(scalar, ignoringCase) == wanted {
                        part += 1
                        at += length
                        continue
                    }
                }
            }
            guard retryPart >= 0 else { return false }
            retryAt += Characters.scalar(text, retryAt).length
            at = retryAt
            part = retryPart
        }
        while part < parts.count, parts[part] == .anyText { part += 1 }
        return part == parts.count
    }
}
