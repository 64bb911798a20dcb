import StreamRuntime

/// Functions of text that join, cut and search it.
enum TextFunctions {
    static let all: [ScalarFunction] = joining + cutting + searching + changing

    typealias Bytes = UnsafeBufferPointer<UInt8>

    /// Any value as text, as `||` and `concat` take it.
    static func asText(_ argument: ScalarFunction.Argument) throws(ExpressionError)
        -> ExpressionNode
    {
        if Coercion.isUntyped(argument.node) {
            return try Coercion.implicit(argument.node, as: .string, at: argument.range)
        }
        return CastKernels.node(argument.node, as: .string)
    }

    private static let joining: [ScalarFunction] = [
        ScalarFunction(
            "||", "x || y", "Two texts, or two lists, one after the other; null if either is.",
            "'a' || 1", "a1"
        ) { (arguments, range) throws(ExpressionError) in
            if arguments.contains(where: { $0.node.type.isList }) {
                return try ListFunctions.concatenation(arguments, range, nullsMakeNull: true)
            }
            if arguments.allSatisfy({ $0.node.type == .bytes }) {
                return joined(arguments.map(\.node), .bytes)
            }
            var nodes: [ExpressionNode] = []
            for argument in arguments { nodes.append(try asText(argument)) }
            return joined(nodes, .string)
        },
        ScalarFunction(
            "concat", "concat(x, …)", "The texts of all arguments, nulls left out.",
            "concat('a', null, 1)",
            "a1"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 1...RowChoice.branchesMax, "concat(x, …)")
            if arguments.contains(where: { $0.node.type.isList }) {
                return try ListFunctions.concatenation(arguments, range)
            }
            var nodes: [ExpressionNode] = []
            for argument in arguments { nodes.append(try asText(argument)) }
            return KernelNode(type: .string, nodes, canFail: false) { call in
                let result = Column(.string, capacity: call.count)
                guard let arena = result.arena else { preconditionFailure("strings have an arena") }
                for row in 0..<call.count {
                    let start = arena.count
                    for argument in call.arguments where argument.isValid(row) {
                        arena.add(argument.bytes(row))
                    }
                    result.views[row] = ByteView.pack(start: start, length: arena.count - start)
                }
                result.setCount(call.count)
                return result
            }.folded
        },
        ScalarFunction(
            "concat_ws", "concat_ws(separator, x, …)",
            "The texts of all arguments, and of the elements of lists, with a separator between them, nulls left out.",
            "concat_ws('-', 'a', null, 'b')", "a-b"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 2...RowChoice.branchesMax, "concat_ws(separator, x, …)")
            var nodes: [ExpressionNode] = []
            for (index, argument) in arguments.enumerated() {
                if index > 0, argument.node.type.isList {
                    nodes.append(CastKernels.node(argument.node, as: .list(.string)))
                } else {
                    nodes.append(try asText(argument))
                }
            }
            return KernelNode(type: .string, nodes, canFail: false) { call in
                let separator = call.arguments[0]
                return call.of([separator]).buildText { row, arena in
                    var isFirst = true
                    func add(_ texts: Column, _ index: Int) {
                        guard texts.isValid(index) else { return }
                        if !isFirst { arena.add(separator.bytes(row)) }
                        isFirst = false
                        arena.add(texts.bytes(index))
                    }
                    for argument in call.arguments.dropFirst() where argument.isValid(row) {
                        if argument.type.isList {
                            for index in ListFunctions.elements(argument, row) {
                                add(argument.children[0], index)
                            }
                        } else {
                            add(argument, row)
                        }
                    }
                    return nil
                }
            }.folded
        },
        ScalarFunction(
            "repeat", "repeat(text, n)", "The text n times.", "repeat('ab', 3)", "ababab",
            [
                Overload([.string, .int64], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        let bytes = call.arguments[0].bytes(row)
                        let times = call.arguments[1].int64s[row]
                        guard times > 0, !bytes.isEmpty else { return nil }
                        guard times <= TextLimits.lengthMax / bytes.count else {
                            return TextLimits.tooLong
                        }
                        for _ in 0..<times { arena.add(bytes) }
                        return nil
                    }
                }
            ]),
        pad(
            "lpad", "The text cut or filled from the left to n characters.", "lpad('7', 3, '0')",
            "007", true),
        pad(
            "rpad", "The text cut or filled from the right to n characters.", "rpad('7', 3, '0')",
            "700", false),
    ]

    /// One node for a whole chain of `||`.
    private static func joined(_ nodes: [ExpressionNode], _ type: ColumnType) -> ExpressionNode {
        let flat = nodes.flatMap { ($0 as? JoinNode)?.children ?? [$0] }
        return JoinNode(flat, type: type).folded
    }

    private static func pad(
        _ name: String, _ meaning: String, _ example: String, _ result: String, _ isLeft: Bool
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(text, n, fill)", meaning, example, result,
            [
                Overload([.string, .int64, .string], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        let bytes = call.arguments[0].bytes(row)
                        let fill = call.arguments[2].bytes(row)
                        let wanted = Int(max(0, call.arguments[1].int64s[row]))
                        guard wanted <= TextLimits.lengthMax else { return TextLimits.tooLong }
                        let missing = wanted - Characters.count(bytes)
                        guard missing > 0 else {
                            arena.add(Bytes(rebasing: bytes[Characters.slice(bytes, 0..<wanted)]))
                            return nil
                        }
                        guard !fill.isEmpty else { return "\(name) with an empty fill" }
                        if !isLeft { arena.add(bytes) }
                        let characters = Characters.count(fill)
                        for _ in 0..<(missing / characters) { arena.add(fill) }
                        arena.add(
                            Bytes(
                                rebasing: fill[Characters.slice(fill, 0..<(missing % characters))]))
                        if isLeft { arena.add(bytes) }
                        return nil
                    }
                }
            ])
    }

    /// The part of `length` characters from `start`, both as SQL's substring counts them.
    @inline(__always)
    static func part(_ bytes: Bytes, _ start: Int64, _ length: Int64?) -> Range<Int> {
        let count = Int64(Characters.count(bytes))
        let bound: Int64 = 1 << 40
        var from = max(-bound, min(bound, start))
        from = from < 0 ? count + from : from - 1
        guard let length else {
            return Characters.slice(bytes, Int(max(0, from))..<Int(max(from, count, 0)))
        }
        let size = max(-bound, min(bound, length))
        let low = max(0, min(from, from + size))
        let high = max(low, max(from, from + size))
        return Characters.slice(bytes, Int(low)..<Int(high))
    }

    private static let cutting: [ScalarFunction] = [
        ScalarFunction(
            "substring substr", "substring(text, start, length)",
            "The part from character start, counted from 1 or, if negative, from the end; to the end without a length.",
            "substring('hello', 2, 3)", "ell",
            [
                Overload([.string, .int64], .string) { call in
                    let starts = call.arguments[1].int64s
                    return call.sliceText { row, bytes in part(bytes, starts[row], nil) }
                },
                Overload([.string, .int64, .int64], .string) { call in
                    let starts = call.arguments[1].int64s
                    let lengths = call.arguments[2].int64s
                    return call.sliceText { row, bytes in part(bytes, starts[row], lengths[row]) }
                },
            ]),
        ScalarFunction(
            "left", "left(text, n)", "The first n characters, or all but the last -n.",
            "left('hello', 2)",
            "he",
            [
                Overload([.string, .int64], .string) { call in
                    let counts = call.arguments[1].int64s
                    return call.sliceText { row, bytes in
                        let n = counts[row]
                        let end = n >= 0 ? n : Int64(Characters.count(bytes)) + max(n, -1 << 40)
                        return Characters.slice(bytes, 0..<Int(max(0, min(end, 1 << 40))))
                    }
                }
            ]),
        ScalarFunction(
            "right", "right(text, n)", "The last n characters, or all but the first -n.",
            "right('hello', 2)", "lo",
            [
                Overload([.string, .int64], .string) { call in
                    let counts = call.arguments[1].int64s
                    return call.sliceText { row, bytes in
                        let n = max(-1 << 40, min(counts[row], 1 << 40))
                        let count = Int64(Characters.count(bytes))
                        let start = n >= 0 ? max(0, count - n) : min(count, -n)
                        return Characters.slice(bytes, Int(start)..<Int(max(start, count)))
                    }
                }
            ]),
        trim(
            "trim", "The text without blanks, or the characters given, at both ends.",
            "trim('  a ')", "a", true, true),
        trim(
            "ltrim", "The text without blanks, or the characters given, at its start.",
            "ltrim('xxay', 'x')", "ay", true, false),
        trim(
            "rtrim", "The text without blanks, or the characters given, at its end.",
            "rtrim('axx', 'x')", "a", false, true),
        ScalarFunction(
            "split_part", "split_part(text, separator, n)",
            "Part n of the text, counted from 1 or, if negative, from the end; empty if there is none.",
            "split_part('a,b,c', ',', 2)", "b",
            [
                Overload([.string, .string, .int64], .string) { call in
                    let numbers = call.arguments[2].int64s
                    return call.sliceText { row, bytes in
                        splitPart(bytes, call.arguments[1].bytes(row), numbers[row])
                    }
                }
            ]),
        ScalarFunction(
            "string_split split str_split string_to_array", "string_split(text, separator)",
            "The parts of the text between separators; its characters if the separator is empty.",
            "string_split('a,b', ',')", "[a, b]",
            [
                Overload([.string, .string], .list(.string)) { call in
                    let source = call.arguments[0]
                    let elements = Column(.string, capacity: call.count * 4, arena: source.arena)
                    return call.buildLists(elements) { row in
                        let bytes = source.bytes(row)
                        let base = ByteView.start(source.views[row])
                        forEachPart(bytes, call.arguments[1].bytes(row)) { part in
                            elements.appendView(start: base + part.lowerBound, length: part.count)
                        }
                        return nil
                    }
                }
            ]),
    ]

    private static func trim(
        _ name: String, _ meaning: String, _ example: String, _ result: String, _ left: Bool,
        _ right: Bool
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(text, characters)", meaning, example, result,
            [
                Overload([.string], .string) { call in
                    call.sliceText { _, bytes in
                        var start = 0
                        var end = bytes.count
                        if left { while start < end, bytes[start] == 32 { start &+= 1 } }
                        if right { while end > start, bytes[end &- 1] == 32 { end &-= 1 } }
                        return start..<end
                    }
                },
                Overload([.string, .string], .string) { call in
                    call.sliceText { row, bytes in
                        let unwanted = Characters.scalars(call.arguments[1].bytes(row))
                        var start = 0
                        while left, start < bytes.count {
                            let (scalar, length) = Characters.scalar(bytes, start)
                            guard unwanted.contains(scalar) else { break }
                            start += length
                        }
                        var end = bytes.count
                        while right, end > start {
                            var before = end - 1
                            while before > start, bytes[before] & 0xC0 == 0x80 { before -= 1 }
                            guard unwanted.contains(Characters.scalar(bytes, before).value) else {
                                break
                            }
                            end = before
                        }
                        return start..<end
                    }
                },
            ])
    }

    /// Calls `body` with the range of each part between separators.
    static func forEachPart(_ bytes: Bytes, _ separator: Bytes, _ body: (Range<Int>) -> Void) {
        var start = 0
        if separator.isEmpty {
            guard !bytes.isEmpty else { return body(0..<0) }
            while start < bytes.count {
                let length = Characters.scalar(bytes, start).length
                body(start..<(start + length))
                start += length
            }
            return
        }
        while let at = Characters.find(separator, in: bytes, from: start) {
            body(start..<at)
            start = at + separator.count
        }
        body(start..<bytes.count)
    }

    private static func splitPart(
        _ bytes: Bytes, _ separator: Bytes, _ number: Int64
    ) -> Range<Int> {
        var left = number
        if number < 0 {
            // From the end: how many there are says which one it is from the start.
            var count: Int64 = 0
            forEachPart(bytes, separator) { _ in count &+= 1 }
            left = count &+ number &+ 1
        }
        guard left > 0 else { return 0..<0 }
        if separator.isEmpty {
            let index = Int(min(left, 1 << 40))
            return Characters.slice(bytes, (index - 1)..<index)
        }
        var start = 0
        while let at = Characters.find(separator, in: bytes, from: start) {
            if left == 1 { return start..<at }
            left &-= 1
            start = at &+ separator.count
        }
        return left == 1 ? start..<bytes.count : 0..<0
    }
}
