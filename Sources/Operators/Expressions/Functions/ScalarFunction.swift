import StreamRuntime

/// A function of the language: how it is written, what it means, and how its arguments are checked.
///
/// - Note: unchecked, since `bind` is no `@Sendable` closure: those of the catalogue capture names and kernels that
///   never change, and make nodes that belong to whoever asked.
struct ScalarFunction: @unchecked Sendable {
    typealias Argument = (node: ExpressionNode, range: Range<Int>)
    typealias Bind = ([Argument], Range<Int>) throws(ExpressionError) -> ExpressionNode

    /// The name, and other names for the same.
    let names: [String]
    /// As documentation shows it: "round(x, digits)".
    let signature: String
    let meaning: String
    /// An expression and the text of its value, checked by a test.
    let example: String
    let result: String
    let bind: Bind

    init(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, bind: @escaping Bind
    ) {
        self.names = names.split(separator: " ").map(String.init)
        self.signature = signature
        self.meaning = meaning
        self.example = example
        self.result = result
        self.bind = bind
    }

    /// A function given by its overloads; the one whose parameters fit best is taken.
    init(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ overloads: [Overload]
    ) {
        let name = String(names.prefix { $0 != " " })
        self.init(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try Overload.bind(name, signature, overloads, arguments, range)
        }
    }
}

/// What one parameter of an overload accepts.
enum Parameter {
    case bool
    case int64
    case float64
    case string
    case bytes
    case timestamp
    case date
    case interval
    /// A whole number or a decimal of any scale.
    case decimal
    case anyList
    case any

    /// The type a value of `type` is given, and how far that is from what it was; nil if it cannot be.
    func accept(_ node: ExpressionNode) -> (type: ColumnType, distance: Int)? {
        if Coercion.isUntyped(node) {
            guard let wanted = plain else {
                return self == .any ? (Coercion.common([node]) ?? node.type, 3) : nil
            }
            let isText = (node as? ConstantNode)?.literal == .text
            if isText, wanted == .string { return (.string, 0) }
            return CastKernels.isAllowed(.string, wanted) ? (wanted, isText ? 3 : 1) : nil
        }
        switch self {
        case .any: return (node.type, 1)
        case .anyList: return node.type.isList ? (node.type, 0) : nil
        case .decimal:
            if case .decimal = node.type { return (node.type, 0) }
            return nil
        default:
            guard let wanted = plain else { return nil }
            if node.type == wanted { return (wanted, 0) }
            guard Coercion.isLossless(node.type, wanted) else { return nil }
            return (wanted, 1)
        }
    }

    /// The one type it asks for, if it is one.
    var type: ColumnType? { plain }

    private var plain: ColumnType? {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .bytes: .bytes
        case .timestamp: .timestamp
        case .date: .date
        case .interval: .interval
        case .decimal, .anyList, .any: nil
        }
    }

    /// The type as a message names it.
    var name: String {
        switch self {
        case .decimal: "decimal"
        case .anyList: "list"
        case .any: "any"
        default: plain.map { "\($0)" } ?? ""
        }
    }
}

/// One way to call a function.
struct Overload {
    let parameters: [Parameter]
    /// Accepts the arguments after `parameters`.
    let rest: Parameter?
    let canFail: Bool
    let result: ([ColumnType]) -> ColumnType
    let kernel: KernelNode.Kernel

    init(
        _ parameters: [Parameter], rest: Parameter? = nil, canFail: Bool = false,
        of result: @escaping ([ColumnType]) -> ColumnType, _ kernel: @escaping KernelNode.Kernel
    ) {
        self.parameters = parameters
        self.rest = rest
        self.canFail = canFail
        self.result = result
        self.kernel = kernel
    }

    init(
        _ parameters: [Parameter], rest: Parameter? = nil, canFail: Bool = false,
        _ result: ColumnType, _ kernel: @escaping KernelNode.Kernel
    ) {
        self.init(parameters, rest: rest, canFail: canFail, of: { _ in result }, kernel)
    }

    private func match(_ arguments: [ScalarFunction.Argument]) -> (types: [ColumnType], Int)? {
        guard
            arguments.count == parameters.count
                || (rest != nil && arguments.count > parameters.count)
        else { return nil }
        var types: [ColumnType] = []
        var distance = 0
        for (index, argument) in arguments.enumerated() {
            guard let parameter = index < parameters.count ? parameters[index] : rest,
                let (type, far) = parameter.accept(argument.node)
            else { return nil }
            types.append(type)
            distance += far
        }
        return (types, distance)
    }

    static func bind(
        _ name: String, _ signature: String, _ overloads: [Overload],
        _ arguments: [ScalarFunction.Argument], _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        var best: (overload: Overload, types: [ColumnType], distance: Int)?
        for overload in overloads {
            guard let (types, distance) = overload.match(arguments) else { continue }
            if best == nil || distance < best!.distance { best = (overload, types, distance) }
        }
        guard let best else { throw misfit(name, signature, overloads, arguments, range) }
        var nodes: [ExpressionNode] = []
        for (argument, type) in zip(arguments, best.types) {
            nodes.append(try Coercion.implicit(argument.node, as: type, at: argument.range))
        }
        return KernelNode(
            type: best.overload.result(best.types), nodes, canFail: best.overload.canFail,
            best.overload.kernel
        ).folded
    }

    private static func misfit(
        _ name: String, _ signature: String, _ overloads: [Overload],
        _ arguments: [ScalarFunction.Argument], _ range: Range<Int>
    ) -> ExpressionError {
        let counted = overloads.filter {
            $0.parameters.count == arguments.count
                || ($0.rest != nil && arguments.count > $0.parameters.count)
        }
        guard let nearest = counted.first else {
            return ExpressionError(
                "\(name) does not take \(arguments.count) "
                    + (arguments.count == 1 ? "argument" : "arguments"), at: range,
                fix: "write \(signature)")
        }
        for (index, argument) in arguments.enumerated() {
            let parameter =
                index < nearest.parameters.count ? nearest.parameters[index] : nearest.rest
            guard let parameter, parameter.accept(argument.node) == nil else { continue }
            let canCast = parameter.name != "list" && parameter.name != "decimal"
            return ExpressionError(
                "\(name) takes \(parameter.name) here, and this is \(argument.node.type)",
                at: argument.range,
                fix: canCast ? "write cast(… as \(parameter.name)) around it" : "write \(signature)"
            )
        }
        let types = arguments.map { "\($0.node.type)" }.joined(separator: ", ")
        return ExpressionError(
            "\(name) does not take (\(types))", at: range, fix: "write \(signature)")
    }
}
