import StreamRuntime

/// Sends each row one way: to the port of the first condition that is true, or to port 0.
///
/// - Shape: rows are unchanged; condition i leads to port i + 1. A condition is evaluated only for the
///   rows that no earlier one took. Rows it fails on are settled by `onError`.
public final class Route: StreamRuntime.Operator {
    private let conditions: [CompiledExpression]
    private let buffer = EntryBuffer()
    private var rejection: Rejection

    /// Routes by `conditions`, each a bool.
    public init(conditions: [CompiledExpression], onError: FailurePolicy = .fail) {
        precondition(conditions.allSatisfy { $0.type == .bool }, "conditions are true or false")
        self.conditions = conditions
        rejection = Rejection(policy: onError)
    }

    /// Remembers the step's place for dead letters.
    public func open(_ context: OperatorContext) throws(JobFailure) { rejection.open(context) }

    /// Hands on the rows of `batch`, each on its port.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var rest = batch
        for (index, condition) in conditions.enumerated() where rest.count > 0 {
            var errors = RejectedRows()
            let truths = condition.evaluate(rest, errors: &errors)
            let sound = try rejection.settle(errors, of: rest, into: output)
            buffer.reserve(rest.count)
            let taken = Filter.select(truths, rest.count, into: buffer.rows)
            if taken == 0, sound == nil { continue }
            if taken > 0 {
                output.emit(rest.gathered(buffer.rows, count: taken), port: index + 1)
            }
            var isTaken = [Bool](repeating: false, count: rest.count)
            for slot in 0..<taken { isTaken[Int(buffer.rows[slot])] = true }
            let left = (sound ?? (0..<Int32(rest.count)).map { $0 }).filter { !isTaken[Int($0)] }
            rest = rest.gathered(left, count: left.count)
        }
        if rest.count > 0 { output.emit(rest) }
    }
}
