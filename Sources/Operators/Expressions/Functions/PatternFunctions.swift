import StreamRuntime

/// Functions of text that match patterns: `like` and RE2 regular expressions.
enum PatternFunctions {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    static let all: [ScalarFunction] = likes + expressions

    // MARK: like

    private static func like(
        _ name: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, ignoringCase: Bool, hasEscape: Bool
    ) -> ScalarFunction {
        let parameters: [Parameter] =
            hasEscape ? [.string, .string, .string] : [.string, .string]
        return ScalarFunction(
            name, signature, meaning, example, result,
            [
                Overload(parameters, canFail: hasEscape, .bool) { call in
                    let (result, live) = call.result()
                    var last: [UInt8]?
                    var pattern = LikePattern([], escape: nil, ignoringCase: ignoringCase)
                    for row in 0..<call.count where live[row] != 0 {
                        let bytes = call.arguments[1].bytes(row)
                        var escape: UInt8?
                        if hasEscape {
                            let written = call.arguments[2].bytes(row)
                            guard written.count <= 1 else {
                                call.fail(row, live, "an escape is one character")
                                continue
                            }
                            escape = written.first
                        }
                        if last == nil || !last!.elementsEqual(bytes) || hasEscape {
                            last = Array(bytes)
                            pattern = LikePattern(
                                last ?? [], escape: escape, ignoringCase: ignoringCase)
                        }
                        result.bools[row] = pattern.matches(call.arguments[0].bytes(row)) ? 1 : 0
                    }
                    return result
                }
            ])
    }

    private static let likes: [ScalarFunction] = [
        like(
            "like", "text like pattern", "Whether the text fits: % is any text, _ any character.",
            "'abc' like 'a%'", "true", ignoringCase: false, hasEscape: false),
        like(
            "ilike", "text ilike pattern", "Like like, whatever the case of letters.",
            "'ABC' ilike 'a%'", "true", ignoringCase: true, hasEscape: false),
        like(
            "like_escape", "text like pattern escape character",
            "Like like; the character after the escape stands for itself.",
            "'a%c' like 'a!%c' escape '!'", "true", ignoringCase: false, hasEscape: true),
        like(
            "ilike_escape", "text ilike pattern escape character",
            "Like ilike; the character after the escape stands for itself.",
            "'A%C' ilike 'a!%c' escape '!'", "true", ignoringCase: true, hasEscape: true),
    ]

    // MARK: regular expressions

    /// A function whose second argument is a pattern and whose last may be options.
    private static func expression(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ parameters: [Parameter], optional: Int, hasOptions: Bool,
        _ type: ColumnType,
        _ kernel: @escaping (KernelCall, RegularExpression.Options, inout PatternCache) -> Column
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            let most = parameters.count + (hasOptions ? 1 : 0)
            try ConditionFunctions.require(
                arguments, range, (parameters.count - optional)...most, signature)
            var plain = arguments
            var options = RegularExpression.Options()
            if hasOptions, arguments.count > parameters.count - optional, let last = plain.last,
                last.node.type == .string, arguments.count == most || optional > 0
            {
                plain.removeLast()
                options = try self.options(last)
            }
            var nodes: [ExpressionNode] = []
            for (argument, parameter) in zip(plain, parameters) {
                guard let (accepted, _) = parameter.accept(argument.node) else {
                    throw Coercion.mismatch(
                        argument.node.type, parameter.type ?? .string, at: argument.range)
                }
                nodes.append(
                    try Coercion.implicit(argument.node, as: accepted, at: argument.range))
            }
            var canFail = true
            var compiled: RegularExpression?
            if let constant = nodes[1] as? ConstantNode, !constant.isNull {
                do throws(RegularExpression.Invalid) {
                    compiled = try RegularExpression(constant.value.bytes(0), options)
                    canFail = nodes.count > 2
                } catch {
                    throw ExpressionError(
                        "the pattern is wrong: \(error.reason)", at: plain[1].range)
                }
            }
            let constant = compiled
            return KernelNode(type: type, nodes, canFail: canFail) { call in
                var cache = PatternCache(options, constant: constant)
                return kernel(call, options, &cache)
            }.folded
        }
    }

    private static func options(
        _ argument: ScalarFunction.Argument
    ) throws(ExpressionError) -> RegularExpression.Options {
        guard let constant = argument.node as? ConstantNode, !constant.isNull,
            let options = RegularExpression.Options(constant.value.string(0))
        else {
            throw ExpressionError(
                "the options must be a constant text of the letters c, g, i, l, m, n, p and s",
                at: argument.range)
        }
        return options
    }

    private static func test(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ matches: @escaping (RegularExpression, Bytes) -> Bool
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        return expression(
            names, "\(name)(text, pattern, options)", meaning, example, result,
            [.string, .string], optional: 0, hasOptions: true, .bool
        ) { call, _, cache in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                do throws(RegularExpression.Invalid) {
                    let pattern = try cache.pattern(call.arguments[1].bytes(row))
                    result.bools[row] = matches(pattern, call.arguments[0].bytes(row)) ? 1 : 0
                } catch {
                    call.fail(row, live, "the pattern is wrong: \(error.reason)")
                }
            }
            return result
        }
    }

    /// The group asked for, or 0 when the call has none.
    private static func group(_ call: KernelCall, _ row: Int, _ pattern: RegularExpression) -> Int?
    {
        guard call.arguments.count > 2 else { return 0 }
        let group = call.arguments[2].int64s[row]
        return group >= 0 && group < RegularExpression.groupsMax ? Int(group) : nil
    }

    private static let expressions: [ScalarFunction] = [
        test(
            "regexp_matches", "Whether the pattern is found somewhere in the text.",
            "regexp_matches('abc', 'b.')", "true"
        ) { $0.matches($1) },
        test(
            "regexp_full_match",
            "Whether the pattern fits the whole text; also written similar to.",
            "regexp_full_match('abc', 'b.')", "false"
        ) { $0.matchesAll(of: $1) },
        expression(
            "regexp_extract", "regexp_extract(text, pattern, group, options)",
            "The first match, or a group of it; empty if there is none.",
            "regexp_extract('order-42', '([a-z]+)-([0-9]+)', 2)", "42",
            [.string, .string, .int64], optional: 1, hasOptions: true, .string
        ) { call, _, cache in
            var spans = [Int64](repeating: -1, count: 2 * RegularExpression.groupsMax)
            let source = call.arguments[0]
            let (result, live) = call.result(.string, arena: source.arena)
            for row in 0..<call.count where live[row] != 0 {
                do throws(RegularExpression.Invalid) {
                    let pattern = try cache.pattern(call.arguments[1].bytes(row))
                    guard let group = group(call, row, pattern) else {
                        call.fail(row, live, "a group is a number from 0 to 15")
                        continue
                    }
                    let found = pattern.find(in: source.bytes(row), spans: &spans)
                    guard found, group <= pattern.groups, spans[group * 2] >= 0 else { continue }
                    result.views[row] = ByteView.pack(
                        start: ByteView.start(source.views[row]) + Int(spans[group * 2]),
                        length: Int(spans[group * 2 + 1] - spans[group * 2]))
                } catch {
                    call.fail(row, live, "the pattern is wrong: \(error.reason)")
                }
            }
            return result
        },
        expression(
            "regexp_extract_all", "regexp_extract_all(text, pattern, group, options)",
            "Every match, or a group of each.", "regexp_extract_all('a1b22', '[0-9]+')", "[1, 22]",
            [.string, .string, .int64], optional: 1, hasOptions: true, .list(.string)
        ) { call, _, cache in
            let source = call.arguments[0]
            let elements = Column(.string, capacity: call.count * 2, arena: source.arena)
            return call.buildLists(elements) { row in
                let text = source.bytes(row)
                let base = ByteView.start(source.views[row])
                do throws(RegularExpression.Invalid) {
                    let pattern = try cache.pattern(call.arguments[1].bytes(row))
                    guard let group = group(call, row, pattern) else {
                        return "a group is a number from 0 to 15"
                    }
                    var misses = false
                    forEachMatch(pattern, text) { spans in
                        guard group <= pattern.groups else {
                            misses = true
                            return
                        }
                        let start = Int(spans[group * 2])
                        let end = Int(spans[group * 2 + 1])
                        elements.appendView(
                            start: start < 0 ? 0 : base + start, length: start < 0 ? 0 : end - start
                        )
                    }
                    return misses
                        ? "the pattern has no group \(group), only \(pattern.groups)" : nil
                } catch {
                    return "the pattern is wrong: \(error.reason)"
                }
            }
        },
        expression(
            "string_split_regex regexp_split_to_array str_split_regex",
            "string_split_regex(text, pattern, options)", "The parts of the text between matches.",
            "string_split_regex('a1b22c', '[0-9]+')", "[a, b, c]",
            [.string, .string], optional: 0, hasOptions: true, .list(.string)
        ) { call, _, cache in
            let source = call.arguments[0]
            let elements = Column(.string, capacity: call.count * 2, arena: source.arena)
            return call.buildLists(elements) { row in
                let text = source.bytes(row)
                let base = ByteView.start(source.views[row])
                if call.arguments[1].bytes(row).isEmpty {
                    TextFunctions.forEachPart(text, call.arguments[1].bytes(row)) { part in
                        elements.appendView(start: base + part.lowerBound, length: part.count)
                    }
                    return nil
                }
                do throws(RegularExpression.Invalid) {
                    let pattern = try cache.pattern(call.arguments[1].bytes(row))
                    var spans = [Int64](repeating: -1, count: 2 * RegularExpression.groupsMax)
                    var start = 0
                    while start < text.count, pattern.find(in: text, from: start, spans: &spans) {
                        var (end, next) = (Int(spans[0]), Int(spans[1]))
                        // An empty match where a part begins cuts behind the part's first character.
                        if next == start {
                            next += Characters.scalar(text, start).length
                            end = next
                            if end == text.count { break }
                        }
                        elements.appendView(start: base + start, length: end - start)
                        start = next
                    }
                    elements.appendView(start: base + start, length: text.count - start)
                    return nil
                } catch {
                    return "the pattern is wrong: \(error.reason)"
                }
            }
        },
        expression(
            "regexp_replace", "regexp_replace(text, pattern, replacement, options)",
            "The text with the first match replaced, or every match with the option g; \\1 is a group.",
            "regexp_replace('hello', '[lo]', '-', 'g')", "he---",
            [.string, .string, .string], optional: 0, hasOptions: true, .string
        ) { call, options, cache in
            call.buildText { row, arena in
                do throws(RegularExpression.Invalid) {
                    let pattern = try cache.pattern(call.arguments[1].bytes(row))
                    let replacement = call.arguments[2].bytes(row)
                    guard pattern.accepts(replacement: replacement) else {
                        return "the replacement names a group the pattern does not have"
                    }
                    pattern.replace(
                        in: call.arguments[0].bytes(row), with: replacement,
                        global: options.global, to: arena)
                    return nil
                } catch {
                    return "the pattern is wrong: \(error.reason)"
                }
            }
        },
        ScalarFunction(
            "regexp_escape", "regexp_escape(text)", "A pattern that matches the text itself.",
            "regexp_escape('a.b')", "a\\.b",
            [
                Overload([.string], .string) { call in
                    call.buildText { row, arena in
                        for byte in call.arguments[0].bytes(row) {
                            if !Lexer.isNamePart(byte) || byte == UInt8(ascii: "$") {
                                arena.add(UInt8(ascii: "\\"))
                            }
                            arena.add(byte)
                        }
                        return nil
                    }
                }
            ]),
    ]

    private static func forEachMatch(
        _ pattern: RegularExpression, _ text: Bytes, _ body: ([Int64]) -> Void
    ) {
        var spans = [Int64](repeating: -1, count: 2 * RegularExpression.groupsMax)
        var at = 0
        while at <= text.count, pattern.find(in: text, from: at, spans: &spans) {
            body(spans)
            at = Int(spans[1])
            if spans[0] == spans[1] {
                guard at < text.count else { return }
                at += Characters.scalar(text, at).length
            }
        }
    }
}
