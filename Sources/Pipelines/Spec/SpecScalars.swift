/// Reads the small values of a pipelines file: durations, sizes, names.
enum SpecScalars {
    static let durationUnits: [(String, Int64)] = [
        ("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000),
        ("d", 86_400_000_000),
    ]
    static let sizeUnits: [(String, Int)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("KB", 1_000),
        ("MB", 1_000_000), ("GB", 1_000_000_000),
    ]

    static let durationPattern = "^[0-9]{1,9}(us|ms|s|m|h|d)$"
    static let sizePattern = "^[0-9]{1,9}(B|KiB|MiB|GiB|KB|MB|GB)$"
    static let namePattern = "^[A-Za-z_][A-Za-z0-9_]*$"
    static let templatePattern = "^[A-Za-z_]([A-Za-z0-9_]|\\{over\\})*$"
    static let referencePattern = "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)?$"
    static let topicPattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,248}$"

    static func duration(_ text: String) -> Duration? {
        guard let (number, unit) = split(text),
            let micros = durationUnits.first(where: { $0.0 == unit })?.1
        else { return nil }
        let (total, overflow) = number.multipliedReportingOverflow(by: micros)
        return overflow ? nil : .microseconds(total)
    }

    static func size(_ text: String) -> Int? {
        guard let (number, unit) = split(text),
            let bytes = sizeUnits.first(where: { $0.0 == unit })?.1
        else { return nil }
        let (total, overflow) = Int(number).multipliedReportingOverflow(by: bytes)
        return overflow ? nil : total
    }

    private static func split(_ text: String) -> (Int64, String)? {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
        guard (1...9).contains(digits.count), let number = Int64(Substring(digits)) else {
            return nil
        }
        return (number, String(text.utf8.dropFirst(digits.count)) ?? "")
    }

    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || isDigit($0) }
    }

    /// A name in which `{over}` may stand for a window's width.
    static func isTemplate(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return isName(text.replacing("{over}", with: "_"))
    }

    /// A stream, a pipeline, or a pipeline's route after a point.
    static func isReference(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count <= 2 && parts.allSatisfy { isName(String($0)) }
    }

    static func isTopic(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) || isDigit(first) else { return false }
        return text.utf8.count <= 249
            && text.utf8.allSatisfy {
                isLetter($0) || isDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

extension Duration {
    /// The length in whole microseconds.
    var micros: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }

    /// The length as a pipelines file writes it, in the largest unit that is exact.
    var text: String {
        let micros = micros
        if micros == 0 { return "0s" }
        for (unit, length) in SpecScalars.durationUnits.reversed() where micros % length == 0 {
            return "\(micros / length)\(unit)"
        }
        return "\(micros)us"
    }
}
