// Lists, maps and lambdas, and arguments with names.
extension Parser {
    /// `[x, …]` or `[expression for x in list if condition]`, behind its bracket.
    mutating func list(_ start: Int) throws(ExpressionError) -> Syntax {
        if accept(symbol: "]") { return Syntax(kind: .list([]), range: start..<end) }
        let first = try expression(0)
        if accept(word: "for") { return try comprehension(first, start) }
        var items = [first]
        while accept(symbol: ",") { items.append(try expression(0)) }
        try expect(symbol: "]")
        return Syntax(kind: .list(items), range: start..<end)
    }

    private mutating func comprehension(
        _ body: Syntax, _ start: Int
    ) throws(ExpressionError) -> Syntax {
        var parameters: [String] = []
        repeat { parameters.append(try parameter()) } while accept(symbol: ",")
        try expect(word: "in")
        var list = try expression(0)
        if accept(word: "if") {
            let condition = try expression(0)
            let test = Syntax(kind: .lambda(parameters, condition), range: condition.range)
            list = call("list_filter", [list, test], start)
        }
        try expect(symbol: "]")
        return call(
            "list_transform",
            [list, Syntax(kind: .lambda(parameters, body), range: body.range)], start)
    }

    private func call(_ name: String, _ arguments: [Syntax], _ start: Int) -> Syntax {
        let call = Syntax.Call(
            name: name, nameRange: start..<(start + 1), arguments: arguments)
        return Syntax(kind: .call(call), range: start..<end)
    }

    private mutating func parameter() throws(ExpressionError) -> String {
        switch take().kind {
        case .word(let name), .quotedName(let name): return name
        default:
            at -= 1
            throw unexpected("the name of a parameter, as in lambda x: x + 1")
        }
    }

    /// `lambda x, i: expression`, behind its first word.
    mutating func lambda(_ start: Int) throws(ExpressionError) -> Syntax {
        var parameters: [String] = []
        repeat { parameters.append(try parameter()) } while accept(symbol: ",")
        try expect(symbol: ":")
        let body = try expression(0)
        return Syntax(kind: .lambda(parameters, body), range: start..<end)
    }

    /// `map {key: value, …}`, behind its bracket.
    mutating func map(_ token: Token) throws(ExpressionError) -> Syntax {
        let start = token.range.lowerBound
        var keys: [Syntax] = []
        var values: [Syntax] = []
        if !accept(symbol: "}") {
            repeat {
                keys.append(try expression(0))
                try expect(symbol: ":")
                values.append(try expression(0))
            } while accept(symbol: ",")
            try expect(symbol: "}")
        }
        let range = start..<end
        return call(
            "map",
            [Syntax(kind: .list(keys), range: range), Syntax(kind: .list(values), range: range)],
            start)
    }

    /// The name in front of `:=`, if there is one.
    mutating func argumentName() -> String? {
        guard isSymbol(":", ahead: 1), isSymbol("=", ahead: 2) else { return nil }
        switch peek.kind {
        case .word(let name), .quotedName(let name):
            at += 3
            return name
        default: return nil
        }
    }

    /// `overlay(text placing other from start for count)`, behind its first argument.
    mutating func overlay(_ arguments: inout [Syntax]) throws(ExpressionError) {
        try expect(word: "placing")
        arguments.append(try expression(0))
        try expect(word: "from")
        arguments.append(try expression(0))
        if accept(word: "for") { arguments.append(try expression(0)) }
    }
}
