import StreamRuntime

// Lists as vectors, and lists picked by other lists.
extension ListFunctions {
    /// A number of two lists of doubles of one length without nulls.
    private static func vector(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (UnsafePointer<Double>, UnsafePointer<Double>, Int) -> Double
    ) -> ScalarFunction {
        let name = String(names.prefix { $0 != " " })
        let signature = "\(name)(list, other)"
        return ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            var nodes: [ExpressionNode] = []
            for argument in arguments {
                let (node, element) = try list(argument)
                guard element.isNumeric else {
                    throw ExpressionError(
                        "\(name) is of lists of numbers, and this is \(node.type)",
                        at: argument.range)
                }
                nodes.append(CastKernels.node(node, as: .list(.float64)))
            }
            return KernelNode(type: .float64, nodes) { call in
                let (left, right) = (call.arguments[0], call.arguments[1])
                let (result, live) = call.result()
                for row in 0..<call.count where live[row] != 0 {
                    let mine = elements(left, row)
                    let other = elements(right, row)
                    if mine.count != other.count {
                        call.fail(
                            row, live,
                            "\(name) of lists of \(mine.count) and \(other.count) elements")
                    } else if hasNull(left.children[0], mine) || hasNull(right.children[0], other) {
                        call.fail(row, live, "\(name) of a list with nulls")
                    } else {
                        result.float64s[row] = body(
                            left.children[0].float64s + mine.lowerBound,
                            right.children[0].float64s + other.lowerBound, mine.count)
                    }
                }
                return result
            }.folded
        }
    }

    private static func hasNull(_ values: Column, _ range: Range<Int>) -> Bool {
        guard values.validity != nil else { return false }
        return range.contains { !values.isValid($0) }
    }

    private static func product(
        _ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, _ count: Int
    ) -> Double {
        var sum = 0.0
        var index = 0
        while index < count {
            sum += left[index] * right[index]
            index &+= 1
        }
        return sum
    }

    private static func cosine(
        _ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, _ count: Int
    ) -> Double {
        let squares = (product(left, left, count), product(right, right, count))
        let size = squares.0.squareRoot() * squares.1.squareRoot()
        let isExact = size.isFinite && squares.0 > 1e-200 && squares.1 > 1e-200
        let value = isExact ? product(left, right, count) / size : scaled(left, right, count)
        return value > 1 ? 1 : (value < -1 ? -1 : value)
    }

    /// The cosine of lists whose squares are too large or too small for doubles.
    private static func scaled(
        _ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, _ count: Int
    ) -> Double {
        func direction(_ values: UnsafePointer<Double>) -> [Double] {
            let most = (0..<count).reduce(0) { max($0, Swift.abs(values[$1])) }
            return (0..<count).map { most > 0 && most.isFinite ? values[$0] / most : values[$0] }
        }
        let (mine, other) = (direction(left), direction(right))
        let size =
            product(mine, mine, count).squareRoot() * product(other, other, count).squareRoot()
        return product(mine, other, count) / size
    }

    static let vectors: [ScalarFunction] = [
        vector(
            "list_inner_product list_dot_product array_inner_product array_dot_product",
            "The sum of the products of elements at one place.",
            "list_inner_product([1, 2, 3], [4, 5, 6])", "32.0"
        ) { product($0, $1, $2) },
        vector(
            "list_negative_inner_product list_negative_dot_product array_negative_inner_product array_negative_dot_product",
            "The inner product with the other sign.",
            "list_negative_inner_product([1, 2], [3, 4])", "-11.0"
        ) { -product($0, $1, $2) },
        vector(
            "list_cosine_similarity array_cosine_similarity",
            "The cosine of the angle between the lists.",
            "round(list_cosine_similarity([1, 2, 3], [3, 4, 5]), 6)", "0.982708"
        ) { cosine($0, $1, $2) },
        vector(
            "list_cosine_distance array_cosine_distance", "1 less the cosine similarity.",
            "list_cosine_distance([1, 0], [0, 1])", "1.0"
        ) { 1 - cosine($0, $1, $2) },
        vector(
            "list_distance array_distance", "The distance of two points.",
            "list_distance([0, 0], [3, 4])", "5.0"
        ) { left, right, count in
            var sum = 0.0
            for index in 0..<count {
                let difference = left[index] - right[index]
                sum += difference * difference
            }
            return sum.squareRoot()
        },
        ScalarFunction(
            "array_cross_product", "array_cross_product(list, other)",
            "The vector at right angles to two vectors of three numbers.",
            "array_cross_product([1, 2, 3], [4, 5, 6])", "[-3.0, 6.0, -3.0]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 2...2, "array_cross_product(list, other)")
            var nodes: [ExpressionNode] = []
            for argument in arguments {
                let (node, element) = try list(argument)
                guard element.isNumeric else {
                    throw ExpressionError("a list of numbers is needed here", at: argument.range)
                }
                nodes.append(CastKernels.node(node, as: .list(.float64)))
            }
            return KernelNode(type: .list(.float64), nodes) { call in
                let values = Column(.float64, capacity: call.count * 3)
                return call.buildLists(values) { row in
                    let mine = elements(call.arguments[0], row)
                    let other = elements(call.arguments[1], row)
                    guard mine.count == 3, other.count == 3,
                        !hasNull(call.arguments[0].children[0], mine),
                        !hasNull(call.arguments[1].children[0], other)
                    else { return "a cross product is of two lists of three numbers" }
                    let a = call.arguments[0].children[0].float64s + mine.lowerBound
                    let b = call.arguments[1].children[0].float64s + other.lowerBound
                    values.append(a[1] * b[2] - a[2] * b[1])
                    values.append(a[2] * b[0] - a[0] * b[2])
                    values.append(a[0] * b[1] - a[1] * b[0])
                    return nil
                }
            }.folded
        },
    ]

    /// A list of some of the elements of the first list, by what the second one says.
    private static func picking(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, by type: ColumnType,
        _ body: @escaping (Column, Range<Int>, Range<Int>, (Int?) -> Void) -> Void
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let (node, element) = try list(arguments[0])
            let picks = try Coercion.implicit(
                try list(arguments[1]).0, as: .list(type), at: arguments[1].range)
            return KernelNode(type: .list(element), [node, picks]) { call in
                let (source, by) = (call.arguments[0], call.arguments[1])
                let values = Column(element, capacity: call.count * 4)
                return call.buildLists(values) { row in
                    let chosen = elements(by, row)
                    guard !hasNull(by.children[0], chosen) else { return "\(signature) with nulls" }
                    body(by.children[0], chosen, elements(source, row)) { index in
                        if let index {
                            values.append(from: source.children[0], row: index)
                        } else {
                            values.appendNull()
                        }
                    }
                    return nil
                }
            }.folded
        }
    }

    static let picks: [ScalarFunction] = [
        picking(
            "list_where array_where", "list_where(list, flags)",
            "The elements at whose places the flags are true.",
            "list_where([1, 2, 3], [true, false, true])", "[1, 3]", by: .bool
        ) { flags, chosen, elements, take in
            for (offset, flag) in chosen.enumerated() where flags.bools[flag] != 0 {
                take(offset < elements.count ? elements.lowerBound + offset : nil)
            }
        },
        picking(
            "list_select array_select", "list_select(list, places)",
            "The elements at the places, counted from 1; null for one there is none.",
            "list_select([10, 20, 30], [3, 1])", "[30, 10]", by: .int64
        ) { places, chosen, elements, take in
            for place in chosen {
                let number = places.int64s[place]
                let isThere = number >= 1 && number <= elements.count
                take(isThere ? elements.lowerBound + Int(number) - 1 : nil)
            }
        },
        ScalarFunction(
            "list_resize array_resize", "list_resize(list, n, x)",
            "The list cut, or filled with x or nulls, to n elements.", "list_resize([1, 2], 3, 0)",
            "[1, 2, 0]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...3, "list_resize(list, n, x)")
            var (node, element) = try list(arguments[0])
            var fill: ExpressionNode = ConstantNode.null(element)
            if arguments.count == 3 {
                (node, fill, element) = try listAndValue(arguments[0], arguments[2])
            }
            let size = try Coercion.implicit(
                arguments[1].node, as: .int64, at: arguments[1].range)
            return KernelNode(type: .list(element), [node, size, fill]) { call in
                let result = Column(call.type, capacity: call.count)
                let values = result.children[0]
                for row in 0..<call.count {
                    guard call.arguments[0].isValid(row), call.evaluation.isActive(row) else {
                        result.appendNull()
                        continue
                    }
                    let start = values.count
                    let wanted =
                        call.arguments[1].isValid(row) ? call.arguments[1].int64s[row] : 0
                    if wanted < 0 || wanted > TextLimits.elementsMax {
                        call.evaluation.failures.add(row, "a list cannot have \(wanted) elements")
                        result.appendNull()
                        continue
                    }
                    for index in elements(call.arguments[0], row).prefix(Int(wanted)) {
                        values.append(from: call.arguments[0].children[0], row: index)
                    }
                    while values.count - start < Int(wanted) {
                        values.append(from: call.arguments[2], row: row)
                    }
                    result.appendList(from: start)
                }
                return result
            }.folded
        },
        ScalarFunction(
            "list_grade_up array_grade_up grade_up", "list_grade_up(list, order, nulls)",
            "The places of the elements in the order that list_sort would give them.",
            "list_grade_up([30, 10, 20])", "[2, 3, 1]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 1...3, "list_grade_up(list, order, nulls)")
            let (list, _) = try list(arguments[0])
            let (descending, nullsFirst) = try ListOrder.order(arguments.dropFirst())
            return KernelNode(type: .list(.int64), [list], canFail: false) { call in
                let list = call.arguments[0]
                let places = Column(.int64, capacity: list.children[0].count)
                return call.buildLists(places) { row in
                    let range = elements(list, row)
                    let order = ListOrder.sorted(
                        list.children[0], range, descending: descending, nullsFirst: nullsFirst)
                    for index in order { places.append(Int64(index - range.lowerBound + 1)) }
                    return nil
                }
            }.folded
        },
        ScalarFunction(
            "list_zip array_zip", "list_zip(list, other, …, cut)",
            "A list of structs of the elements at one place, missing ones null; with cut true as long as the shortest.",
            "list_zip([1, 2], ['a', 'b'])", "[{'v1': 1, 'v2': a}, {'v1': 2, 'v2': b}]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...20, "list_zip(list, other, …)")
            var lists = arguments
            var cut: ExpressionNode = Constants.bool(false)
            if let last = arguments.last, last.node.type == .bool, arguments.count > 1 {
                cut = last.node
                lists.removeLast()
            }
            var nodes: [ExpressionNode] = []
            var fields: [Field] = []
            for argument in lists {
                let (node, element) = try list(argument)
                nodes.append(node)
                fields.append(Field("v\(nodes.count)", element))
            }
            return KernelNode(type: .list(.structure(fields)), nodes + [cut], canFail: false) {
                zip($0, nodes.count)
            }.folded
        },
        ScalarFunction(
            "array_pop_back", "array_pop_back(list)", "The list without its last element.",
            "array_pop_back([1, 2, 3])", "[1, 2]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "array_pop_back(list)")
            return popped(try list(arguments[0]).0, front: 0, back: 1)
        },
        ScalarFunction(
            "array_pop_front", "array_pop_front(list)", "The list without its first element.",
            "array_pop_front([1, 2, 3])", "[2, 3]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "array_pop_front(list)")
            return popped(try list(arguments[0]).0, front: 1, back: 0)
        },
    ]

    private static func popped(_ list: ExpressionNode, front: Int, back: Int) -> ExpressionNode {
        KernelNode(type: list.type, [list], canFail: false) { call in
            let source = call.arguments[0]
            let result = Column(
                call.type, capacity: call.count, arena: nil, children: source.children)
            if let validity = source.validity {
                Validity.and(result.ensureValidity(), validity, call.count)
            }
            for row in 0..<call.count {
                let view = source.isValid(row) ? source.views[row] : 0
                let length = max(0, ByteView.length(view) - front - back)
                result.views[row] = ByteView.pack(
                    start: ByteView.start(view) + (length > 0 ? front : 0), length: length)
            }
            result.setCount(call.count)
            return result
        }.folded
    }

    private static func zip(_ call: KernelCall, _ lists: Int) -> Column {
        let result = Column(call.type, capacity: call.count)
        let entries = result.children[0]
        for row in 0..<call.count {
            let ranges = call.arguments[0..<lists].map { list in
                list.isValid(row) ? elements(list, row) : 0..<0
            }
            let cut = call.arguments[lists].isValid(row) && call.arguments[lists].bools[row] != 0
            let lengths = ranges.map(\.count)
            let start = entries.count
            for offset in 0..<((cut ? lengths.min() : lengths.max()) ?? 0) {
                for (index, range) in ranges.enumerated() {
                    if offset < range.count {
                        entries.children[index].append(
                            from: call.arguments[index].children[0], row: range.lowerBound + offset)
                    } else {
                        entries.children[index].appendNull()
                    }
                }
                entries.appendStructure()
            }
            result.appendList(from: start)
        }
        return result
    }
}
