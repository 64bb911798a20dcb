import StreamRuntime

/// Checks a declared pattern.
struct MatchCompiler {
    let spec: MatchSpec
    let input: Schema
    let keys: [Int]
    private(set) var problems: [MatchProblem] = []

    init(spec: MatchSpec, input: Schema, keys: [Int]) {
        self.spec = spec
        self.input = input
        self.keys = keys
    }

    mutating func compile() -> MatchProgram? {
        let pattern: MatchPattern
        do {
            pattern = try MatchPattern(spec.pattern)
        } catch {
            problems.append(MatchProblem(place: .pattern, error: error))
            return nil
        }
        for (position, item) in spec.definitions.enumerated() {
            if pattern.names.contains(item.name) { continue }
            let near = Names.nearest(item.name, among: pattern.names)
            problems.append(
                MatchProblem(
                    place: .name(position),
                    error: ExpressionError(
                        "\"\(item.name)\" is not in the pattern", at: 0..<0,
                        fix: near.map { "write \"\($0)\"" } ?? "remove it, or name it there")))
        }
        if let name = spec.skip.name, !pattern.names.contains(name) {
            let near = Names.nearest(name, among: pattern.names)
            problems.append(
                MatchProblem(
                    place: .skip,
                    error: ExpressionError(
                        "\"\(name)\" is not in the pattern", at: 0..<0,
                        fix: near.map { "write \"\($0)\"" } ?? "skip to a name of the pattern")))
        }
        let definitions = pattern.names.map { definition($0, pattern) }
        let scope = MatchScope(input: input, names: pattern.names, base: keys.count)
        let result = Schema(keys.map { input.fields[$0] })
        var outputs: [CompiledExpression] = []
        for (position, item) in spec.select.enumerated() {
            do throws(ExpressionError) {
                let binder = Binder(schema: result)
                binder.special = scope.bind
                let syntax = try Parser.parse(item.text)
                let node = try binder.bind(syntax)
                if result.index(of: item.name) != nil {
                    throw ExpressionError(
                        "the rows out have the key column \"\(item.name)\" already",
                        at: syntax.range, fix: "leave it out, or give it another name")
                }
                let type = Coercion.common([node]) ?? node.type
                outputs.append(
                    CompiledExpression(
                        text: item.text,
                        node: try Coercion.implicit(node, as: type, at: syntax.range)))
            } catch {
                problems.append(MatchProblem(place: .select(position), error: error))
            }
        }
        guard problems.isEmpty else { return nil }
        return MatchProgram(
            spec: spec, input: input, keys: keys, pattern: pattern, definitions: definitions,
            measures: scope.measures, outputs: outputs)
    }

    private mutating func definition(
        _ name: String, _ pattern: MatchPattern
    ) -> MatchProgram.Definition {
        let any = MatchProgram.Definition(filters: [], condition: nil, measures: [])
        guard let position = spec.definitions.firstIndex(where: { $0.name == name }) else {
            return any
        }
        let text = spec.definitions[position].text
        let scope = MatchScope(input: input, names: pattern.names, base: input.count)
        do throws(ExpressionError) {
            let binder = Binder(schema: input)
            binder.special = scope.bind
            let node = try binder.bindBool(try Parser.parse(text))
            let parts = ProcessCompiler.parts(node)
            let ofRow = parts.filter { $0.columns.allSatisfy { $0 < input.count } }
            return MatchProgram.Definition(
                filters: ofRow.map { CompiledExpression(text: text, node: $0) },
                condition: ofRow.count == parts.count
                    ? nil : CompiledExpression(text: text, node: node),
                measures: scope.measures)
        } catch {
            problems.append(MatchProblem(place: .definition(position), error: error))
            return any
        }
    }
}

/// Finds the measures in an expression: `last(decline.amount)`, `count(decline.*)`, `first(ts)`.
private final class MatchScope {
    private let input: Schema
    private let names: [String]
    /// The position of the first measure among the columns the expression is evaluated on.
    private let base: Int
    private(set) var measures: [MatchMeasure] = []

    init(input: Schema, names: [String], base: Int) {
        self.input = input
        self.names = names
        self.base = base
    }

    func bind(_ call: Syntax.Call, _ range: Range<Int>) throws(ExpressionError) -> ExpressionNode? {
        guard let function = MatchMeasure.Function(rawValue: call.name) else { return nil }
        guard !call.isDistinct, call.filter == nil else {
            throw ExpressionError("\(call.name) of a match takes no distinct or filter", at: range)
        }
        if call.isStar { return try node(function, nil, nil, range) }
        let offset = try offset(of: call, function)
        guard call.arguments.count == (offset == nil ? 1 : 2), let argument = call.arguments.first
        else {
            throw ExpressionError("\(call.name) takes one column of the rows", at: range)
        }
        switch argument.kind {
        case .name(let name):
            if let position = names.firstIndex(of: name), input.index(of: name) == nil {
                return try node(function, position, nil, range)
            }
            return try node(
                function, nil, try column(name, argument.range), range, offset ?? 0)
        case .field(let owner, let field):
            guard case .name(let name) = owner.kind else { break }
            guard let position = names.firstIndex(of: name) else {
                throw Names.unknown("name", name, among: names, at: owner.range)
            }
            if field == "*" { return try node(function, position, nil, range) }
            return try node(
                function, position, try column(field, argument.range), range, offset ?? 0)
        default: break
        }
        throw ExpressionError(
            "\(call.name) of a match takes NAME.COLUMN or COLUMN", at: argument.range,
            fix: "compute it in an extend step before, and name that column here")
    }

    /// The rows that `first` and `last` pass over: their second argument.
    private func offset(
        of call: Syntax.Call, _ function: MatchMeasure.Function
    ) throws(ExpressionError) -> Int? {
        guard call.arguments.count == 2, function == .first || function == .last else { return nil }
        if case .number(let text) = call.arguments[1].kind, let number = Int(text),
            (0...100_000).contains(number)
        {
            return number
        }
        throw ExpressionError(
            "how many rows \(call.name) passes over is a whole number of at most 100,000",
            at: call.arguments[1].range, fix: "write \(call.name)(NAME.COLUMN, 1)")
    }

    private func column(_ name: String, _ range: Range<Int>) throws(ExpressionError) -> Int {
        guard let index = Names.index(of: name, in: input.fields.map(\.name)) else {
            throw Names.unknown("column", name, among: input.fields.map(\.name), at: range)
        }
        return index
    }

    private func node(
        _ function: MatchMeasure.Function, _ name: Int?, _ column: Int?, _ range: Range<Int>,
        _ offset: Int = 0
    ) throws(ExpressionError) -> ExpressionNode {
        let measure = MatchMeasure(
            function: function, name: name, column: column,
            type: try type(function, column, range), offset: offset)
        if let known = measures.firstIndex(of: measure) {
            return ColumnNode(index: base + known, type: measure.type)
        }
        measures.append(measure)
        return ColumnNode(index: base + measures.count - 1, type: measure.type)
    }

    private func type(
        _ function: MatchMeasure.Function, _ column: Int?, _ range: Range<Int>
    ) throws(ExpressionError) -> ColumnType {
        if function == .count { return .int64 }
        guard let column else {
            throw ExpressionError(
                "\(function.rawValue) needs a column", at: range, fix: "write NAME.COLUMN")
        }
        let type = input.fields[column].type
        switch function {
        case .first, .last: return type
        case .min, .max:
            guard KeyEncoder.accepts(type) else {
                throw ExpressionError("\(type) has no order", at: range)
            }
            return type
        case .avg where type.isNumeric: return .float64
        case .sum where type.isNumeric:
            switch type {
            case .float64: return .float64
            case .decimal(_, let scale): return .decimal(precision: 38, scale: scale)
            default: return .decimal(precision: 38, scale: 0)
            }
        default:
            throw ExpressionError("\(function.rawValue) needs a number, this is \(type)", at: range)
        }
    }
}
