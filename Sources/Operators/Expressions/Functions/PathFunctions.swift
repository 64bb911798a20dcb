import StreamRuntime

/// Functions of paths of files, and of URLs.
enum PathFunctions {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    static let all: [ScalarFunction] = paths + urls

    private static let slash = UInt8(ascii: "/")
    private static let backslash = UInt8(ascii: "\\")

    /// Whether a byte separates names; which ones do is said by a constant text or assumed.
    private static func separators(_ text: String?) -> (UInt8) -> Bool {
        switch text {
        case "forward_slash", "system": { $0 == slash }
        case "backslash": { $0 == backslash }
        default: { $0 == slash || $0 == backslash }
        }
    }

    private static func separator(
        _ argument: ScalarFunction.Argument?
    ) throws(ExpressionError) -> (UInt8) -> Bool {
        guard let argument else { return separators(nil) }
        let names = ["both_slash", "forward_slash", "backslash", "system"]
        guard let constant = argument.node as? ConstantNode, constant.type == .string,
            !constant.isNull, names.contains(constant.value.string(0))
        else {
            throw ExpressionError(
                "the separator is one of \(names.joined(separator: ", "))", at: argument.range)
        }
        return separators(constant.value.string(0))
    }

    /// A part of a path, taken without copying it.
    private static func part(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (Bytes, (UInt8) -> Bool) -> Range<Int>
    ) -> ScalarFunction {
        let signature = "\(name)(path, separator)"
        return ScalarFunction(name, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...2, signature)
            let path = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            let isSeparator = try separator(arguments.count == 2 ? arguments[1] : nil)
            return KernelNode(type: .string, [path], canFail: false) { call in
                call.sliceText { _, bytes in body(bytes, isSeparator) }
            }.folded
        }
    }

    private static let paths: [ScalarFunction] = [
        ScalarFunction(
            "parse_filename", "parse_filename(path, cut, separator)",
            "The last name of a path, without its extension if cut is true.",
            "parse_filename('a/b/c.txt', true)", "c"
        ) { (arguments, range) throws(ExpressionError) in
            let signature = "parse_filename(path, cut, separator)"
            try ConditionFunctions.require(arguments, range, 1...3, signature)
            let path = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            var nodes = [path]
            var rest = Array(arguments.dropFirst())
            let isText = rest.first.map { $0.node.type == .string } ?? true
            if let cut = rest.first, !isText || rest.count == 2 {
                // A null is no wish to cut.
                let wish = try Coercion.implicit(cut.node, as: .bool, at: cut.range)
                nodes.append(
                    ChoiceNode(
                        conditions: [wish], results: [Constants.bool(true), Constants.bool(false)]
                    ).folded)
                rest.removeFirst()
            }
            let isSeparator = try separator(rest.first)
            return KernelNode(type: .string, nodes, canFail: false) { call in
                call.sliceText { row, bytes in
                    let start = bytes.lastIndex(where: isSeparator).map { $0 + 1 } ?? 0
                    guard call.arguments.count == 2, call.arguments[1].bools[row] != 0,
                        let dot = bytes.lastIndex(of: UInt8(ascii: ".")), dot >= start
                    else { return start..<bytes.count }
                    return start..<dot
                }
            }.folded
        },
        part(
            "parse_dirname", "The first name of a path; / if it begins with one.",
            "parse_dirname('a/b/c.txt')", "a"
        ) { bytes, isSeparator in
            guard let end = bytes.firstIndex(where: isSeparator) else { return 0..<0 }
            return 0..<max(1, end)
        },
        part(
            "parse_dirpath", "The path without its last name.", "parse_dirpath('a/b/c.txt')", "a/b"
        ) { bytes, isSeparator in
            let end = bytes.lastIndex(where: isSeparator) ?? 0
            return 0..<(bytes.count == 1 && isSeparator(bytes[0]) ? 1 : end)
        },
        ScalarFunction(
            "parse_path", "parse_path(path, separator)", "The names of a path.",
            "parse_path('/a/b.txt')", "[/, a, b.txt]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...2, "parse_path(path, separator)")
            let path = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            let isSeparator = try separator(arguments.count == 2 ? arguments[1] : nil)
            return KernelNode(type: .list(.string), [path], canFail: false) { call in
                let source = call.arguments[0]
                let names = Column(.string, capacity: call.count * 4, arena: source.arena)
                return call.buildLists(names) { row in
                    let bytes = source.bytes(row)
                    let base = ByteView.start(source.views[row])
                    var start = 0
                    if let first = bytes.first, isSeparator(first) {
                        names.appendView(start: base, length: 1)
                        start = 1
                    }
                    for at in start...max(start, bytes.count)
                    where at == bytes.count || (at < bytes.count && isSeparator(bytes[at])) {
                        if at > start { names.appendView(start: base + start, length: at - start) }
                        start = at + 1
                    }
                    return nil
                }
            }.folded
        },
    ]

    /// Where the parts of a URL lie; an absent part is nil.
    ///
    /// - Source: RFC 3986, section 3 and appendix B.
    struct Parts {
        var scheme: Range<Int>?
        var user: Range<Int>?
        var host: Range<Int>?
        var port: Range<Int>?
        var path = 0..<0
        var query: Range<Int>?
        var fragment: Range<Int>?

        @inline(__always)
        init(_ bytes: Bytes) {
            var end = bytes.count
            if let mark = bytes.firstIndex(of: UInt8(ascii: "#")) {
                fragment = (mark + 1)..<end
                end = mark
            }
            if let mark = bytes[..<end].firstIndex(of: UInt8(ascii: "?")) {
                query = (mark + 1)..<end
                end = mark
            }
            var start = 0
            if let colon = bytes[..<end].firstIndex(of: UInt8(ascii: ":")), colon > 0,
                !bytes[..<colon].contains(PathFunctions.slash),
                colon + 1 < end && bytes[colon + 1] == PathFunctions.slash
                    || !bytes[(colon + 1)..<end].allSatisfy(Lexer.isDigit)
            {
                scheme = 0..<colon
                start = colon + 1
            }
            if start + 1 < end, bytes[start] == PathFunctions.slash,
                bytes[start + 1] == PathFunctions.slash
            {
                start += 2
                var stop = bytes[start..<end].firstIndex(of: PathFunctions.slash) ?? end
                let after = stop
                if let at = bytes[start..<stop].lastIndex(of: UInt8(ascii: "@")) {
                    user = start..<at
                    start = at + 1
                }
                if let colon = bytes[start..<stop].lastIndex(of: UInt8(ascii: ":")),
                    bytes[(colon + 1)..<stop].allSatisfy(Lexer.isDigit)
                {
                    port = (colon + 1)..<stop
                    stop = colon
                }
                host = start..<stop
                start = after
            }
            path = start..<end
        }
    }

    /// A part of a URL; null where there is none.
    private static func url(
        _ name: String, _ meaning: String, _ result: String,
        _ body: @escaping (Parts) -> Range<Int>?
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(url)", meaning,
            "\(name)('https://shop.example:8080/a/b?x=1&y=2#top')", result,
            [
                Overload([.string], .string) { call in
                    let source = call.arguments[0]
                    let (result, live) = call.result(.string, arena: source.arena)
                    for row in 0..<call.count where live[row] != 0 {
                        if let part = body(Parts(source.bytes(row))) {
                            result.views[row] = ByteView.pack(
                                start: ByteView.start(source.views[row]) + part.lowerBound,
                                length: part.count)
                        } else {
                            live[row] = 0
                        }
                    }
                    return result
                }
            ])
    }

    private static let urls: [ScalarFunction] = [
        url("url_scheme", "The scheme of a URL.", "https") { $0.scheme },
        url("url_host", "The host of a URL.", "shop.example") { $0.host },
        ScalarFunction(
            "url_port", "url_port(url)", "The port written in a URL; null if none is.",
            "url_port('https://shop.example:8080/a')", "8080",
            [
                Overload([.string], .int64) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        let bytes = call.arguments[0].bytes(row)
                        guard let part = Parts(bytes).port, !part.isEmpty, part.count < 10 else {
                            live[row] = 0
                            continue
                        }
                        var port: Int64 = 0
                        for at in part { port = port * 10 + Int64(bytes[at] - 48) }
                        result.int64s[row] = port
                    }
                    return result
                }
            ]),
        url("url_path", "The path of a URL.", "/a/b") { $0.path },
        url("url_query", "The query of a URL, behind the question mark.", "x=1&y=2") { $0.query },
        url("url_fragment", "The fragment of a URL, behind the number sign.", "top") {
            $0.fragment
        },
        ScalarFunction(
            "url_param", "url_param(url, name)",
            "The decoded value of the first parameter of a URL's query that has the name; null if none has.",
            "url_param('https://shop.example/?q=a%20b&y=2', 'q')", "a b",
            [
                Overload([.string, .string], .string) { call in
                    let (result, live) = call.result()
                    guard let arena = result.arena else {
                        preconditionFailure("strings have an arena")
                    }
                    for row in 0..<call.count where live[row] != 0 {
                        let bytes = call.arguments[0].bytes(row)
                        let start = arena.count
                        if let query = Parts(bytes).query,
                            let value = parameter(
                                bytes, query, named: call.arguments[1].bytes(row))
                        {
                            appendDecoded(bytes, value, to: arena)
                            result.views[row] = ByteView.pack(
                                start: start, length: arena.count - start)
                        } else {
                            live[row] = 0
                        }
                    }
                    return result
                }
            ]),
    ]

    private static func parameter(_ bytes: Bytes, _ query: Range<Int>, named name: Bytes)
        -> Range<Int>?
    {
        var start = query.lowerBound
        while start <= query.upperBound {
            let end =
                bytes[start..<query.upperBound].firstIndex(of: UInt8(ascii: "&"))
                ?? query.upperBound
            let mark = bytes[start..<end].firstIndex(of: UInt8(ascii: "=")) ?? end
            if bytes[start..<mark].elementsEqual(name) { return min(mark + 1, end)..<end }
            start = end + 1
        }
        return nil
    }

    /// Appends a part of a query, `+` a blank and `%HH` a byte; what is not UTF-8 then becomes U+FFFD.
    private static func appendDecoded(_ bytes: Bytes, _ range: Range<Int>, to arena: ByteArena) {
        var made: [UInt8] = []
        var at = range.lowerBound
        while at < range.upperBound {
            if bytes[at] == UInt8(ascii: "%"), at + 2 < range.upperBound,
                let high = CastKernels.hexDigit(bytes[at + 1]),
                let low = CastKernels.hexDigit(bytes[at + 2])
            {
                made.append(high << 4 | low)
                at += 3
            } else {
                made.append(bytes[at] == UInt8(ascii: "+") ? 32 : bytes[at])
                at += 1
            }
        }
        arena.add(String(decoding: made, as: UTF8.self))
    }
}
