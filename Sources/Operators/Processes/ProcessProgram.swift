import StreamRuntime

/// A checked state machine, ready to run on rows of the schema it was compiled for.
///
/// - Note: never changed after it was made, so that one may serve several workers at once.
public final class ProcessProgram: @unchecked Sendable {
    /// What is done with a row or a timer for which the condition holds.
    struct Entry {
        /// Where it stands in the declaration.
        let position: Int
        let condition: CompiledExpression?
        /// Parts of the condition that only need the row: where one of them is not true, it does not hold.
        let filters: [CompiledExpression]
        /// Whether the filters are the condition.
        let isFilter: Bool
        /// State columns and what they get.
        let sets: [(column: Int, value: CompiledExpression)]
        /// Timers and when they are due.
        let timers: [(timer: Int, due: CompiledExpression)]
        /// For each row out a value for each column of it.
        let emits: [[CompiledExpression]]
        let clears: Bool
        /// Columns of the schema that the condition reads, and those that the rest does.
        let tested: Set<Int>
        let used: Set<Int>
    }

    /// The columns of the rows in.
    public let input: Schema
    /// The columns of the rows out.
    public let outputSchema: Schema
    /// The columns that make the key.
    public let keys: [Int]
    /// The columns of the rows in that any expression reads.
    public let columns: Set<Int>
    /// Whether an expression can fail.
    public let canFail: Bool
    /// For each key column the column of the rows out that always holds it; nil when one has none.
    public let keyNames: [String]?
    /// The input columns, then the state.
    let rowSchema: Schema
    /// The key columns, then the state.
    let timerSchema: Schema
    let state: [Field]
    /// One row for each column of the state.
    let initial: [Column]
    /// Ascending, so that the position is the order among timers of one time.
    let timers: [String]
    let rowEntries: [Entry]
    /// The entries of each timer.
    let timerEntries: [[Entry]]
    let timeToLive: Int64?
    /// Whether rows out need more than the order of what caused them to be told apart.
    let numbersRows: Bool

    init(
        input: Schema, output: Schema, keys: [Int], spec: ProcessSpec, initial: [Column],
        timers: [String], entries: [Entry], keyNames: [String]?
    ) {
        self.input = input
        outputSchema = output
        self.keys = keys
        self.keyNames = keyNames
        state = spec.state.map { Field($0.name, $0.type) }
        rowSchema = Schema(input.fields + state)
        timerSchema = Schema(keys.map { input.fields[$0] } + state)
        self.initial = initial
        self.timers = timers
        var rows: [Entry] = []
        var ofTimers = timers.map { _ in [Entry]() }
        var columns = Set(keys)
        for entry in entries {
            switch spec.entries[entry.position].cause {
            case .row:
                rows.append(entry)
                columns.formUnion(entry.tested.union(entry.used).filter { $0 < input.count })
            case .timer(let name):
                if let timer = timers.firstIndex(of: name) { ofTimers[timer].append(entry) }
            }
        }
        rowEntries = rows
        timerEntries = ofTimers
        self.columns = columns
        canFail = entries.contains { entry in
            entry.condition?.canFail ?? false || entry.sets.contains { $0.value.canFail }
                || entry.timers.contains { $0.due.canFail }
                || entry.emits.joined().contains { $0.canFail }
        }
        timeToLive = spec.timeToLive?.micros
        numbersRows = timers.count > 1 || entries.contains { $0.emits.count > 1 }
    }

    /// The program of `spec` over rows of `input` with the key columns `keys`, or everything wrong with it.
    public static func compile(
        _ spec: ProcessSpec, input: Schema, keys: [Int]
    ) -> (program: ProcessProgram?, problems: [ProcessProblem]) {
        var compiler = ProcessCompiler(spec: spec, input: input, keys: keys)
        let program = compiler.compile()
        return (compiler.problems.isEmpty ? program : nil, compiler.problems)
    }
}
