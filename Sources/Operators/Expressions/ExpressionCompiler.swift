import StreamRuntime

/// Checks SQL scalar expressions and aggregates against a schema.
///
/// - Source: DuckDB's language and behaviour; `docs/FUNCTIONS.md` lists what differs.
public struct ExpressionCompiler: Sendable {
    /// The columns an expression may name.
    public let schema: Schema

    /// A compiler of expressions over the columns of `schema`.
    public init(schema: Schema) { self.schema = schema }

    /// The expression `text`, of the type it has by itself.
    ///
    /// - Throws: the first thing wrong with it, with its place in `text`.
    public func compile(_ text: String) throws(ExpressionError) -> CompiledExpression {
        let binder = Binder(schema: schema, text: text)
        let node = try binder.bind(try Parser.parse(text))
        return CompiledExpression(text: text, node: node)
    }

    /// The expression `text` as `type`; a cast that may lose something must be written.
    public func compile(
        _ text: String, as type: ColumnType
    ) throws(ExpressionError) -> CompiledExpression {
        let binder = Binder(schema: schema, text: text)
        let syntax = try Parser.parse(text)
        let node = try binder.bind(syntax)
        do {
            return CompiledExpression(
                text: text, node: try Coercion.implicit(node, as: type, at: syntax.range))
        } catch  where !Coercion.isUntyped(node) {
            let canCast = CastKernels.isAllowed(node.type, type)
            throw ExpressionError(
                "this is \(node.type), but \(type) is wanted", at: syntax.range,
                fix: canCast ? "write cast(\(text) as \(type))" : nil)
        } catch {
            throw error
        }
    }

    /// The outputs of an aggregating step: aggregate calls, key columns, and expressions over both.
    ///
    /// - Shape: `items` are outputs in order; `keys` names columns of the schema.
    public func compileAggregates(
        _ items: [(name: String, text: String)], keys: [String]
    ) throws(NamedExpressionError) -> AggregatePlan {
        let scope = AggregateScope(schema: schema, keys: keys)
        var outputs: [(name: String, expression: CompiledExpression)] = []
        for (name, text) in items {
            do {
                let binder = Binder(schema: schema, aggregates: scope, text: text)
                let node = try binder.bind(try Parser.parse(text))
                outputs.append((name, CompiledExpression(text: text, node: node)))
            } catch {
                throw NamedExpressionError(name: name, error: error)
            }
        }
        return AggregatePlan(
            calls: scope.calls, resultSchema: scope.resultSchema, outputs: outputs)
    }

    /// The type that `text` names in a pipelines file or a cast, or nil.
    public static func type(named text: String) -> ColumnType? { TypeText.parse(text) }
}
