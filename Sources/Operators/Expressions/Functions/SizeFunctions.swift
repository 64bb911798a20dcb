import Codecs
import Glibc
import StreamRuntime

/// Functions between numbers of bytes and texts for people, and of digests as numbers.
enum SizeFunctions {
    private static func readable(
        _ names: String, _ meaning: String, _ example: String, _ result: String, _ base: UInt64,
        _ units: [String]
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        return ScalarFunction(
            names, "\(name)(n)", meaning, example, result,
            [
                Overload([.int64], .string) { call in
                    call.buildText { row, arena in
                        let value = call.arguments[0].int64s[row]
                        if value < 0 { arena.add(UInt8(ascii: "-")) }
                        append(value.magnitude, base, units, arena)
                        return nil
                    }
                }
            ])
    }

    /// Cut, not rounded, to tenths of the largest unit that is not above the number.
    private static func append(
        _ size: UInt64, _ base: UInt64, _ units: [String], _ arena: ByteArena
    ) {
        var unit: UInt64 = 1
        var index = -1
        while size / unit >= base, index + 1 < units.count {
            unit *= base
            index += 1
        }
        guard index >= 0 else { return arena.add(size == 1 ? "1 byte" : "\(size) bytes") }
        // Tenths of whole parts of the next smaller unit.
        let parts = size % unit / (unit / base)
        arena.add("\(size / unit).\(parts * 10 / base) \(units[index])")
    }

    static let all: [ScalarFunction] = [
        readable(
            "format_bytes formatreadablesize pg_size_pretty",
            "A number of bytes in units of 1024.", "format_bytes(1500)", "1.4 KiB", 1024,
            ["KiB", "MiB", "GiB", "TiB", "PiB"]),
        readable(
            "formatreadabledecimalsize", "A number of bytes in units of 1000.",
            "formatreadabledecimalsize(1500)", "1.5 kB", 1000, ["kB", "MB", "GB", "TB", "PB"]),
        ScalarFunction(
            "parse_formatted_bytes", "parse_formatted_bytes(text)",
            "The number of bytes that a text like 16 MB or 1.5 KiB says.",
            "parse_formatted_bytes('1.5 KiB')", "1536",
            [
                Overload([.string], canFail: true, .int64) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let text = call.arguments[0].string(row)
                        if let size = bytes(text) {
                            result.int64s[row] = size
                        } else {
                            call.fail(row, live, "'\(text)' is no number of bytes")
                        }
                    }
                    return result
                }
            ]),
        md5(
            "md5_number_lower", "The second half of the MD5 digest as a number.",
            "md5_number_lower('abc')", "8250560606382298838", 8),
        md5(
            "md5_number_upper", "The first half of the MD5 digest as a number.",
            "md5_number_upper('abc')", "-5742139842178842224", 0),
        ScalarFunction(
            "xxhash64", "xxhash64(x)", "The XXH3 hash of a text or bytes, as `int64`; see hash.",
            "xxhash64('a') = xxhash64('a'::blob)", "true",
            [
                Overload([.string], .int64) { hashes($0) },
                Overload([.bytes], .int64) { hashes($0) },
            ]),
    ]

    private static func hashes(_ call: KernelCall) -> Column {
        call.mapRowsToInteger { row in
            let bytes = call.arguments[0].bytes(row)
            return bytes.baseAddress.map { Hash.xxh3($0, bytes.count) } ?? 0
        }
    }

    private static let units: [String: Double] = [
        "b": 1, "byte": 1, "bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
    ]

    private static func bytes(_ text: String) -> Int64? {
        let trimmed = text.lowercased().drop { $0 == " " }
        let digits = trimmed.prefix { $0.isNumber || $0 == "." }
        let unit = trimmed.dropFirst(digits.count).filter { $0 != " " }
        guard let number = Double(String(digits)), let factor = units[unit],
            number * factor < 0x1p63
        else { return nil }
        return Int64(number * factor)
    }

    private static func md5(
        _ name: String, _ meaning: String, _ example: String, _ result: String, _ offset: Int
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(x)", meaning, example, result,
            [
                Overload([.string], .int64) { EncodingFunctions.md5Half($0, offset) },
                Overload([.bytes], .int64) { EncodingFunctions.md5Half($0, offset) },
            ])
    }
}
