import StreamRuntime

/// Lets the results of an aggregate pass for which a condition over them is true.
///
/// - Shape: the inner step's results without the columns behind `columns`, which serve the condition alone. Of
///   rows that stay, those that hold it come out. Of a changelog of keys, a result that does not hold it
///   deletes its key; of a full one what is replaced leaves, and what replaces it enters, each if it holds it.
public final class Having: Operator {
    private let inner: any Operator
    private let predicate: CompiledExpression
    private let columns: Int
    private let schema: Schema
    private let changelog: Changelog?
    private var rejection: Rejection

    /// As the inner step has it.
    public var needsOrderedInput: Bool { inner.needsOrderedInput }

    /// The results of `inner`, which are of `schema`, for which `predicate` is true; the first `columns` of them.
    public init(
        _ inner: any Operator, schema: Schema, predicate: CompiledExpression, columns: Int,
        changelog: Changelog?, onError: FailurePolicy
    ) {
        precondition(predicate.type == .bool, "a condition is true or false")
        self.inner = inner
        self.predicate = predicate
        self.columns = columns
        self.schema = Schema(Array(schema.fields.prefix(columns)))
        self.changelog = changelog
        rejection = Rejection(policy: onError)
    }

    /// Opens the inner step.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        try inner.open(context)
    }

    /// Hands the rows to the inner step.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let gate = Gate(self, output)
        try inner.process(batch, into: gate)
        if let failure = gate.failure { throw failure }
    }

    /// Lets the inner step do what is due.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        let gate = Gate(self, output)
        let progress = try inner.advance(to: watermark, into: gate)
        if let failure = gate.failure { throw failure }
        return progress
    }

    /// Lets the inner step keep what it has.
    public func flush() throws(JobFailure) { try inner.flush() }

    fileprivate func pass(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var errors = RejectedRows()
        let truths = predicate.evaluate(batch, errors: &errors)
        let sound = try rejection.settle(errors, of: batch, into: output)
        var kept: [Int32] = []
        kept.reserveCapacity(batch.count)
        let kinds = Column(.bool, capacity: batch.count)
        let changes = batch.changes?.bools
        var isRejected = [Bool](repeating: sound != nil, count: sound == nil ? 0 : batch.count)
        for row in sound ?? [] { isRejected[Int(row)] = false }
        func holds(_ row: Int) -> Bool {
            truths.isValid(row) && truths.bools[row] != 0
                && (isRejected.isEmpty || !isRejected[row])
        }
        for row in 0..<batch.count {
            let kind = changes.flatMap { RowChange(rawValue: $0[row]) } ?? .insert
            let passed: RowChange?
            switch (changelog, kind) {
            case (nil, _): passed = holds(row) ? kind : nil
            case (.upsert, .updateBefore): passed = nil
            case (.upsert, _): passed = holds(row) ? kind : .delete
            case (.full, .updateBefore):
                // What replaces it is the next row.
                let isReplaced = row + 1 < batch.count && holds(row + 1)
                passed = holds(row) ? (isReplaced ? .updateBefore : .delete) : nil
            case (.full, .updateAfter):
                let didReplace =
                    row > 0 && changes?[row - 1] == RowChange.updateBefore.rawValue
                    && holds(row - 1)
                passed = holds(row) ? (didReplace ? .updateAfter : .insert) : nil
            case (.full, _): passed = holds(row) ? kind : nil
            }
            guard let passed else { continue }
            kinds.bools[kept.count] = passed.rawValue
            kept.append(Int32(row))
        }
        if kept.isEmpty { return }
        let rows = batch.gathered(kept, count: kept.count)
        let result = ColumnBatch(
            schema: schema, columns: Array(rows.columns.prefix(columns)), order: rows.order,
            count: rows.count)
        if changes != nil {
            kinds.setCount(kept.count)
            result.changes = kinds
        }
        output.emit(result)
    }

    /// Takes what the inner step emits.
    private final class Gate: Output {
        private let having: Having
        private let output: any Output
        private(set) var failure: JobFailure?

        init(_ having: Having, _ output: any Output) {
            self.having = having
            self.output = output
        }

        func emit(_ batch: ColumnBatch, port: Int) {
            if port != 0 { return output.emit(batch, port: port) }
            guard batch.count > 0, failure == nil else { return }
            do throws(JobFailure) { try having.pass(batch, into: output) } catch { failure = error }
        }

        func promise(_ place: OrderPlace) { output.promise(place) }
    }
}
