import Operators
import StreamRuntime

/// Makes the operators that planned steps ask for: one instance for each worker.
enum StepFactory {
    /// An operator of its own for `step`.
    ///
    /// - Throws: never for a step of a checked plan whose verb this version has.
    ///
    /// - Parameter takesPartials: whether the rows of hot keys come summed up by `makePartial`.
    static func makeOperator(
        _ step: PlannedStep, takesPartials: Bool = false
    ) throws(JobFailure) -> any Operator {
        let schema = step.inputSchema
        let onError = step.onError
        switch step.operation {
        case .filter(let predicate):
            return Filter(
                predicate: try compile(predicate, step), onError: onError,
                changelog: step.changelog)
        case .select(let items):
            return Project(selecting: try compile(items, step), onError: onError)
        case .extend(let items):
            return Project(extending: schema, with: try compile(items, step), onError: onError)
        case .unnest(let list, let alias):
            return Unnest(
                schema: schema, list: try compile(list, step), alias: alias, onError: onError,
                changelog: step.changelog)
        case .route(let conditions):
            var compiled: [CompiledExpression] = []
            for condition in conditions { compiled.append(try compile(condition, step)) }
            return Route(conditions: compiled, onError: onError, changelog: step.changelog)
        case .deduplicate(let within): return Deduplicate(within: within)
        case .latest(let order, let stalePort):
            return Latest(
                order: try compile(order, step), stalePort: stalePort, onError: onError)
        case .rebatch(let size, let linger):
            return Rebatch(schema: schema, keys: step.keys, size: size, linger: linger)
        case .process(let spec):
            let (program, problems) = ProcessProgram.compile(spec, input: schema, keys: step.keys)
            guard let program else {
                throw refused(step, problems.first?.error.message ?? "the step cannot be made")
            }
            return KeyedProcess(program: program, onError: onError)
        case .joinSide(let shape): return makeSide(shape, schema)
        case .join(let shape): return try makeJoin(shape, step)
        case .lookup: throw refused(step, "a lookup is made with what it asks")
        case .match(let spec):
            let (program, problems) = MatchProgram.compile(spec, input: schema, keys: step.keys)
            guard let program else {
                throw refused(step, problems.first?.error.message ?? "the step cannot be made")
            }
            return Match(program: program, onError: onError)
        case .top(let shape):
            let order = SortOrder(shape.order)
            var expressions: [CompiledExpression] = []
            for item in order.items { expressions.append(try compile(item.text, step)) }
            return TopSpec(
                order: order, expressions: expressions, count: shape.count, ties: shape.ties,
                rankName: shape.rank, changes: shape.changes, input: step.changelog,
                windowEnd: shape.windowEnd, timeToLive: shape.timeToLive,
                latePort: shape.latePort, onError: onError
            ).makeOperator(schema: schema)
        case .aggregate(let window, let items, let lateness, let latePort, let results):
            let hidden = results.having.flatMap { having in
                having.isOverRows
                    ? NamedExpression(name: hiddenName(items, step), text: having.text) : nil
            }
            let spec = Operators.AggregateSpec(
                window: try self.window(window, results, step),
                plan: try aggregates(items + (hidden.map { [$0] } ?? []), step),
                allowedLateness: lateness.micros, latePort: latePort, onError: onError,
                takesBack: step.changelog == .full, takesPartials: takesPartials)
            let inner = try spec.makeOperator(input: schema)
            guard let having = results.having else { return inner }
            let predicate = try compile(hidden?.name ?? having.text, step, schema: spec.schema)
            return Having(
                inner, schema: spec.schema, predicate: predicate, columns: step.schema.count,
                changelog: results.changes ?? (step.changelog == nil ? nil : .upsert),
                onError: onError)
        case .rolling(let shape):
            var widths: [(over: Duration, plan: AggregatePlan)] = []
            for width in shape.widths {
                widths.append((over: width.over, plan: try aggregates(width.items, step)))
            }
            if let grain = shape.grain {
                if TiledSums.fits(widths[0].plan) {
                    return TiledSums(
                        schema: schema, keys: step.keys, widths: widths, grain: grain,
                        includesSelf: shape.includesSelf, onError: onError)
                }
                return try TiledRolling(
                    schema: schema, keys: step.keys, widths: widths, grain: grain,
                    includesSelf: shape.includesSelf, onError: onError)
            }
            return try Rolling(
                schema: schema, keys: step.keys, widths: widths, includesSelf: shape.includesSelf,
                delay: shape.delay, onError: onError)
        }
    }

    /// What sums up the rows of hot keys before they move to an aggregate step.
    static func makePartial(_ step: PlannedStep) throws(JobFailure) -> any Operator {
        guard case .aggregate(let window, let items, let lateness, _, let results) = step.operation
        else { throw refused(step, "only aggregates are summed up") }
        let hidden = results.having.flatMap { having in
            having.isOverRows
                ? NamedExpression(name: hiddenName(items, step), text: having.text) : nil
        }
        let spec = Operators.AggregateSpec(
            window: try self.window(window, results, step),
            plan: try aggregates(items + (hidden.map { [$0] } ?? []), step),
            allowedLateness: lateness.micros)
        return try PartialAggregate(spec, input: step.inputSchema, keys: step.keys)
    }

    /// A name that no column of the results has.
    private static func hiddenName(_ items: [NamedExpression], _ step: PlannedStep) -> String {
        var name = "having_"
        while items.contains(where: { $0.name == name }) || step.schema.index(of: name) != nil {
            name += "_"
        }
        return name
    }

    private static func window(
        _ shape: WindowShape, _ results: ResultShape, _ step: PlannedStep
    ) throws(JobFailure) -> Window {
        switch shape {
        case .none: return .none(withBefore: results.changes == .full)
        case .ended(let column):
            guard let index = step.inputSchema.index(of: column) else {
                throw refused(step, "there is no column \(column)")
            }
            return .ended(column: index)
        default: return self.window(shape)
        }
    }

    private static func window(_ shape: WindowShape) -> Window {
        switch shape {
        case .none, .ended: .none()
        case .tumble(let size): .tumble(size: size.micros)
        case .hop(let size, let every): .hop(size: size.micros, every: every.micros)
        case .session(let gap): .session(gap: gap.micros)
        case .cumulate(let size, let every): .cumulate(size: size.micros, every: every.micros)
        }
    }

    private static func aggregates(
        _ items: [NamedExpression], _ step: PlannedStep
    ) throws(JobFailure) -> AggregatePlan {
        let named = items.map { (name: $0.name, text: $0.text) }
        let keys = step.keys.map { step.inputSchema.fields[$0].name }
        do {
            return try ExpressionCompiler(schema: step.inputSchema).compileAggregates(
                named, keys: keys)
        } catch {
            throw refused(step, error.error.message)
        }
    }

    private static func compile(
        _ items: [NamedExpression], _ step: PlannedStep
    ) throws(JobFailure) -> [(name: String, expression: CompiledExpression)] {
        var compiled: [(name: String, expression: CompiledExpression)] = []
        for item in items {
            compiled.append((name: item.name, expression: try compile(item.text, step)))
        }
        return compiled
    }

    static func compile(
        _ text: String, _ step: PlannedStep, schema: Schema? = nil
    ) throws(JobFailure) -> CompiledExpression {
        do {
            return try ExpressionCompiler(schema: schema ?? step.inputSchema).compile(text)
        } catch {
            throw refused(step, error.message)
        }
    }

    private static func refused(_ step: PlannedStep, _ problem: String) -> JobFailure {
        JobFailure(
            .step, problem, at: "step \(step.id), \(step.place)",
            remedy: "run millrace validate on the pipelines file")
    }
}
