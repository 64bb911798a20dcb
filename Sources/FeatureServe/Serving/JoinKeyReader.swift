import Glibc
import StreamRuntime

/// Reads join keys of a request into typed columns, coercing what can be taken without loss.
///
/// - Source: as Feast does: `"1"` and `1.0` are the int64 key 1; times may be ISO 8601 text, too. A null key, a fraction, or a number beyond the
///   type is refused.
enum JoinKeyReader {
    static func append(
        _ token: JSONToken, of scanner: JSONScanner, key: Field, to column: Column
    ) throws(LookupProblem) {
        let bytes = scanner.bytes(token)
        switch (key.type, token.kind) {
        case (.string, .string), (.bytes, .string): column.append(bytes)
        case (.string, .escapedString), (.bytes, .escapedString):
            scanner.unescaped(token).withUnsafeBufferPointer { column.append($0) }
        case (.int64, .number), (.int64, .string):
            guard let value = integer(bytes) else { throw refused(token, scanner, key) }
            column.append(value)
        case (.timestamp, .number), (.timestamp, .string):
            // Epoch seconds, as the protocol has timestamps, or ISO 8601 text as values may be.
            guard let value = integer(bytes) else {
                guard token.kind == .string, let micros = TimestampText.micros(bytes) else {
                    throw refused(token, scanner, key)
                }
                column.append(micros)
                return
            }
            let (micros, overflow) = value.multipliedReportingOverflow(by: 1_000_000)
            guard !overflow else { throw refused(token, scanner, key) }
            column.append(micros)
        case (.bool, .yes): column.append(true)
        case (.bool, .no): column.append(false)
        case (.float64, .number):
            guard let value = Double(scanner.text(token)), value.isFinite else {
                throw refused(token, scanner, key)
            }
            column.append(value)
        case (.decimal(let precision, let scale), .number),
            (.decimal(let precision, let scale), .string):
            guard let value = decimal(bytes, precision: precision, scale: scale) else {
                throw refused(token, scanner, key)
            }
            column.append(value)
        case (.date, .string):
            guard let days = CivilTime.days(bytes) else { throw refused(token, scanner, key) }
            column.append(days)
        default: throw refused(token, scanner, key)
        }
    }

    private static func refused(
        _ token: JSONToken, _ scanner: JSONScanner, _ key: Field
    ) -> LookupProblem {
        let shown = token.kind == .composite ? "a list or an object" : scanner.text(token)
        return .invalid(
            "\(shown.prefix(80)) is not a value of join key \(key.name), which is \(key.type)")
    }

    /// An integer written as one, or as a decimal whose fraction is zero.
    static func integer(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count > 0 else { return nil }
        let isNegative = bytes[0] == 0x2D
        var at = isNegative ? 1 : 0
        var value: Int64 = 0
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 < 10 {
            let (scaled, first) = value.multipliedReportingOverflow(by: 10)
            let (next, second) = scaled.subtractingReportingOverflow(Int64(bytes[at] &- 0x30))
            guard !first, !second else { return nil }
            value = next
            at &+= 1
        }
        guard at > start else { return nil }
        if at < bytes.count, bytes[at] == 0x2E {
            at &+= 1
            guard at < bytes.count else { return nil }
            while at < bytes.count, bytes[at] == 0x30 { at &+= 1 }
        }
        guard at == bytes.count else { return nil }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    static func decimal(
        _ bytes: UnsafeBufferPointer<UInt8>, precision: Int, scale: Int
    ) -> Int128? {
        var value: Int128 = 0
        var digits = 0
        var fraction = 0
        var seenPoint = false
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case 0x2D where index == 0: continue
            case 0x2E where !seenPoint: seenPoint = true
            case 0x30...0x39:
                if seenPoint, fraction == scale {
                    guard byte == 0x30 else { return nil }
                    continue
                }
                guard digits < precision else { return nil }
                value = value * 10 + Int128(byte - 0x30)
                if value != 0 { digits += 1 }
                if seenPoint { fraction += 1 }
            default: return nil
            }
        }
        while fraction < scale {
            guard digits < precision || value == 0 else { return nil }
            value *= 10
            if value != 0 { digits += 1 }
            fraction += 1
        }
        return bytes.first == 0x2D ? -value : value
    }

    /// Appends the key as the answer shows it.
    static func render(_ column: Column, _ row: Int, to arena: ByteArena) {
        switch column.type {
        case .string: JSONText.append(string: column.bytes(row), to: arena)
        case .bytes: JSONText.append(string: column.bytes(row), to: arena)
        case .int64: JSONText.append(integer: column.int64s[row], to: arena)
        case .timestamp: JSONText.append(integer: column.int64s[row] / 1_000_000, to: arena)
        case .date: JSONText.append(date: column.int64s[row], to: arena)
        case .bool: JSONText.append(column.bools[row] != 0 ? "true" : "false", to: arena)
        case .float64: JSONText.append(number: column.float64s[row], to: arena)
        case .decimal(_, let scale):
            JSONText.append(decimal: column.decimals[row], scale: scale, to: arena)
        case .interval, .list, .structure: JSONText.append("null", to: arena)
        }
    }
}
