/// Reads an expression by precedence climbing.
///
/// - Source: PostgreSQL's operator precedence, which DuckDB shares.
struct Parser {
    private let text: String
    private let tokens: [Token]
    private var at = 0
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

    private var peek: Token { tokens[at] }
    private func ahead(_ count: Int) -> Token { tokens[min(at + count, tokens.count - 1)] }

    private mutating func take() -> Token {
        defer { if at < tokens.count - 1 { at += 1 } }
        return tokens[at]
    }

    private func isSymbol(_ symbol: String, ahead count: Int = 0) -> Bool {
        ahead(count).kind == .symbol(symbol)
    }

    private func isWord(_ word: String, ahead count: Int = 0) -> Bool {
        guard case .word(let written) = ahead(count).kind else { return false }
        return written.lowercased() == word
    }

    private mutating func accept(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func accept(word: String) -> Bool {
        guard isWord(word) else { return false }
        at += 1
        return true
    }

    private mutating func expect(symbol: String) throws(ExpressionError) {
        guard accept(symbol: symbol) else { throw unexpected("\"\(symbol)\"") }
    }

    private mutating func expect(word: String) throws(ExpressionError) {
        guard accept(word: word) else { throw unexpected("\"\(word)\"") }
    }

    private func unexpected(_ wanted: String) -> ExpressionError {
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

    private var end: Int { at == 0 ? 0 : tokens[at - 1].range.upperBound }

    // MARK: operators

    /// How tightly an operator binds; a larger number binds tighter.
    private enum Level {
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
        "<=": Level.comparison, ">=": Level.comparison, "||": Level.other, "&": Level.other,
        "|": Level.other, "<<": Level.other, ">>": Level.other, "+": Level.sum, "-": Level.sum,
        "*": Level.product, "/": Level.product, "//": Level.product, "%": Level.product,
        "^": Level.power, "**": Level.power,
    ]
    private static let spellings = ["==": "=", "!=": "<>", "**": "^"]

    private mutating func expression(_ lowest: Int) throws(ExpressionError) -> Syntax {
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

    private mutating func items(until close: String) throws(ExpressionError) -> [Syntax] {
        var items: [Syntax] = []
        if accept(symbol: close) { return items }
        repeat { items.append(try expression(0)) } while accept(symbol: ",")
        try expect(symbol: close)
        return items
    }

    // MARK: operands

    private mutating func postfix(_ operand: Syntax) throws(ExpressionError) -> Syntax {
        var result = operand
        let start = operand.range.lowerBound
        while true {
            if accept(symbol: "::") {
                let type = try typeSyntax()
                result = Syntax(kind: .cast(result, type, isTry: false), range: start..<end)
            } else if accept(symbol: ".") {
                switch take().kind {
                case .word(let name), .quotedName(let name):
                    result = Syntax(kind: .field(result, name), range: start..<end)
                default:
                    at -= 1
                    throw unexpected("a field name")
                }
            } else if accept(symbol: "[") {
                result = try bracket(result, start)
            } else {
                return result
            }
        }
    }

    private mutating func bracket(
        _ operand: Syntax, _ start: Int
    ) throws(ExpressionError) -> Syntax {
        var low: Syntax?
        if !isSymbol(":") {
            let index = try expression(0)
            if accept(symbol: "]") {
                return Syntax(kind: .element(operand, index), range: start..<end)
            }
            low = index
        }
        try expect(symbol: ":")
        let high = isSymbol("]") ? nil : try expression(0)
        try expect(symbol: "]")
        return Syntax(kind: .slice(operand, low, high), range: start..<end)
    }

    private mutating func primary() throws(ExpressionError) -> Syntax {
        let token = take()
        let start = token.range.lowerBound
        switch token.kind {
        case .number(let digits): return Syntax(kind: .number(digits), range: token.range)
        case .text(let value): return Syntax(kind: .text(value), range: token.range)
        case .quotedName(let name): return Syntax(kind: .name(name), range: token.range)
        case .symbol("("):
            let inner = try expression(0)
            try expect(symbol: ")")
            return Syntax(kind: inner.kind, range: start..<end)
        case .symbol("["):
            return Syntax(kind: .list(try items(until: "]")), range: start..<end)
        case .symbol("{"): return try structure(start)
        case .word(let word): return try named(word, token)
        default:
            at = tokens.firstIndex(of: token) ?? at
            throw unexpected("a value")
        }
    }

    private mutating func structure(_ start: Int) throws(ExpressionError) -> Syntax {
        var fields: [(name: String, value: Syntax)] = []
        repeat {
            switch take().kind {
            case .word(let name), .quotedName(let name), .text(let name):
                try expect(symbol: ":")
                fields.append((name, try expression(0)))
            default:
                at -= 1
                throw unexpected("a field name")
            }
        } while accept(symbol: ",")
        try expect(symbol: "}")
        return Syntax(kind: .structure(fields), range: start..<end)
    }

    /// Words that cannot be a column's name unless quoted.
    private static let reserved: Set<String> = [
        "and", "or", "not", "in", "is", "between", "like", "ilike", "case", "when", "then", "else",
        "end", "as", "select", "from", "where",
    ]

    private mutating func named(_ word: String, _ token: Token) throws(ExpressionError) -> Syntax {
        let start = token.range.lowerBound
        let lower = word.lowercased()
        switch lower {
        case "null": return Syntax(kind: .null, range: token.range)
        case "true", "false": return Syntax(kind: .bool(lower == "true"), range: token.range)
        case "case": return try choice(start)
        case "cast", "try_cast":
            guard accept(symbol: "(") else { break }
            let operand = try expression(0)
            try expect(word: "as")
            let type = try typeSyntax()
            try expect(symbol: ")")
            return Syntax(
                kind: .cast(operand, type, isTry: lower == "try_cast"), range: start..<end)
        case "date", "timestamp", "blob", "timestamptz":
            guard case .text(let value) = peek.kind else { break }
            let literal = Syntax(kind: .text(value), range: take().range)
            let type = Syntax.TypeSyntax(text: lower, range: token.range)
            return Syntax(kind: .cast(literal, type, isTry: false), range: start..<end)
        case "interval":
            if let interval = try interval(start) { return interval }
        case "extract":
            guard accept(symbol: "(") else { break }
            let part: String
            switch take().kind {
            case .word(let name), .text(let name): part = name
            default:
                at -= 1
                throw unexpected("a part of a date, like year")
            }
            let partRange = tokens[at - 1].range
            try expect(word: "from")
            let operand = try expression(0)
            try expect(symbol: ")")
            let call = Syntax.Call(
                name: "date_part", nameRange: token.range,
                arguments: [Syntax(kind: .text(part), range: partRange), operand])
            return Syntax(kind: .call(call), range: start..<end)
        case "position":
            guard isSymbol("("), let call = try position(token) else { break }
            return call
        case "current_timestamp":
            let call = Syntax.Call(name: "now", nameRange: token.range, arguments: [])
            return Syntax(kind: .call(call), range: token.range)
        default: break
        }
        if accept(symbol: "(") { return try call(word, token) }
        guard !Parser.reserved.contains(lower) else {
            at -= 1
            throw unexpected("a value")
        }
        return Syntax(kind: .name(word), range: token.range)
    }

    private mutating func position(_ token: Token) throws(ExpressionError) -> Syntax? {
        let before = at
        try expect(symbol: "(")
        let needle = try expression(Level.membership)
        guard accept(word: "in") else {
            at = before
            return nil
        }
        let text = try expression(0)
        try expect(symbol: ")")
        let call = Syntax.Call(
            name: "position", nameRange: token.range, arguments: [text, needle])
        return Syntax(kind: .call(call), range: token.range.lowerBound..<end)
    }

    private mutating func interval(_ start: Int) throws(ExpressionError) -> Syntax? {
        let operand: Syntax
        switch peek.kind {
        case .text(let value): operand = Syntax(kind: .text(value), range: take().range)
        case .number(let digits): operand = Syntax(kind: .number(digits), range: take().range)
        case .symbol("("):
            // interval (n) day, unless a function or column of that name is meant
            let before = at
            let inner = try primary()
            guard case .word = peek.kind, intervalUnit() != nil else {
                at = before
                return nil
            }
            operand = inner
        default: return nil
        }
        if let unit = intervalUnit() {
            _ = take()
            return Syntax(kind: .interval(operand, unit: unit), range: start..<end)
        }
        guard case .text = operand.kind else { throw unexpected("a unit, like day or minutes") }
        let type = Syntax.TypeSyntax(text: "interval", range: start..<(start + 8))
        return Syntax(kind: .cast(operand, type, isTry: false), range: start..<end)
    }

    private func intervalUnit() -> String? {
        guard case .word(let word) = peek.kind else { return nil }
        let lower = word.lowercased()
        return IntervalText.units[lower] == nil ? nil : lower
    }

    private mutating func choice(_ start: Int) throws(ExpressionError) -> Syntax {
        let operand = isWord("when") ? nil : try expression(0)
        var branches: [(when: Syntax, then: Syntax)] = []
        while accept(word: "when") {
            let condition = try expression(0)
            try expect(word: "then")
            branches.append((condition, try expression(0)))
        }
        guard !branches.isEmpty else { throw unexpected("\"when\"") }
        let otherwise = accept(word: "else") ? try expression(0) : nil
        try expect(word: "end")
        return Syntax(
            kind: .choice(operand, branches, otherwise: otherwise), range: start..<end)
    }

    private mutating func call(_ word: String, _ token: Token) throws(ExpressionError) -> Syntax {
        var isStar = false
        let isDistinct = accept(word: "distinct")
        var arguments: [Syntax] = []
        if isSymbol("*"), isSymbol(")", ahead: 1) {
            at += 2
            isStar = true
        } else {
            arguments = try items(until: ")")
        }
        var call = Syntax.Call(
            name: word.lowercased(), nameRange: token.range, arguments: arguments, isStar: isStar,
            isDistinct: isDistinct)
        if isWord("filter"), isSymbol("(", ahead: 1) {
            at += 2
            _ = accept(word: "where")
            call.filter = try expression(0)
            try expect(symbol: ")")
        }
        return Syntax(kind: .call(call), range: token.range.lowerBound..<end)
    }

    /// A type: a word, parameters in brackets of any kind, and [] after it.
    private mutating func typeSyntax() throws(ExpressionError) -> Syntax.TypeSyntax {
        let start = peek.range.lowerBound
        guard case .word(let word) = take().kind else {
            at -= 1
            throw unexpected("a type")
        }
        if word.lowercased() == "double", isWord("precision") { at += 1 }
        var open = 0
        while true {
            guard case .symbol(let symbol) = peek.kind else {
                if open > 0, peek.kind != .end {
                    at += 1
                    continue
                }
                break
            }
            if open == 0, symbol == "[" ? !isSymbol("]", ahead: 1) : symbol != "(" && symbol != "<"
            {
                break
            }
            if open == 0, symbol == "<", !["list", "struct"].contains(word.lowercased()) { break }
            switch symbol {
            case "(", "[", "<": open += 1
            case ")", "]", ">": open -= 1
            case ">>": open -= 2
            default: break
            }
            at += 1
        }
        let range = start..<end
        return Syntax.TypeSyntax(
            text: String(decoding: Array(text.utf8)[range], as: UTF8.self), range: range)
    }
}
