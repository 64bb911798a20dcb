import StreamRuntime

// Functions that search text and change its letters.
extension TextFunctions {
    private static func test(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (Bytes, Bytes) -> Bool
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        return ScalarFunction(
            names, "\(name)(text, part)", meaning, example, result,
            [
                Overload([.string, .string], .bool) { call in
                    call.mapRowsToBool {
                        body(call.arguments[0].bytes($0), call.arguments[1].bytes($0))
                    }
                }
            ])
    }

    /// The number of the first character.
    private static func first(
        _ names: String, _ none: String, _ example: String, _ ofNothing: Int64
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        return ScalarFunction(
            names, "\(name)(text)",
            "The Unicode number of the first character; \(none) if there is none.", example, "233",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { row in
                        let bytes = call.arguments[0].bytes(row)
                        return bytes.isEmpty
                            ? ofNothing : Int64(Characters.scalar(bytes, 0).value)
                    }
                }
            ])
    }

    static let searching: [ScalarFunction] = [
        ScalarFunction(
            "length char_length character_length array_length", "length(text), length(list)",
            "How many characters the text, or elements the list, has.", "length('héllo')", "5",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { Int64(Characters.count(call.arguments[0].bytes($0))) }
                },
                Overload([.anyList], .int64) { ListFunctions.lengths($0) },
            ]),
        ScalarFunction(
            "len", "len(x)", "How many characters, or elements, there are; like length.",
            "len([1, 2])",
            "2",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { Int64(Characters.count(call.arguments[0].bytes($0))) }
                },
                Overload([.anyList], .int64) { ListFunctions.lengths($0) },
            ]),
        ScalarFunction(
            "strlen octet_length", "strlen(text)", "How many bytes the text takes.", "strlen('é')",
            "2",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { Int64(call.arguments[0].bytes($0).count) }
                },
                Overload([.bytes], .int64) { call in
                    call.mapRowsToInteger { Int64(call.arguments[0].bytes($0).count) }
                },
            ]),
        ScalarFunction(
            "bit_length", "bit_length(text)", "How many bits the text takes.", "bit_length('é')",
            "16",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { Int64(call.arguments[0].bytes($0).count * 8) }
                }
            ]),
        test("contains", "Whether the text has the part in it.", "contains('hello', 'ell')", "true")
        {
            Characters.find($1, in: $0) != nil
        },
        test(
            "starts_with prefix", "Whether the text starts with the part.",
            "starts_with('hello', 'he')", "true"
        ) {
            $0.count >= $1.count && $0.prefix($1.count).elementsEqual($1)
        },
        test(
            "ends_with suffix", "Whether the text ends with the part.", "ends_with('hello', 'lo')",
            "true"
        ) {
            $0.count >= $1.count && $0.suffix($1.count).elementsEqual($1)
        },
        ScalarFunction(
            "strpos instr position", "strpos(text, part)",
            "The character at which the part first begins, from 1; 0 if it does not. Also written position(part in text).",
            "strpos('hello', 'l')", "3",
            [
                Overload([.string, .string], .int64) { call in
                    call.mapRowsToInteger { row in
                        let text = call.arguments[0].bytes(row)
                        guard let at = Characters.find(call.arguments[1].bytes(row), in: text)
                        else {
                            return 0
                        }
                        return Int64(Characters.count(Bytes(rebasing: text[..<at]))) + 1
                    }
                }
            ]),
        first("ascii", "0", "ascii('é')", 0), first("unicode ord", "-1", "unicode('é')", -1),
    ]

    static let changing: [ScalarFunction] = [
        mapping("lower lcase", "The text in small letters.", "lower('ÀBC')", "àbc") {
            $0.properties.lowercaseMapping
        },
        mapping("upper ucase", "The text in capital letters.", "upper('àbc')", "ÀBC") {
            $0.properties.uppercaseMapping
        },
        ScalarFunction(
            "reverse", "reverse(text)", "The characters from last to first.", "reverse('héllo')",
            "olléh",
            [
                Overload([.string], .string) { call in
                    call.buildText { row, arena in
                        let text = String(decoding: call.arguments[0].bytes(row), as: UTF8.self)
                        arena.add(String(text.reversed()))
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "replace", "replace(text, part, other)", "The text with every part replaced.",
            "replace('hello', 'l', 'L')", "heLLo",
            [
                Overload([.string, .string, .string], .string) { call in
                    call.buildText { row, arena in
                        let text = call.arguments[0].bytes(row)
                        let part = call.arguments[1].bytes(row)
                        let other = call.arguments[2].bytes(row)
                        guard !part.isEmpty else {
                            arena.add(text)
                            return nil
                        }
                        var isFirst = true
                        forEachPart(text, part) { range in
                            if !isFirst { arena.add(other) }
                            isFirst = false
                            arena.add(Bytes(rebasing: text[range]))
                        }
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "translate", "translate(text, from, to)",
            "The text with each character of from turned into the one at its place in to, or dropped.",
            "translate('hello', 'el', 'ip')", "hippo",
            [
                Overload([.string, .string, .string], .string) { call in
                    call.buildText { row, arena in
                        let from = Characters.scalars(call.arguments[1].bytes(row))
                        let to = Characters.scalars(call.arguments[2].bytes(row))
                        for scalar in Characters.scalars(call.arguments[0].bytes(row)) {
                            if let place = from.firstIndex(of: scalar) {
                                if place < to.count { arena.add(scalar: to[place]) }
                            } else {
                                arena.add(scalar: scalar)
                            }
                        }
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "chr", "chr(n)", "The character with a Unicode number.", "chr(233)", "é",
            [
                Overload([.int64], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        let number = call.arguments[0].int64s[row]
                        guard let small = UInt32(exactly: number), Unicode.Scalar(small) != nil
                        else {
                            return "\(number) is no character"
                        }
                        arena.add(scalar: small)
                        return nil
                    }
                }
            ]),
    ]

    private static func mapping(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ map: @escaping (Unicode.Scalar) -> String
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        let isUpper = name == "upper"
        return ScalarFunction(
            names, "\(name)(text)", meaning, example, result,
            [
                Overload([.string], .string) { changeCase($0, isUpper, map) }
            ])
    }

    /// Every row's letters in the other case: plain ASCII eight at a time, anything else letter by letter.
    private static func changeCase(
        _ call: KernelCall, _ isUpper: Bool, _ map: (Unicode.Scalar) -> String
    ) -> Column {
        let (result, live) = call.result(.string)
        let source = call.arguments[0]
        guard let arena = result.arena, let from = source.arena else {
            preconditionFailure("strings have an arena")
        }
        let sources = source.views
        let views = result.views
        let text = UnsafeRawPointer(from.base)
        var size = 0
        var row = 0
        while row < call.count {
            if live[row] != 0 { size &+= ByteView.length(sources[row]) }
            row &+= 1
        }
        arena.reserve(size)
        row = 0
        while row < call.count {
            if live[row] != 0 {
                let start = arena.count
                let length = ByteView.length(sources[row])
                if start > TextLimits.batchMax {
                    call.fail(row, live, TextLimits.batchTooLong)
                } else {
                    arena.reserve(length)
                    if changeASCII(
                        text + ByteView.start(sources[row]), length,
                        UnsafeMutableRawPointer(arena.base + start), isUpper)
                    {
                        arena.count = start &+ length
                    } else {
                        changeCase(source.bytes(row), arena, isUpper, map)
                    }
                    views[row] = ByteView.pack(start: start, length: arena.count &- start)
                }
            }
            row &+= 1
        }
        return result
    }

    /// Writes plain ASCII in the other case; false for other text.
    ///
    /// - Precondition: 8 bytes can be read and written behind the text, as arenas have it.
    @inline(__always)
    private static func changeASCII(
        _ text: UnsafeRawPointer, _ length: Int, _ target: UnsafeMutableRawPointer, _ isUpper: Bool
    ) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = ones &<< 7
        // The high bit of a byte of ASCII is set by adding what is missing from a letter to 128.
        let first: UInt64 = isUpper ? 0x61 : 0x41
        let reach = ones &* (0x80 &- first)
        let past = ones &* (0x80 &- first &- 26)
        var at = 0
        while at < length {
            let word = text.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            let left = length &- at
            let inside: UInt64 = left >= 8 ? .max : (1 &<< (UInt64(left) &* 8)) &- 1
            guard word & highs & inside == 0 else { return false }
            let plain = word & ~highs
            let letters = (plain &+ reach) & ~(plain &+ past) & highs
            target.storeBytes(
                of: plain ^ (letters &>> 2), toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        return true
    }

    /// Letters one by one: a letter whose other case is several letters stays as it is.
    private static func changeCase(
        _ bytes: Bytes, _ arena: ByteArena, _ isUpper: Bool, _ map: (Unicode.Scalar) -> String
    ) {
        let first: UInt8 = isUpper ? 97 : 65
        arena.reserve(bytes.count)
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            if byte < 0x80 {
                arena.add(byte >= first && byte < first + 26 ? byte ^ 0x20 : byte)
                at += 1
                continue
            }
            let (value, length) = Characters.scalar(bytes, at)
            if let scalar = Unicode.Scalar(value) {
                let mapped = map(scalar).unicodeScalars
                // The sharp s has a capital letter of its own, which Unicode's mapping does not use.
                let plain: UInt32 = isUpper && value == 0xDF ? 0x1E9E : value
                arena.add(scalar: mapped.count == 1 ? mapped.first?.value ?? value : plain)
            } else {
                arena.add(Bytes(rebasing: bytes[at..<(at + length)]))
            }
            at += length
        }
    }
}
