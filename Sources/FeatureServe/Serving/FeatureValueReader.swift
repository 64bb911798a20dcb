import StreamRuntime

/// Reads feature values of a client's rows into typed columns, coercing what can be taken without loss.
///
/// - Source: int64 and decimal also as strings, doubles also as `"Infinity"` and the like, timestamps as epoch
///   seconds or ISO text, bytes as base64. Not a number is a null, as everywhere in the protocol.
enum FeatureValueReader {
    /// Appends the value at `token`; false when it is not one of `type`.
    static func append(
        _ token: JSONToken, of scanner: JSONScanner, type: ColumnType, to column: Column
    ) -> Bool {
        let bytes = scanner.bytes(token)
        switch (type, token.kind) {
        case (_, .null): column.appendNull()
        case (.string, .string): column.append(bytes)
        case (.string, .escapedString):
            scanner.unescaped(token).withUnsafeBufferPointer { column.append($0) }
        case (.bool, .yes): column.append(true)
        case (.bool, .no): column.append(false)
        case (.int64, .number), (.int64, .string):
            guard let value = JoinKeyReader.integer(bytes) else { return false }
            column.append(value)
        case (.float64, .number), (.float64, .string), (.float64, .notFinite):
            guard let value = number(scanner.text(token)) else { return false }
            if value.isNaN { column.appendNull() } else { column.append(value) }
        case (.decimal(let precision, let scale), .number),
            (.decimal(let precision, let scale), .string):
            guard let value = JoinKeyReader.decimal(bytes, precision: precision, scale: scale)
            else { return false }
            column.append(value)
        case (.timestamp, .number):
            guard let seconds = JoinKeyReader.integer(bytes) else { return false }
            let (micros, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
            guard !overflow else { return false }
            column.append(micros)
        case (.timestamp, .string):
            guard let micros = TimestampText.micros(bytes) else { return false }
            column.append(micros)
        case (.date, .string):
            guard let days = CivilTime.days(bytes) else { return false }
            column.append(days)
        case (.bytes, .string):
            guard let decoded = Base64Text.bytes(bytes) else { return false }
            decoded.withUnsafeBufferPointer { column.append($0) }
        case (.list(let element), .composite):
            return appendList(token, of: scanner, element: element, to: column)
        default: return false
        }
        return true
    }

    private static func appendList(
        _ token: JSONToken, of scanner: JSONScanner, element: ColumnType, to column: Column
    ) -> Bool {
        var inner = scanner
        inner.move(to: Int(token.start))
        var tokens: [JSONToken] = []
        do throws(JSONFault) {
            try inner.array { (inner) throws(JSONFault) in tokens.append(try inner.value()) }
        } catch {
            return false
        }
        let elements = column.children[0]
        let start = elements.count
        for token in tokens {
            guard append(token, of: scanner, type: element, to: elements) else { return false }
        }
        column.appendList(from: start)
        return true
    }

    private static func number(_ text: String) -> Double? {
        switch text {
        case "NaN", "nan": .nan
        case "Infinity", "inf": .infinity
        case "-Infinity", "-inf": -.infinity
        default: Double(text).flatMap { $0.isFinite ? $0 : nil }
        }
    }
}

/// Reads base64 with padding.
enum Base64Text {
    /// The bytes that `text` stands for, or nil when it is not base64.
    static func bytes(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var result: [UInt8] = []
        var word: UInt32 = 0
        var padding = 0
        for (index, byte) in text.enumerated() {
            let value: UInt32
            switch byte {
            case 0x41...0x5A: value = UInt32(byte) - 0x41
            case 0x61...0x7A: value = UInt32(byte) - 0x61 + 26
            case 0x30...0x39: value = UInt32(byte) - 0x30 + 52
            case 0x2B: value = 62
            case 0x2F: value = 63
            case 0x3D where index >= text.count - 2:
                value = 0
                padding += 1
            default: return nil
            }
            guard padding == 0 || byte == 0x3D else { return nil }
            word = word << 6 | value
            if index % 4 == 3 {
                result += [
                    UInt8(truncatingIfNeeded: word >> 16), UInt8(truncatingIfNeeded: word >> 8),
                    UInt8(truncatingIfNeeded: word),
                ]
                word = 0
            }
        }
        result.removeLast(padding)
        return result
    }
}
