import StreamRuntime

/// What is asked of the rows of a match that have a name: the last one's amount, how many there are.
struct MatchMeasure: Equatable {
    enum Function: String {
        case first, last, count, sum, avg, min, max
    }

    let function: Function
    /// The name of the rows; nil for all of them.
    let name: Int?
    /// The column of the rows in; nil to count rows.
    let column: Int?
    let type: ColumnType
    /// How many rows are passed over first, of `first` from the first one on, of `last` from the last one back.
    var offset = 0
}

/// A checked pattern, ready to run on rows of the schema it was compiled for.
///
/// - Note: never changed after it was made, so that one may serve several workers at once.
public final class MatchProgram: @unchecked Sendable {
    /// When a row may have a name.
    struct Definition {
        /// Parts of the condition that need the row only.
        let filters: [CompiledExpression]
        /// The condition over the row's columns and `measures`; nil when the filters are all of it.
        let condition: CompiledExpression?
        let measures: [MatchMeasure]
    }

    /// The columns of the rows in.
    public let input: Schema
    /// The key columns and then what is told of a match.
    public let outputSchema: Schema
    /// The columns that make the key.
    public let keys: [Int]
    /// The columns of the rows in that any expression reads.
    public let columns: Set<Int>
    /// Whether an expression can fail.
    public let canFail: Bool
    let pattern: MatchPattern
    let definitions: [Definition]
    /// The names a first row may have, as bits.
    let beginners: UInt64
    /// Whether what a row may be called depends on rows before it.
    let looksBack: Bool
    let measures: [MatchMeasure]
    /// The key columns and then the measures of `select`.
    let resultSchema: Schema
    let outputs: [CompiledExpression]
    let within: Int64
    let skip: MatchSkip
    /// The number of the name that `skip` speaks of.
    let skipName: UInt8?
    let rowsMax: Int
    /// Columns of the rows in that are kept, and their schema with the names a row may have.
    let kept: [Int]
    let keptSchema: Schema

    init(
        spec: MatchSpec, input: Schema, keys: [Int], pattern: MatchPattern,
        definitions: [Definition], measures: [MatchMeasure], outputs: [CompiledExpression]
    ) {
        self.input = input
        self.keys = keys
        self.pattern = pattern
        self.definitions = definitions
        self.measures = measures
        self.outputs = outputs
        within = spec.within.micros
        skip = spec.skip
        skipName = spec.skip.name.flatMap(pattern.names.firstIndex).map { UInt8($0) }
        rowsMax = spec.rowsMax
        let keyFields = keys.map { input.fields[$0] }
        resultSchema = Schema(
            keyFields + measures.enumerated().map { Field("$\($0.offset)", $0.element.type) })
        outputSchema = Schema(
            keyFields + zip(spec.select, outputs).map { Field($0.name, $1.type) })
        looksBack = definitions.contains { !$0.measures.isEmpty }
        var kept = Set(keys)
        for measure in measures + definitions.flatMap(\.measures) {
            if let column = measure.column { kept.insert(column) }
        }
        var columns = kept
        for definition in definitions {
            for filter in definition.filters { columns.formUnion(filter.columns) }
            for column in definition.condition?.columns ?? [] where column < input.count {
                kept.insert(column)
                columns.insert(column)
            }
        }
        self.kept = kept.sorted()
        self.columns = columns
        keptSchema = Schema(self.kept.map { input.fields[$0] } + [Field("$names", .int64)])
        canFail =
            outputs.contains(where: \.canFail)
            || definitions.contains { $0.filters.contains(where: \.canFail) }
        var beginners: UInt64 = 0
        var open = [0]
        var seen: Set<Int> = []
        while let place = open.popLast() {
            guard seen.insert(place).inserted else { continue }
            switch pattern.instructions[place] {
            case .row(let name): beginners |= 1 << UInt64(name)
            case .either(let left, let right): open += [left, right]
            case .jump(let target): open.append(target)
            case .done: break
            }
        }
        self.beginners = beginners
    }

    /// The program of `spec` over rows of `input` with the key columns `keys`, or everything wrong with it.
    public static func compile(
        _ spec: MatchSpec, input: Schema, keys: [Int]
    ) -> (program: MatchProgram?, problems: [MatchProblem]) {
        var compiler = MatchCompiler(spec: spec, input: input, keys: keys)
        let program = compiler.compile()
        return (program, compiler.problems)
    }
}
