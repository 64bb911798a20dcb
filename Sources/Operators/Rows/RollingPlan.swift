import StreamRuntime

/// What a rolling step keeps of every row: the arguments and filters of all its aggregates, each once.
struct RollingArguments {
    private(set) var expressions: [CompiledExpression] = []
    private(set) var fields: [Field] = []
    private var positions: [String: Int] = [:]

    var schema: Schema { Schema(fields) }

    /// The column that `expression` becomes.
    mutating func add(_ expression: CompiledExpression) -> Int {
        let identity = "\(expression.type) \(expression.text)"
        if let position = positions[identity] { return position }
        let position = expressions.count
        positions[identity] = position
        expressions.append(expression)
        fields.append(Field("$\(position)", expression.type))
        return position
    }

    /// The arguments of the rows of `batch`, in their order.
    func evaluate(_ batch: ColumnBatch, errors: inout RejectedRows) -> ColumnBatch {
        ColumnBatch(
            schema: schema, columns: expressions.map { $0.evaluate(batch, errors: &errors) },
            order: batch.order, count: batch.count)
    }
}

/// One window width of a rolling step and how its results are computed.
final class RollingWidth {
    let micros: Int64
    let plan: AggregatePlan
    /// Counts and exact sums, kept as plain words beside the key's positions in its log.
    private(set) var sums: [RollingSum] = []
    /// The calls that `sums` compute, as positions in the plan.
    private(set) var sumCalls: [Int] = []
    /// All other aggregates.
    private(set) var groups: [RollingGroup] = []

    init(
        _ over: Duration, _ plan: AggregatePlan, _ arguments: inout RollingArguments
    ) throws(JobFailure) {
        micros = over.micros
        self.plan = plan
        var invertible: [(Int, AggregateCall)] = []
        var others: [(Int, AggregateCall)] = []
        for (index, call) in plan.calls.enumerated() {
            let columns = call.arguments.map { arguments.add($0) }
            let filter = call.filter.map { arguments.add($0) }
            if let sum = RollingSum(call, columns.first, filter) {
                sums.append(sum)
                sumCalls.append(index)
                continue
            }
            let bound = RollingWidth.bind(call, columns, filter)
            switch call.function {
            case .minimum, .maximum, .first, .last, .anyValue, .argumentMinimum, .argumentMaximum:
                others.append((index, bound))
            default: invertible.append((index, bound))
            }
        }
        // Apart, so that what cannot be taken out of a window is counted anew without the rest.
        for (name, calls) in [("kept", invertible), ("renewed", others)] where !calls.isEmpty {
            groups.append(
                try RollingGroup(
                    name: "\(name) \(over.micros)", calls: calls.map(\.1), positions: calls.map(\.0)
                ))
        }
    }

    /// `call` over columns of the kept arguments.
    private static func bind(
        _ call: AggregateCall, _ columns: [Int], _ filter: Int?
    ) -> AggregateCall {
        let arguments = zip(call.arguments, columns).map { argument, column in
            CompiledExpression(
                text: argument.text, node: ColumnNode(index: column, type: argument.type))
        }
        return AggregateCall(
            function: call.function, arguments: arguments, isDistinct: call.isDistinct,
            filter: filter.map {
                CompiledExpression(text: "filter", node: ColumnNode(index: $0, type: .bool))
            },
            // The log has every row of the window anyway: distinct values are counted exactly.
            parameter: call.function == .approximateDistinct ? 1 : call.parameter,
            resultType: call.resultType, text: call.text)
    }
}

/// How a row is kept in a key's log, in words: event time, a validity bit per argument, the row's origin,
/// offset and element if they are needed, and the arguments: one word each, two for decimals.
/// Strings, lists and structs are a view into the bytes kept beside the records.
struct RollingRecord {
    let stride: Int
    let keepsPlace: Bool
    private let words: [Int]
    let types: [ColumnType]

    init(_ schema: Schema, keepsPlace: Bool) {
        self.keepsPlace = keepsPlace
        types = schema.fields.map(\.type)
        precondition(types.count <= 64, "a bit for every argument")
        var at = keepsPlace ? 5 : 2
        var words: [Int] = []
        for type in types {
            words.append(at)
            at += RollingRecord.isApart(type) ? 1 : max(type.stride / 8, 1)
        }
        self.words = words
        stride = at
    }

    static func isApart(_ type: ColumnType) -> Bool {
        switch type {
        case .string, .bytes, .list, .structure: true
        default: false
        }
    }

    @inline(__always) func word(_ argument: Int) -> Int { words[argument] }

    @inline(__always)
    func isValid(_ record: UnsafePointer<Int64>, _ argument: Int) -> Bool {
        UInt64(bitPattern: record[1]) &>> UInt64(argument) & 1 != 0
    }

    /// Writes row `row` of `batch` to `record`; bytes that lie apart are appended to `apart`.
    func encode(
        _ batch: ColumnBatch, _ row: Int, to record: UnsafeMutablePointer<Int64>, apart: ByteArena
    ) {
        record[0] = batch.order.eventTimes.int64s[row]
        if keepsPlace {
            record[2] = batch.order.origins.int64s[row]
            record[3] = batch.order.offsets.int64s[row]
            record[4] = batch.order.elements?.int64s[row] ?? 0
        }
        var valid: UInt64 = 0
        for argument in 0..<types.count {
            let column = batch.columns[argument]
            let at = words[argument]
            if column.isValid(row) {
                valid |= 1 &<< UInt64(argument)
            } else {
                record[at] = 0
                if case .decimal = types[argument] { record[at + 1] = 0 }
                continue
            }
            switch types[argument] {
            case .bool: record[at] = Int64(column.bools[row])
            case .int64, .float64, .timestamp, .date: record[at] = column.int64s[row]
            case .decimal, .interval:
                record[at] = column.int64s[row * 2]
                record[at + 1] = column.int64s[row * 2 + 1]
            case .string, .bytes, .list, .structure:
                let start = apart.count
                ValueBytes.append(column, row, to: apart)
                record[at] = Int64(
                    bitPattern: ByteView.pack(start: start, length: apart.count - start))
            }
        }
        record[1] = Int64(bitPattern: valid)
    }

    /// Appends the row that `record` holds to `batch`; `apart` are the bytes beside the records.
    func decode(
        _ record: UnsafePointer<Int64>, apart: UnsafePointer<UInt8>?, into batch: ColumnBatch
    ) {
        for argument in 0..<types.count {
            let column = batch.columns[argument]
            let at = words[argument]
            if !isValid(record, argument) {
                column.appendNull()
                continue
            }
            switch types[argument] {
            case .bool: column.append(record[at] != 0)
            case .int64, .timestamp, .date: column.append(record[at])
            case .float64: column.append(Double(bitPattern: UInt64(bitPattern: record[at])))
            case .decimal:
                column.append(
                    Int128(record[at + 1]) << 64 | Int128(UInt64(bitPattern: record[at])))
            case .interval:
                column.append(
                    UnsafeRawPointer(record + at).loadUnaligned(as: Interval.self))
            case .string, .bytes, .list, .structure:
                var bytes = apart! + ByteView.start(UInt64(bitPattern: record[at]))
                ValueBytes.read(&bytes, into: column)
            }
        }
        let hasPlace = keepsPlace
        batch.order.append(
            eventTime: record[0], watermark: .min, origin: hasPlace ? record[2] : 0,
            offset: hasPlace ? record[3] : 0)
        batch.order.elements?.append(hasPlace ? record[4] : 0)
        batch.count += 1
    }
}
