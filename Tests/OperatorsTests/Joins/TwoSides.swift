import Operators
import StreamRuntime

/// Feeds a join from one table of rows of both sides: a row with `side` 'r' is a right one.
///
/// - Shape: the columns are `side`, the left columns, the right columns. Both sides have `k`, in the left
///   columns, as the column that is compared; a right row's fields are `k` and the right columns.
final class TwoSides: StreamRuntime.Operator {
    private let left: Schema
    private let right: Schema
    private let leftSide: JoinSide
    private let rightSide: JoinSide
    private let join: any StreamRuntime.Operator
    private let leftColumns: [Int]
    private let rightColumns: [Int]

    var needsOrderedInput: Bool { join.needsOrderedInput }

    /// The sides and what joins them; right columns begin with "r_", which their fields do not have.
    init(
        _ schema: Schema, key: [String] = ["k"], tableKey: [String] = [], type: JoinType,
        where condition: String? = nil, _ make: (JoinForm) -> any StreamRuntime.Operator
    ) throws {
        let names = schema.fields.map(\.name)
        leftColumns = names.indices.filter { names[$0] != "side" && !names[$0].hasPrefix("r_") }
        rightColumns = names.indices.filter { key.contains(names[$0]) || names[$0].hasPrefix("r_") }
        left = Schema(leftColumns.map { schema.fields[$0] })
        right = Schema(
            rightColumns.map { index in
                let field = schema.fields[index]
                let name = field.name.hasPrefix("r_") ? String(field.name.dropFirst(2)) : field.name
                return Field(name, field.type)
            })
        let leftKeys = key.map { [left] in left.index(of: $0)! }
        leftSide = .left(left, alias: "r")
        rightSide = .right(
            right, left: left, alias: "r", leftKeys: leftKeys,
            rightKeys: key.map { [right] in right.index(of: $0)! },
            kept: Array(right.fields.indices),
            tableKey: tableKey.map { [right] in right.index(of: $0)! },
            keepsIncomplete: type.showsUnmatchedRight)
        let rightKeys = key.map { [right] in right.index(of: $0)! }
        let bare = JoinForm(
            input: leftSide.outputSchema, right: right.fields, type: type, keys: leftKeys,
            rightKeys: rightKeys)
        let compiled = try condition.map {
            try ExpressionCompiler(schema: bare.pairSchema).compile($0)
        }
        join = make(
            JoinForm(
                input: leftSide.outputSchema, right: right.fields, type: type, keys: leftKeys,
                rightKeys: rightKeys, condition: compiled, onError: .deadLetter(port: 1)))
    }

    func open(_ context: OperatorContext) throws(JobFailure) { try join.open(context) }

    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let sides = batch.columns[batch.schema.index(of: "side")!]
        var lefts: [Int32] = []
        var rights: [Int32] = []
        for row in 0..<batch.count {
            if sides.string(row) == "r" {
                rights.append(Int32(row))
            } else {
                lefts.append(Int32(row))
            }
        }
        let parts = [
            try shared(batch, lefts, leftColumns, left, leftSide),
            try shared(batch, rights, rightColumns, right, rightSide),
        ]
        let picks = parts.enumerated().flatMap { part, content in
            (0..<(content?.batch.count ?? 0)).map { row in
                (content!.rows[row], RowPick(batch: Int32(part), row: Int32(row)))
            }
        }.sorted { $0.0 < $1.0 }.map(\.1)
        if picks.isEmpty { return }
        let empty = ColumnBatch(schema: leftSide.outputSchema, capacity: 1)
        empty.keys = KeyEncoder(columns: []).encode(empty)
        let together = BatchBuilder.gather(
            picks, count: picks.count, from: parts.map { $0?.batch ?? empty },
            schema: leftSide.outputSchema)
        try join.process(together, into: output)
    }

    func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress { try join.advance(to: watermark, into: output) }

    func flush() throws(JobFailure) { try join.flush() }

    /// The rows of one side in the shared form, and which rows of the batch they are.
    private func shared(
        _ batch: ColumnBatch, _ rows: [Int32], _ columns: [Int], _ schema: Schema, _ side: JoinSide
    ) throws(JobFailure) -> (batch: ColumnBatch, rows: [Int32])? {
        if rows.isEmpty { return nil }
        let part = batch.gathered(rows, count: rows.count)
        // Rows without a key are left out: the offset says which came through.
        let numbers = Column(.int64, capacity: rows.count)
        for row in rows { numbers.append(Int64(row)) }
        let plain = ColumnBatch(
            schema: schema, columns: columns.map { part.columns[$0] }, order: part.order,
            count: part.count)
        plain.changes = part.changes
        plain.raw = Column(.bytes, capacity: rows.count)
        for row in rows { plain.raw!.append("\(row)") }
        let collected = OneBatch()
        try side.process(plain, into: collected)
        guard let result = collected.batch, result.count > 0 else { return nil }
        let kept = (0..<result.count).map { Int32(result.raw!.string($0))! }
        result.raw = nil
        result.keys = batch.keys!.gathered(kept, count: kept.count)
        return (result, kept)
    }
}

private final class OneBatch: Output {
    var batch: ColumnBatch?

    func emit(_ batch: ColumnBatch, port: Int) { self.batch = batch }
}
