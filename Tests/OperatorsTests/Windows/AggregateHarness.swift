import Operators
import StreamRuntime
import Testing

/// A harness around an aggregate step: `select` is written as in a pipelines file.
func aggregateHarness(
    _ header: String, by keys: [String], _ window: Window,
    select: [(name: String, text: String)], allowed: String = "00:00", disorder: String = "00:00",
    onError: FailurePolicy = .fail
) throws -> OperatorHarness {
    try OperatorHarness(header, keys: keys, disorder: disorder) { schema in
        let plan = try ExpressionCompiler(schema: schema).compileAggregates(select, keys: keys)
        return try AggregateSpec(
            window: window, plan: plan, allowedLateness: TableText.micros(allowed), latePort: 1,
            onError: onError
        ).makeOperator(input: schema)
    }
}

let second: Int64 = 1_000_000
