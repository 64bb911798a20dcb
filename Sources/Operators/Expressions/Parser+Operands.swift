// Values: literals, names, calls and what follows them.
extension Parser {
    mutating func postfix(_ operand: Syntax) throws(ExpressionError) -> Syntax {
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
                case .symbol("*") where isSymbol(")"):
                    result = Syntax(kind: .field(result, "*"), range: start..<end)
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
        let high = isSymbol("]") || isSymbol(":") ? nil : try expression(0)
        let step = accept(symbol: ":") ? try expression(0) : nil
        try expect(symbol: "]")
        return Syntax(kind: .slice(operand, low, high, step: step), range: start..<end)
    }

    mutating func primary() throws(ExpressionError) -> Syntax {
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
            return try list(start)
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
        case "lambda":
            guard case .word = peek.kind else { break }
            return try lambda(start)
        case "map":
            guard accept(symbol: "{") else { break }
            return try map(token)
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

    /// `struct_pack(name := value, …)`, behind its bracket.
    private mutating func pack(_ token: Token) throws(ExpressionError) -> Syntax {
        var fields: [(name: String, value: Syntax)] = []
        repeat {
            switch take().kind {
            case .word(let name), .quotedName(let name):
                try expect(symbol: ":")
                try expect(symbol: "=")
                fields.append((name, try expression(0)))
            default:
                at -= 1
                throw unexpected("a field name, as in struct_pack(name := value)")
            }
        } while accept(symbol: ",")
        try expect(symbol: ")")
        return Syntax(kind: .structure(fields), range: token.range.lowerBound..<end)
    }

    private mutating func call(_ word: String, _ token: Token) throws(ExpressionError) -> Syntax {
        if word.lowercased() == "struct_pack" { return try pack(token) }
        var isStar = false
        let isDistinct = accept(word: "distinct")
        var arguments: [Syntax] = []
        var names: [String?] = []
        if isSymbol("*"), isSymbol(")", ahead: 1) {
            at += 2
            isStar = true
        } else if !accept(symbol: ")") {
            repeat {
                names.append(argumentName())
                arguments.append(try expression(0))
            } while accept(symbol: ",")
            if word.lowercased() == "overlay", arguments.count == 1 {
                try overlay(&arguments)
                names = []
            }
            try expect(symbol: ")")
        }
        var call = Syntax.Call(
            name: word.lowercased(), nameRange: token.range, arguments: arguments, isStar: isStar,
            isDistinct: isDistinct)
        if names.contains(where: { $0 != nil }) { call.names = names }
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
