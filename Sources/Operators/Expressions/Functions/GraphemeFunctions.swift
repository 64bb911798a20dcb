import StreamRuntime
@_spi(_Unicode) import Swift

/// Functions of text as people see it: letters with their accents, symbols with what changes them.
enum GraphemeFunctions {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    private static func text(_ call: KernelCall, _ row: Int) -> String {
        String(decoding: call.arguments[0].bytes(row), as: UTF8.self)
    }

    /// The part of `length` symbols from `start`, both as SQL's substring counts them.
    private static func part(_ text: String, _ start: Int64, _ length: Int64?) -> Substring {
        let count = Int64(text.count)
        let bound: Int64 = 1 << 40
        var from = max(-bound, min(bound, start))
        from = from < 0 ? count + from : from - 1
        let size = length.map { max(-bound, min(bound, $0)) } ?? bound
        let low = max(0, min(count, min(from, from + size)))
        let high = max(low, min(count, max(from, from + size)))
        return text.dropFirst(Int(low)).prefix(Int(high - low))
    }

    private static func cut(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (String, Int64) -> Substring
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(text, n)", meaning, example, result,
            [
                Overload([.string, .int64], .string) { call in
                    call.buildText { row, arena in
                        arena.add(String(body(text(call, row), call.arguments[1].int64s[row])))
                        return nil
                    }
                }
            ])
    }

    static let all: [ScalarFunction] = [
        ScalarFunction(
            "length_grapheme", "length_grapheme(text)",
            "How many symbols the text has, as people count them.", "length_grapheme('e\u{301}a')",
            "2",
            [
                Overload([.string], .int64) { call in
                    call.mapRowsToInteger { Int64(text(call, $0).count) }
                }
            ]),
        cut(
            "left_grapheme", "The first n symbols, or all but the last -n.",
            "left_grapheme('héllo', 2)", "hé"
        ) { text, n in
            n >= 0
                ? text.prefix(Int(min(n, 1 << 40)))
                : text.prefix(max(0, text.count - Int(min(n.magnitude, 1 << 40))))
        },
        cut(
            "right_grapheme", "The last n symbols, or all but the first -n.",
            "right_grapheme('héllo', 2)", "lo"
        ) { text, n in
            n >= 0
                ? text.suffix(Int(min(n, 1 << 40)))
                : text.dropFirst(Int(min(n.magnitude, 1 << 40)))
        },
        ScalarFunction(
            "substring_grapheme", "substring_grapheme(text, start, length)",
            "Like substring, counting symbols.", "substring_grapheme('hello', 2, 3)", "ell",
            [
                Overload([.string, .int64], .string) { call in
                    call.buildText { row, arena in
                        arena.add(
                            String(part(text(call, row), call.arguments[1].int64s[row], nil)))
                        return nil
                    }
                },
                Overload([.string, .int64, .int64], .string) { call in
                    call.buildText { row, arena in
                        arena.add(
                            String(
                                part(
                                    text(call, row), call.arguments[1].int64s[row],
                                    call.arguments[2].int64s[row])))
                        return nil
                    }
                },
            ]),
        ScalarFunction(
            "nfc_normalize", "nfc_normalize(text)",
            "The text with letters and their accents as one where Unicode has one.",
            "strlen(nfc_normalize('e\u{301}'))", "2",
            [
                Overload([.string], .string) { call in
                    call.buildText { row, arena in
                        for scalar in text(call, row)._nfc { arena.add(scalar: scalar.value) }
                        return nil
                    }
                }
            ]),
        ScalarFunction(
            "strip_accents", "strip_accents(text)", "The text without accents.",
            "strip_accents('crème brûlée')", "creme brulee",
            [
                Overload([.string], .string) { call in
                    call.buildText { row, arena in
                        for scalar in text(call, row)._nfd
                        where scalar.properties.generalCategory != .nonspacingMark {
                            arena.add(scalar: scalar.value)
                        }
                        return nil
                    }
                }
            ]),
        overlay,
        ScalarFunction(
            "count_char", "count_char(text, part)",
            "How often the part, like one character, is in the text; overlaps are not counted.",
            "count_char('banana', 'a')", "3",
            [
                Overload([.string, .string], .int64) { call in
                    call.mapRowsToInteger { row in
                        let text = call.arguments[0].bytes(row)
                        let part = call.arguments[1].bytes(row)
                        guard !part.isEmpty else { return 0 }
                        var found: Int64 = 0
                        var from = 0
                        while let at = Characters.find(part, in: text, from: from) {
                            found &+= 1
                            from = at &+ part.count
                        }
                        return found
                    }
                }
            ]),
        bar,
    ]

    private static let overlay = ScalarFunction(
        "overlay", "overlay(text, other, start, count)",
        "The text with count characters from a start, as many as the other text has if not given, replaced by it. Also overlay(text placing other from start for count).",
        "overlay('hello', 'XX', 2)", "hXXlo",
        [
            Overload([.string, .string, .int64], .string) { replaced($0) },
            Overload([.string, .string, .int64, .int64], .string) { replaced($0) },
        ])

    private static func replaced(_ call: KernelCall) -> Column {
        call.buildText { row, arena in
            let bytes = call.arguments[0].bytes(row)
            let other = call.arguments[1].bytes(row)
            let bound: Int64 = 1 << 40
            let length =
                call.arguments.count == 4
                ? max(-bound, min(bound, call.arguments[3].int64s[row]))
                : Int64(Characters.count(other))
            let start = max(-bound, min(bound, call.arguments[2].int64s[row])) - 1
            let first = Characters.offset(bytes, Int(max(0, start)))
            let end = Characters.offset(bytes, Int(max(0, start + length)))
            arena.add(Bytes(rebasing: bytes[..<first]))
            arena.add(other)
            if end < bytes.count { arena.add(Bytes(rebasing: bytes[end...])) }
            return nil
        }
    }

    private static let bar = ScalarFunction(
        "bar", "bar(x, min, max, width)",
        "A bar as long as x lies between min and max; 80 characters wide if not given.",
        "bar(5, 0, 10, 4)", "██  ",
        [
            Overload([.float64, .float64, .float64], canFail: true, .string) { bars($0) },
            Overload([.float64, .float64, .float64, .float64], canFail: true, .string) { bars($0) },
        ])

    private static func bars(_ call: KernelCall) -> Column {
        call.buildText { row, arena in
            let values = call.arguments.map { $0.float64s[row] }
            let width = values.count == 4 ? values[3] : 80
            guard width >= 1, width <= 1000 else { return "a bar is from 1 to 1000 wide" }
            let (x, least, most) = (values[0], values[1], values[2])
            var length = width
            if x.isNaN || least.isNaN || most.isNaN || x <= least {
                length = 0
            } else if x < most {
                length = width * (x - least) / (most - least)
            }
            guard length.isFinite else { return "a bar between endless numbers has no length" }
            // Eighths of a character are the finest there is.
            let eighths = Int(length * 8)
            for _ in 0..<(eighths / 8) { arena.add(scalar: 0x2588) }
            var filled = eighths / 8
            if eighths % 8 > 0 {
                arena.add(scalar: 0x2590 - UInt32(eighths % 8))
                filled += 1
            }
            while filled < Int(width) {
                arena.add(32)
                filled += 1
            }
            return nil
        }
    }
}
