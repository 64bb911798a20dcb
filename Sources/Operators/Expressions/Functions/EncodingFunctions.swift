import CDigest
import StreamRuntime

/// Functions that encode text and bytes, and take their digest.
enum EncodingFunctions {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    static let all: [ScalarFunction] = encodings + digests

    private static let digits = Array("0123456789ABCDEF".utf8)
    private static let smallDigits = Array("0123456789abcdef".utf8)
    private static let base64Digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func appendHex(_ bytes: Bytes, _ arena: ByteArena) {
        arena.reserve(bytes.count * 2)
        for byte in bytes {
            arena.add(digits[Int(byte >> 4)])
            arena.add(digits[Int(byte & 15)])
        }
    }

    /// A number in a base, in capital digits.
    private static func appendNumber(_ number: UInt64, base: UInt64, width: Int, _ arena: ByteArena)
    {
        var rest = number
        var reversed: [UInt8] = []
        repeat {
            let digit = Int(rest % base)
            reversed.append(digit < 10 ? UInt8(48 + digit) : UInt8(55 + digit))
            rest /= base
        } while rest > 0
        for _ in 0..<max(0, width - reversed.count) { arena.add(48) }
        for digit in reversed.reversed() { arena.add(digit) }
    }

    /// An encoding of text or bytes as text.
    private static func encode(
        _ name: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, number: ((Int64, ByteArena) -> Void)?,
        _ body: @escaping (Bytes, ByteArena) -> Void
    ) -> ScalarFunction {
        let kernel: KernelNode.Kernel = { call in
            call.buildText { row, arena in
                body(call.arguments[0].bytes(row), arena)
                return nil
            }
        }
        var overloads = [
            Overload([.string], .string, kernel), Overload([.bytes], .string, kernel),
        ]
        if let number {
            overloads.append(
                Overload([.int64], .string) { call in
                    let values = call.arguments[0].int64s
                    return call.buildText { row, arena in
                        number(values[row], arena)
                        return nil
                    }
                })
        }
        return ScalarFunction(name, signature, meaning, example, result, overloads)
    }

    /// A decoding of text, which may fail with a reason.
    private static func decode(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, from parameter: Parameter = .string, to type: ColumnType,
        _ body: @escaping (Bytes, ByteArena) -> String?
    ) -> ScalarFunction {
        ScalarFunction(
            names, signature, meaning, example, result,
            [
                Overload([parameter], canFail: true, type) { call in
                    call.buildText(type) { row, arena in body(call.arguments[0].bytes(row), arena) }
                }
            ])
    }

    private static let encodings: [ScalarFunction] = [
        encode(
            "hex to_hex", "hex(x)", "Bytes, text or a number in hexadecimal digits.", "hex('abc')",
            "616263",
            number: { appendNumber(UInt64(bitPattern: $0), base: 16, width: 1, $1) }
        ) { appendHex($0, $1) },
        encode(
            "bin to_binary", "bin(x)", "Bytes, text or a number in binary digits.", "bin(42)",
            "101010",
            number: { appendNumber(UInt64(bitPattern: $0), base: 2, width: 1, $1) }
        ) { bytes, arena in
            for byte in bytes { appendNumber(UInt64(byte), base: 2, width: 8, arena) }
        },
        ScalarFunction(
            "to_base", "to_base(n, base)",
            "A number not below 0 in the digits of a base from 2 to 36.",
            "to_base(255, 16)", "FF",
            [
                Overload([.int64, .int64], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        let number = call.arguments[0].int64s[row]
                        let base = call.arguments[1].int64s[row]
                        guard number >= 0 else { return "to_base of \(number), which is below 0" }
                        guard (2...36).contains(base) else { return "a base is from 2 to 36" }
                        appendNumber(UInt64(number), base: UInt64(base), width: 1, arena)
                        return nil
                    }
                }
            ]),
        decode(
            "unhex from_hex", "unhex(text)", "The bytes that hexadecimal digits stand for.",
            "unhex('616263')::string", "abc", to: .bytes
        ) { text, arena in
            var at = 0
            if text.count % 2 == 1 {
                guard let digit = CastKernels.hexDigit(text[0]) else {
                    return "unhex of a character that is no digit"
                }
                arena.add(digit)
                at = 1
            }
            while at < text.count {
                guard let high = CastKernels.hexDigit(text[at]),
                    let low = CastKernels.hexDigit(text[at + 1])
                else { return "unhex of a character that is no digit" }
                arena.add(high << 4 | low)
                at += 2
            }
            return nil
        },
        decode(
            "unbin from_binary", "unbin(text)", "The bytes that binary digits stand for.",
            "unbin('01100001')::string", "a", to: .bytes
        ) { text, arena in
            var byte: UInt8 = 0
            for (index, digit) in text.enumerated() {
                guard digit == 48 || digit == 49 else {
                    return "unbin of a character that is no digit"
                }
                byte = byte << 1 | (digit & 1)
                if (text.count - index) % 8 == 1 {
                    arena.add(byte)
                    byte = 0
                }
            }
            return nil
        },
        encode(
            "to_base64 base64", "to_base64(x)", "Bytes or text in base 64.", "to_base64('hello')",
            "aGVsbG8=",
            number: nil
        ) { bytes, arena in
            var at = 0
            while at < bytes.count {
                let rest = bytes.count - at
                let word =
                    UInt32(bytes[at]) << 16 | (rest > 1 ? UInt32(bytes[at + 1]) << 8 : 0)
                    | (rest > 2 ? UInt32(bytes[at + 2]) : 0)
                arena.add(base64Digits[Int(word >> 18)])
                arena.add(base64Digits[Int(word >> 12 & 63)])
                arena.add(rest > 1 ? base64Digits[Int(word >> 6 & 63)] : UInt8(ascii: "="))
                arena.add(rest > 2 ? base64Digits[Int(word & 63)] : UInt8(ascii: "="))
                at += 3
            }
        },
        decode(
            "from_base64", "from_base64(text)", "The bytes that text in base 64 stands for.",
            "from_base64('aGVsbG8=')::string", "hello", to: .bytes
        ) { text, arena in
            guard text.count % 4 == 0 else { return "base 64 comes in groups of four characters" }
            var at = 0
            while at < text.count {
                var word: UInt32 = 0
                var padding = 0
                for index in 0..<4 {
                    let byte = text[at + index]
                    if byte == UInt8(ascii: "="), index >= 2, at + 4 == text.count {
                        padding += 1
                        word <<= 6
                    } else if padding == 0, let digit = base64Digits.firstIndex(of: byte) {
                        word = word << 6 | UInt32(digit)
                    } else {
                        return "from_base64 of a character that is no digit"
                    }
                }
                arena.add(UInt8(word >> 16 & 255))
                if padding < 2 { arena.add(UInt8(word >> 8 & 255)) }
                if padding < 1 { arena.add(UInt8(word & 255)) }
                at += 4
            }
            return nil
        },
        decode(
            "encode", "encode(text)", "The bytes of the text.", "encode('é')", "\\xC3\\xA9",
            to: .bytes
        ) { text, arena in
            arena.add(text)
            return nil
        },
        decode(
            "decode", "decode(bytes)", "The text whose UTF-8 bytes these are.",
            "decode(encode('é'))", "é",
            from: .bytes, to: .string
        ) { bytes, arena in
            guard String(validating: bytes, as: UTF8.self) != nil else {
                return "decode of bytes that are not UTF-8"
            }
            arena.add(bytes)
            return nil
        },
        encode(
            "url_encode", "url_encode(text)", "The text with every reserved byte as %HH.",
            "url_encode('a b&c')", "a%20b%26c", number: nil
        ) { bytes, arena in
            for byte in bytes {
                let isPlain =
                    (Lexer.isNamePart(byte) && byte < 128 && byte != UInt8(ascii: "$"))
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "~")
                if isPlain {
                    arena.add(byte)
                } else {
                    arena.add(UInt8(ascii: "%"))
                    arena.add(digits[Int(byte >> 4)])
                    arena.add(digits[Int(byte & 15)])
                }
            }
        },
        decode(
            "url_decode", "url_decode(text)", "The text with every %HH as the byte it stands for.",
            "url_decode('a%20b')", "a b", to: .string
        ) { text, arena in
            let start = arena.count
            var at = 0
            while at < text.count {
                if text[at] == UInt8(ascii: "%"), at + 2 < text.count,
                    let high = CastKernels.hexDigit(text[at + 1]),
                    let low = CastKernels.hexDigit(text[at + 2])
                {
                    arena.add(high << 4 | low)
                    at += 3
                } else {
                    arena.add(text[at])
                    at += 1
                }
            }
            let made = Bytes(start: UnsafePointer(arena.base + start), count: arena.count - start)
            return String(validating: made, as: UTF8.self) == nil
                ? "url_decode gives bytes that are not UTF-8" : nil
        },
    ]

    private static func digest(
        _ name: String, _ meaning: String, _ result: String, _ length: Int,
        _ body: @escaping (UnsafeRawPointer?, Int, UnsafeMutablePointer<UInt8>?) -> Void
    ) -> ScalarFunction {
        encode(name, "\(name)(x)", meaning, "\(name)('abc')", result, number: nil) { bytes, arena in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { sum in
                body(UnsafeRawPointer(bytes.baseAddress), bytes.count, sum.baseAddress)
                for byte in sum {
                    arena.add(smallDigits[Int(byte >> 4)])
                    arena.add(smallDigits[Int(byte & 15)])
                }
            }
        }
    }

    private static let digests: [ScalarFunction] = [
        digest(
            "md5", "The MD5 digest in hexadecimal digits.", "900150983cd24fb0d6963f7d28e17f72", 16
        ) {
            millrace_md5($0, $1, $2)
        },
        digest(
            "sha1", "The SHA-1 digest in hexadecimal digits.",
            "a9993e364706816aba3e25717850c26c9cd0d89d", 20
        ) {
            millrace_sha1($0, $1, $2)
        },
        digest(
            "sha256", "The SHA-256 digest in hexadecimal digits.",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 32
        ) { millrace_sha256($0, $1, $2) },
    ]
}

extension EncodingFunctions {
    /// Eight bytes of each row's MD5 digest, the first of them the lowest.
    static func md5Half(_ call: KernelCall, _ offset: Int) -> Column {
        call.mapRowsToInteger { row in
            let bytes = call.arguments[0].bytes(row)
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { sum in
                millrace_md5(UnsafeRawPointer(bytes.baseAddress), bytes.count, sum.baseAddress)
                return Int64(
                    littleEndian: UnsafeRawBufferPointer(sum)
                        .loadUnaligned(fromByteOffset: offset, as: Int64.self))
            }
        }
    }
}
