import StreamRuntime

/// Functions of lists and structs.
enum ListFunctions {
    static let all: [ScalarFunction] =
        access + making + finding + changing + picks + vectors

    typealias Argument = ScalarFunction.Argument

    static func lengths(_ call: KernelCall) -> Column {
        let views = call.arguments[0].views
        return call.mapRowsToInteger { Int64(ByteView.length(views[$0])) }
    }

    /// The argument, which must be a list, and the type of its elements.
    static func list(_ argument: Argument) throws(ExpressionError) -> (ExpressionNode, ColumnType) {
        if (argument.node as? ConstantNode)?.literal == .null {
            return (ConstantNode.null(.list(.int64)), .int64)
        }
        guard case .list(let element) = argument.node.type else {
            throw ExpressionError(
                "a list is needed here, and this is \(argument.node.type)", at: argument.range)
        }
        return (argument.node, element)
    }

    /// A list and a value as an element of it, both of one type.
    static func listAndValue(
        _ list: Argument, _ value: Argument
    ) throws(ExpressionError) -> (ExpressionNode, ExpressionNode, ColumnType) {
        var (node, element) = try self.list(list)
        if Coercion.isEmptyList(node), let wanted = Coercion.common([value.node]) {
            element = wanted
            node = Constants.emptyList(of: element)
        }
        if Coercion.isUntyped(value.node) {
            return (node, try Coercion.implicit(value.node, as: element, at: value.range), element)
        }
        guard let type = Coercion.join(element, Coercion.shape(value.node)) else {
            throw ExpressionError(
                "\(value.node.type) is no element of \(node.type)", at: value.range,
                fix: CastKernels.isAllowed(value.node.type, element)
                    ? "write cast(… as \(element)) around it" : nil)
        }
        let isWhole = element == .int64 && value.node.type == .int64
        let common = isWhole ? .int64 : type
        return (
            CastKernels.node(node, as: .list(common)), CastKernels.node(value.node, as: common),
            common
        )
    }

    /// A function of one list.
    static func ofList(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ type: @escaping (ColumnType) -> ColumnType?,
        _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, signature)
            let (node, element) = try list(arguments[0])
            guard let type = type(element) else {
                throw ExpressionError(
                    "\(signature) does not work on \(node.type)", at: arguments[0].range)
            }
            return KernelNode(type: type, [node], kernel).folded
        }
    }

    /// The rows of the elements of a row's list.
    @inline(__always)
    static func elements(_ list: Column, _ row: Int) -> Range<Int> {
        let view = list.views[row]
        let start = ByteView.start(view)
        return start..<(start + ByteView.length(view))
    }

    /// Picks for each row one element, or none, of its list.
    static func pick(_ call: KernelCall, _ body: (Int, Range<Int>) -> Int?) -> Column {
        let list = call.arguments[0]
        let rows = UnsafeMutablePointer<Int32>.allocate(capacity: max(call.count, 1))
        defer { rows.deallocate() }
        // A null element to point to where there is none.
        let source = Column(list.children[0].type, capacity: 1)
        source.appendNull()
        let (picked, live) = call.result(.bool)
        for row in 0..<call.count {
            guard live[row] != 0, let element = body(row, elements(list, row)) else {
                live[row] = 0
                rows[row] = 0
                continue
            }
            rows[row] = Int32(truncatingIfNeeded: element)
        }
        guard list.children[0].count > 0 else { return source.spread(call.count) }
        let result = list.children[0].gathered(rows, count: call.count)
        Validity.and(result.ensureValidity(), picked.ensureValidity(), call.count)
        return result
    }

    private static let access: [ScalarFunction] = [
        ScalarFunction(
            "list_extract list_element array_extract", "list_extract(list, n)",
            "Element n, counted from 1 or, if negative, from the end; null if there is none. Also list[n], text[n].",
            "[10, 20, 30][-1]", "30"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "list_extract(list, n)")
            let index = try Coercion.implicit(
                arguments[1].node, as: .int64, at: arguments[1].range)
            if arguments[0].node.type == .string {
                let text = try Coercion.implicit(
                    arguments[0].node, as: .string, at: arguments[0].range)
                return KernelNode(type: .string, [text, index], canFail: false) { call in
                    let numbers = call.arguments[1].int64s
                    return call.sliceText { row, bytes in
                        numbers[row] == 0 ? 0..<0 : TextFunctions.part(bytes, numbers[row], 1)
                    }
                }.folded
            }
            let (list, element) = try list(arguments[0])
            return KernelNode(type: element, [list, index], canFail: false) { call in
                let numbers = call.arguments[1].int64s
                return pick(call) { row, elements in
                    let number = numbers[row]
                    let at = number > 0 ? number - 1 : Int64(elements.count) + number
                    guard number != 0, at >= 0, at < elements.count else { return nil }
                    return elements.lowerBound + Int(at)
                }
            }.folded
        },
        ScalarFunction(
            "list_slice array_slice", "list_slice(list, from, to)",
            "The elements, or characters, from one to another, both counted from 1. Also list[from:to].",
            "[1, 2, 3, 4][2:3]", "[2, 3]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 3...4, "list_slice(list, from, to, step)")
            var nodes = [arguments[0].node]
            let isText = nodes[0].type == .string
            if isText {
                nodes[0] = try Coercion.implicit(nodes[0], as: .string, at: arguments[0].range)
            } else {
                nodes[0] = try list(arguments[0]).0
            }
            // A bound left out is a null literal.
            var bounds: [Int64] = [1, -1]
            var step: ExpressionNode?
            if arguments.count == 4 {
                let node = try Coercion.implicit(
                    arguments[3].node, as: .int64, at: arguments[3].range)
                guard !isText else {
                    throw ExpressionError("a text has no steps", at: arguments[3].range)
                }
                if let constant = node as? ConstantNode, !constant.isNull,
                    constant.value.int64s[0] < 0
                {
                    bounds = [-1, 1]
                }
                step = node
            }
            for index in 1...2 {
                let isMissing = (arguments[index].node as? ConstantNode)?.literal == .null
                nodes.append(
                    isMissing
                        ? Constants.int64(bounds[index - 1])
                        : try Coercion.implicit(
                            arguments[index].node, as: .int64, at: arguments[index].range))
            }
            if let step {
                return KernelNode(type: nodes[0].type, nodes + [step]) { steppedList($0) }.folded
            }
            return KernelNode(type: nodes[0].type, nodes, canFail: false) {
                isText ? sliceText($0) : sliceList($0)
            }.folded
        },
        ScalarFunction(
            "struct_extract", "struct_extract(struct, name)",
            "A field of a struct. Also struct.name.",
            "struct_extract({a: 1}, 'a')", "1"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "struct_extract(struct, name)")
            guard case .structure(let fields) = arguments[0].node.type,
                let constant = arguments[1].node as? ConstantNode, constant.type == .string
            else {
                throw ExpressionError(
                    "struct_extract takes a struct and a constant name", at: range)
            }
            let name = constant.value.string(0)
            guard let index = Names.index(of: name, in: fields.map(\.name)) else {
                throw Names.unknown(
                    "field", name, among: fields.map(\.name), at: arguments[1].range)
            }
            return FieldNode(arguments[0].node, index: index, type: fields[index].type).folded
        },
        ofList(
            "list_first", "list_first(list)", "The first element.", "list_first([1, 2])", "1",
            { $0 }
        ) { call in
            pick(call) { _, elements in elements.first }
        },
        ofList(
            "list_last", "list_last(list)", "The last element.", "list_last([1, 2])", "2", { $0 }
        ) { call in
            pick(call) { _, elements in elements.last }
        },
        ofList(
            "list_any_value", "list_any_value(list)", "The first element that is not null.",
            "list_any_value([null, 2])", "2", { $0 }
        ) { call in
            let values = call.arguments[0].children[0]
            return pick(call) { _, elements in elements.first { values.isValid($0) } }
        },
    ]

    /// The range of `from` to `to`, counted from 1 or from the end, of so many.
    private static func bounds(_ from: Int64, _ to: Int64, of count: Int) -> Range<Int> {
        let size = Int64(count)
        let first = max(1, from < 0 ? max(size + max(from, -size - 1) + 1, 1) : from)
        let last = min(size, to < 0 ? size + max(to, -size - 1) + 1 : to)
        guard first <= last else { return 0..<0 }
        return Int(first - 1)..<Int(last)
    }

    private static func sliceText(_ call: KernelCall) -> Column {
        let from = call.arguments[1].int64s
        let to = call.arguments[2].int64s
        return call.sliceText { row, bytes in
            Characters.slice(bytes, bounds(from[row], to[row], of: Characters.count(bytes)))
        }
    }

    /// Every so many elements, from the end on if the step is negative.
    private static func steppedList(_ call: KernelCall) -> Column {
        let list = call.arguments[0]
        let values = Column(list.children[0].type, capacity: call.count * 4)
        return call.buildLists(values) { row in
            let step = call.arguments[3].int64s[row]
            guard step != 0 else { return "a slice with steps of 0" }
            let range = elements(list, row)
            let (from, to) = (call.arguments[1].int64s[row], call.arguments[2].int64s[row])
            let part = bounds(step > 0 ? from : to, step > 0 ? to : from, of: range.count)
            var at = step > 0 ? part.lowerBound : part.upperBound - 1
            while part.contains(at) {
                values.append(from: list.children[0], row: range.lowerBound + at)
                let (next, overflow) = at.addingReportingOverflow(Int(step))
                if overflow { break }
                at = next
            }
            return nil
        }
    }

    private static func sliceList(_ call: KernelCall) -> Column {
        let list = call.arguments[0]
        let result = Column(
            call.type, capacity: call.count, arena: nil, children: list.children)
        let live = result.ensureValidity()
        Validity.merge(call.arguments, into: result, count: call.count)
        for row in 0..<call.count {
            result.views[row] = 0
            guard live[row] != 0 else { continue }
            let part = bounds(
                call.arguments[1].int64s[row], call.arguments[2].int64s[row],
                of: ByteView.length(list.views[row]))
            result.views[row] = ByteView.pack(
                start: ByteView.start(list.views[row]) + part.lowerBound, length: part.count)
        }
        result.setCount(call.count)
        return result
    }

    /// `||`, and `list_concat`, for which a null list counts as an empty one.
    static func concatenation(
        _ arguments: [Argument], _ range: Range<Int>, nullsMakeNull: Bool = false
    ) throws(ExpressionError) -> ExpressionNode {
        var nodes: [ExpressionNode] = []
        var element: ColumnType?
        var isNull = false
        for argument in arguments {
            let literal = (argument.node as? ConstantNode)?.literal
            if literal == .null || literal == .emptyList {
                isNull = isNull || literal == .null
                continue
            }
            let (node, type) = try list(argument)
            nodes.append(node)
            guard let soFar = element else {
                element = type
                continue
            }
            guard let joined = Coercion.join(soFar, type) else {
                throw ExpressionError(
                    "list<\(soFar)> and \(node.type) cannot be joined", at: argument.range)
            }
            element = joined
        }
        let type = ColumnType.list(element ?? .int64)
        if nullsMakeNull, isNull { return ConstantNode.null(type, beside: nodes) }
        nodes = nodes.map { CastKernels.node($0, as: type) }
        return KernelNode(type: type, nodes, canFail: false) { call in
            let result = Column(type, capacity: call.count)
            for row in 0..<call.count {
                if nullsMakeNull, call.arguments.contains(where: { !$0.isValid(row) }) {
                    result.appendNull()
                    continue
                }
                let start = result.children[0].count
                for list in call.arguments where list.isValid(row) {
                    for index in elements(list, row) {
                        result.children[0].append(from: list.children[0], row: index)
                    }
                }
                result.appendList(from: start)
            }
            return result
        }.folded
    }

    /// A new list from a list and a value.
    private static func adding(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, valueFirst: Bool
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let (list, value, element) = try listAndValue(
                arguments[valueFirst ? 1 : 0], arguments[valueFirst ? 0 : 1])
            return KernelNode(type: .list(element), [list, value], canFail: false) { call in
                let result = Column(call.type, capacity: call.count)
                for row in 0..<call.count {
                    let start = result.children[0].count
                    if valueFirst { result.children[0].append(from: call.arguments[1], row: row) }
                    if call.arguments[0].isValid(row) {
                        for index in elements(call.arguments[0], row) {
                            result.children[0].append(
                                from: call.arguments[0].children[0], row: index)
                        }
                    }
                    if !valueFirst { result.children[0].append(from: call.arguments[1], row: row) }
                    result.appendList(from: start)
                }
                return result
            }.folded
        }
    }

    /// Times that lie an interval apart.
    private static func times(_ call: KernelCall, inclusive: Bool) -> Column {
        let values = Column(.timestamp, capacity: call.count * 8)
        return call.buildLists(values) { row in
            let step = call.arguments[2].intervals[row]
            let parts = [Int64(step.months), Int64(step.days), step.micros]
            let isUp = parts.contains { $0 > 0 }
            guard isUp != parts.contains(where: { $0 < 0 }) else {
                return "the times lie an interval apart that is above or below zero in all parts"
            }
            var at = call.arguments[0].int64s[row]
            let end = call.arguments[1].int64s[row]
            var made: Int64 = 0
            while isUp ? at < end : at > end {
                values.append(at)
                made += 1
                guard made <= TextLimits.elementsMax else {
                    return "more than \(TextLimits.elementsMax) times"
                }
                guard let next = TimeArithmetic.shifted(at, step, sign: 1) else { return nil }
                at = next
            }
            if inclusive, at == end { values.append(at) }
            return nil
        }
    }

    private static func range(
        _ name: String, _ meaning: String, _ example: String, _ result: String, inclusive: Bool
    ) -> ScalarFunction {
        let kernel: KernelNode.Kernel = { call in
            let values = Column(.int64, capacity: call.count * 8)
            return call.buildLists(values) { row in
                let isAlone = call.arguments.count == 1
                var at = isAlone ? 0 : call.arguments[0].int64s[row]
                let end = call.arguments[isAlone ? 0 : 1].int64s[row]
                let step = call.arguments.count == 3 ? call.arguments[2].int64s[row] : 1
                guard step != 0 else { return "\(name) with steps of 0" }
                var made: Int64 = 0
                while step > 0 ? at < end : at > end, made <= TextLimits.elementsMax {
                    values.append(at)
                    made += 1
                    let (next, overflow) = at.addingReportingOverflow(step)
                    if overflow { return nil }
                    at = next
                }
                guard made <= TextLimits.elementsMax else {
                    return "\(name) of more than \(TextLimits.elementsMax) elements"
                }
                if inclusive, at == end { values.append(at) }
                return nil
            }
        }
        return ScalarFunction(
            name, "\(name)(from, to, step)", meaning, example, result,
            [
                Overload([.int64], canFail: true, .list(.int64), kernel),
                Overload([.int64, .int64], canFail: true, .list(.int64), kernel),
                Overload([.int64, .int64, .int64], canFail: true, .list(.int64), kernel),
                Overload(
                    [.timestamp, .timestamp, .interval], canFail: true, .list(.timestamp)
                ) { times($0, inclusive: inclusive) },
            ])
    }

    private static let making: [ScalarFunction] = [
        ScalarFunction(
            "list_value list_pack", "list_value(x, …)", "A list of the arguments. Also [x, …].",
            "list_value(1, 2)", "[1, 2]"
        ) { (arguments, range) throws(ExpressionError) in
            guard !arguments.isEmpty else { return Constants.emptyList(of: .int64) }
            let nodes = try ConditionFunctions.unified(arguments)
            return ListNode(nodes, element: nodes[0].type).folded
        },
        ScalarFunction(
            "list_concat list_cat array_concat array_cat", "list_concat(list, …)",
            "The elements of all lists, null lists left out; list || list is null if either is.",
            "list_concat([1], [2, 3])",
            "[1, 2, 3]"
        ) { (arguments, range) throws(ExpressionError) in
            try concatenation(arguments, range)
        },
        adding(
            "list_append array_append array_push_back", "list_append(list, x)",
            "The list with x after it.",
            "list_append([1], 2)", "[1, 2]", valueFirst: false),
        adding(
            "list_prepend array_prepend", "list_prepend(x, list)", "The list with x before it.",
            "list_prepend(0, [1])", "[0, 1]", valueFirst: true),
        ScalarFunction(
            "array_push_front", "array_push_front(list, x)", "The list with x before it.",
            "array_push_front([1], 0)", "[0, 1]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "array_push_front(list, x)")
            guard let prepend = FunctionCatalogue.byName["list_prepend"] else {
                preconditionFailure("list_prepend is in the catalogue")
            }
            return try prepend.bind([arguments[1], arguments[0]], range)
        },
        range(
            "range",
            "The whole numbers from one to another, that one left out; from 0 with one argument.",
            "range(1, 10, 3)", "[1, 4, 7]", inclusive: false),
        range(
            "generate_series", "The whole numbers from one to another, both included.",
            "generate_series(1, 3)", "[1, 2, 3]", inclusive: true),
        ofList(
            "flatten", "flatten(lists)", "The elements of the lists in a list.",
            "flatten([[1], [2, 3]])",
            "[1, 2, 3]", { $0.isList ? $0 : nil }
        ) { call in
            let outer = call.arguments[0]
            let inner = outer.children[0]
            let values = Column(inner.children[0].type, capacity: inner.children[0].count)
            return call.buildLists(values) { row in
                for list in elements(outer, row) where inner.isValid(list) {
                    for index in elements(inner, list) {
                        values.append(from: inner.children[0], row: index)
                    }
                }
                return nil
            }
        },
    ]
}
