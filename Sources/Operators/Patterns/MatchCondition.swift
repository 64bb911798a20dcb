import StreamRuntime

/// The condition of one name, asked for one row at a time, in memory that is used again.
final class MatchCondition {
    private let expression: CompiledExpression
    /// Columns that the condition reads of the row, and where they are among the kept ones.
    private let read: [(column: Column, slot: Int)]
    private let measured: [(column: Column, tally: Int, measure: MatchMeasure, slot: Int?)]
    private var batch: ColumnBatch

    /// - Parameter tallies: where the definition's measures are among the tallied ones.
    init?(
        _ definition: MatchProgram.Definition, _ input: Schema, slots: [Int: Int], tallies: [Int]
    ) {
        guard let condition = definition.condition else { return nil }
        expression = condition
        let unread = Column(.bool, capacity: 1)
        unread.append(false)
        var fields = input.fields
        var columns: [Column] = []
        var read: [(column: Column, slot: Int)] = []
        for (index, field) in input.fields.enumerated() {
            guard condition.columns.contains(index), let slot = slots[index] else {
                columns.append(unread)
                continue
            }
            let column = Column(field.type, capacity: 1)
            columns.append(column)
            read.append((column, slot))
        }
        var measured: [(column: Column, tally: Int, measure: MatchMeasure, slot: Int?)] = []
        for (index, measure) in definition.measures.enumerated() {
            let column = Column(measure.type, capacity: 1)
            columns.append(column)
            fields.append(Field("$\(index)", measure.type))
            measured.append((column, tallies[index], measure, measure.column.flatMap { slots[$0] }))
        }
        self.read = read
        self.measured = measured
        batch = ColumnBatch(schema: Schema(fields), capacity: 1)
        batch.columns = columns
        batch.count = 1
    }

    /// Whether row `start + row` meets it after the rows before it: `tallies` are the measures before each row,
    /// `width` of them a row.
    func holds(
        _ rows: MatchRows, _ start: Int, _ row: Int, _ tallies: [MatchTally], _ width: Int
    ) -> Bool {
        let place = start + row
        for one in read {
            one.column.removeAll()
            one.column.append(from: rows.batch.columns[one.slot], row: place)
        }
        for one in measured {
            one.column.removeAll()
            tallies[row * width + one.tally].passing(one.measure) {
                tallies[$0 * width + one.tally]
            }.append(
                to: one.column, one.measure, one.slot.map { rows.batch.columns[$0] }, start)
        }
        batch.order.removeAll()
        batch.order.append(from: rows.batch.order, row: place)
        var errors = RejectedRows()
        let truth = expression.evaluate(batch, errors: &errors)
        return errors.rejects.isEmpty && truth.isValid(0) && truth.bools[0] != 0
    }
}
