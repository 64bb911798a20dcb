/// Reads an expression by precedence climbing.
///
/// - Source: PostgreSQL's operator precedence, which DuckDB shares.
struct Parser {
    let text: String
    let tokens: [Token]
    var at = 0
    private var depth = 0

    /// Deeper nesting than any person writes; bounds the recursion of everything that follows.
    static let depthMax = 200

    static func parse(_ text: String) throws(ExpressionError) -> Syntax {
        var parser = Parser(text: text, tokens: try Lexer.tokens(of: text))
        guard parser.peek.kind != .end else {
            throw ExpressionError(
                message: "the expression is empty", offset: 0, length: 0, fix: "write a column name"
            )
        }
        let syntax = try parser.expression(0)
        guard parser.peek.kind == .end else { throw parser.unexpected("an operator or the end") }
        return syntax
    }

    private init(text: String, tokens: [Token]) {
        self.text = text
        self.tokens = tokens
    }

    // MARK: tokens

    var peek: Token { tokens[at] }
    func ahead(_ count: Int) -> Token { tokens[min(at + count, tokens.count - 1)] }

    mutating func take() -> Token {
        defer { if at < tokens.count - 1 { at += 1 } }
        return tokens[at]
    }

    func isSymbol(_ symbol: String, ahead count: Int = 0) -> Bool {
        ahead(count).kind == .symbol(symbol)
    }

    func isWord(_ word: String, ahead count: Int = 0) -> Bool {
        guard case .word(let written) = ahead(count).kind else { return false }
        return written.lowercased() == word
    }

    mutating func accept(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        at += 1
        return true
    }

    mutating func accept(word: String) -> Bool {
        guard isWord(word) else { return false }
        at += 1
        return true
    }

    mutating func expect(symbol: String) throws(ExpressionError) {
        guard accept(symbol: symbol) else { throw unexpected("\"\(symbol)\"") }
    }

    mutating func expect(word: String) throws(ExpressionError) {
        guard accept(word: word) else { throw unexpected("\"\(word)\"") }
    }

    func unexpected(_ wanted: String) -> ExpressionError {
        let token = peek
        guard token.kind != .end else {
            return ExpressionError("the expression ends where \(wanted) should be", at: token.range)
        }
        let written = String(decoding: Array(text.utf8)[token.range], as: UTF8.self)
        return ExpressionError(
            "unexpected \"\(written)\", expected \(wanted)", at: token.range,
            fix: Parser.fixes[written.lowercased()])
    }

    private static let fixes = [
        "&": "write \"and\"", "!": "write \"not\"",
        "order": "write arg_min, arg_max, first or last",
        "over": "use a rolling step: expressions have no window functions",
        "select": "write the expression only, without select",
        "=": "\"=\" compares two values; name an output with YAML's \"name: expression\"",
    ]

    var end: Int { at == 0 ? 0 : tokens[at - 1].range.upperBound }

    // MARK: operators

    /// How tightly an operator binds; a larger number binds tighter.
    enum Level {
        static let or = 1
        static let and = 2
        static let not = 3
        static let truth = 4
        static let comparison = 5
        static let membership = 6
        static let other = 7
        static let sum = 8
        static let product = 9
        static let power = 10
        static let sign = 11
    }

    private static let levels: [String: Int] = [
        "=": Level.comparison, "==": Level.comparison, "<>": Level.comparison,
        "!=": Level.comparison, "<": Level.comparison, ">": Level.comparison,
        "<=": Level.comparison, ">=": Level.comparison, "||": Level.other, "->>": Level.other,
        "->": Level.other, "&": Level.other, "^@": Level.other, "~": Level.other,
        "!~": Level.other, "~~": Level.other, "!~~": Level.other, "~~*": Level.other,
        "!~~*": Level.other,
        "|": Level.other, "<<": Level.other, ">>": Level.other, "+": Level.sum, "-": Level.sum,
        "*": Level.product, "/": Level.product, "//": Level.product, "%": Level.product,
        "^": Level.power, "**": Level.power,
    ]
    private static let spellings = ["==": "=", "!=": "<>", "**": "^"]

    mutating func expression(_ lowest: Int) throws(ExpressionError) -> Syntax {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Parser.depthMax else {
            throw ExpressionError(
                "the expression is nested more than \(Parser.depthMax) deep", at: peek.range,
                fix: "split it over two steps")
        }
        var left = try prefix()
        while let joined = try infix(left, lowest) { left = joined }
        return left
    }

    private mutating func prefix() throws(ExpressionError) -> Syntax {
        let start = peek.range.lowerBound
        if accept(word: "not") {
            let operand = try expression(Level.not)
            return Syntax(kind: .unary("not", operand), range: start..<end)
        }
        for symbol in ["-", "+", "~"] where accept(symbol: symbol) {
            if symbol == "-", case .number(let digits) = peek.kind, !isSymbol("::", ahead: 1) {
                // A signed literal, so that the smallest integer can be written.
                _ = take()
                return try postfix(Syntax(kind: .number("-" + digits), range: start..<end))
            }
            let operand = try expression(Level.sign)
            return symbol == "+"
                ? operand : Syntax(kind: .unary(symbol, operand), range: start..<end)
        }
        return try postfix(try primary())
    }

    private mutating func infix(
        _ left: Syntax, _ lowest: Int
    ) throws(ExpressionError) -> Syntax? {
        let start = left.range.lowerBound
        if case .symbol(let symbol) = peek.kind, let level = Parser.levels[symbol] {
            guard level > lowest else { return nil }
            _ = take()
            let right = try expression(level)
            return Syntax(
                kind: .binary(Parser.spellings[symbol] ?? symbol, left, right), range: start..<end)
        }
        guard case .word(let written) = peek.kind else { return nil }
        switch written.lowercased() {
        case "or", "and":
            let level = isWord("or") ? Level.or : Level.and
            guard level > lowest else { return nil }
            _ = take()
            let right = try expression(level)
            return Syntax(kind: .binary(written.lowercased(), left, right), range: start..<end)
        case "is":
            guard Level.truth > lowest else { return nil }
            return try truth(left)
        case "isnull", "notnull":
            guard Level.truth > lowest else { return nil }
            let isNull = Syntax(kind: .isNull(left), range: start..<take().range.upperBound)
            return negated(isNull, written.lowercased() == "notnull")
        case "at":
            guard isWord("time", ahead: 1), isWord("zone", ahead: 2), Level.sign > lowest else {
                return nil
            }
            let name = take().range
            at += 2
            let zone = try expression(Level.sign)
            let call = Syntax.Call(name: "timezone", nameRange: name, arguments: [zone, left])
            return Syntax(kind: .call(call), range: start..<end)
        case "not", "in", "between", "like", "ilike", "similar":
            guard Level.membership > lowest else { return nil }
            return try membership(left)
        default: return nil
        }
    }

    private func negated(_ syntax: Syntax, _ isNegated: Bool) -> Syntax {
        isNegated ? Syntax(kind: .unary("not", syntax), range: syntax.range) : syntax
    }

    private mutating func truth(_ left: Syntax) throws(ExpressionError) -> Syntax {
        let start = left.range.lowerBound
        try expect(word: "is")
        let isNegated = accept(word: "not")
        let kind: Syntax.Kind
        if accept(word: "null") {
            kind = .isNull(left)
        } else if accept(word: "true") {
            kind = .isTruth(left, true)
        } else if accept(word: "false") {
            kind = .isTruth(left, false)
        } else if accept(word: "distinct") {
            try expect(word: "from")
            kind = .isDistinct(left, try expression(Level.truth))
        } else {
            throw unexpected("null, true, false or distinct from")
        }
        return negated(Syntax(kind: kind, range: start..<end), isNegated)
    }

    private mutating func membership(_ left: Syntax) throws(ExpressionError) -> Syntax {
        let start = left.range.lowerBound
        let isNegated = accept(word: "not")
        let kind: Syntax.Kind
        if accept(word: "in") {
            if accept(symbol: "(") {
                let items = try items(until: ")")
                guard !items.isEmpty else {
                    throw ExpressionError("the list after \"in\" is empty", at: start..<end)
                }
                kind = .among(left, items)
            } else {
                let list = try expression(Level.membership)
                kind = .call(
                    Syntax.Call(
                        name: "list_contains", nameRange: list.range, arguments: [list, left]))
            }
        } else if accept(word: "between") {
            let low = try expression(Level.membership)
            try expect(word: "and")
            kind = .between(left, low, try expression(Level.membership))
        } else if accept(word: "similar") {
            try expect(word: "to")
            let pattern = try expression(Level.membership)
            kind = .call(
                Syntax.Call(
                    name: "regexp_full_match", nameRange: pattern.range,
                    arguments: [left, pattern]))
        } else if isWord("like") || isWord("ilike") {
            let ignoringCase = isWord("ilike")
            _ = take()
            let pattern = try expression(Level.membership)
            let escape = accept(word: "escape") ? try expression(Level.membership) : nil
            kind = .like(left, pattern, escape: escape, ignoringCase: ignoringCase)
        } else {
            throw unexpected("in, between or like")
        }
        return negated(Syntax(kind: kind, range: start..<end), isNegated)
    }

    mutating func items(until close: String) throws(ExpressionError) -> [Syntax] {
        var items: [Syntax] = []
        if accept(symbol: close) { return items }
        repeat { items.append(try expression(0)) } while accept(symbol: ",")
        try expect(symbol: close)
        return items
    }
}
