import StreamRuntime

/// Looks for a match that begins with a certain row: of all ways the pattern can be met the one that prefers
/// the earlier alternative, and more rows (or fewer, where it says so).
final class MatchMachine {
    enum Outcome {
        /// The match ends before this row.
        case match(end: Int)
        case none
        /// It depends on rows to come.
        case open
    }

    private struct Branch {
        let place: Int
        let row: Int
    }

    private let program: MatchProgram
    private let slots: [Int: Int]
    private var branches: [Branch] = []
    /// What the rows from the first one on are called.
    private(set) var called: [UInt8] = []
    private var seen: [Bool] = []

    init(_ program: MatchProgram) {
        self.program = program
        slots = Dictionary(
            uniqueKeysWithValues: program.kept.enumerated().map { ($0.element, $0.offset) })
    }

    /// The position of a measure's column among the kept ones.
    func slot(_ measure: MatchMeasure) -> Int? { measure.column.flatMap { slots[$0] } }

    /// Tries row `start` as the first one; `isLast` when no more rows within the time will come.
    func attempt(_ rows: MatchRows, from start: Int, isLast: Bool) -> Outcome {
        let limit = TimeMath.after(rows.times[start], program.within)
        let count = rows.count
        let width = count - start + 1
        let instructions = program.pattern.instructions
        // A place that was tried at a row without success need not be tried there again, unless what a row
        // may be called depends on how the rows before it were.
        let remembers = !program.looksBack
        if remembers {
            seen.removeAll(keepingCapacity: true)
            seen.append(contentsOf: repeatElement(false, count: instructions.count * width))
        }
        if called.count < width { called = [UInt8](repeating: 0, count: width * 2) }
        branches.removeAll(keepingCapacity: true)
        var place = 0
        var row = start
        var steps = 0
        search: while true {
            steps += 1
            var fails = !remembers && steps > 1_000_000
            if remembers {
                let mark = place * width + row - start
                fails = seen[mark]
                seen[mark] = true
            }
            if !fails {
                switch instructions[place] {
                case .done: return .match(end: row)
                case .jump(let target):
                    place = target
                    continue search
                case .either(let first, let other):
                    branches.append(Branch(place: other, row: row))
                    place = first
                    continue search
                case .row(let name):
                    if row == count {
                        if !isLast { return .open }
                    } else if rows.times[row] <= limit,
                        rows.names[row] & (1 << UInt64(name)) != 0,
                        holds(name, rows, start, row)
                    {
                        called[row - start] = UInt8(truncatingIfNeeded: name)
                        row += 1
                        place += 1
                        continue search
                    }
                }
            }
            guard let branch = branches.popLast() else { return .none }
            place = branch.place
            row = branch.row
        }
    }

    /// Whether a row may be called `name` after the rows from `start` on.
    private func holds(_ name: Int, _ rows: MatchRows, _ start: Int, _ row: Int) -> Bool {
        let definition = program.definitions[name]
        guard let condition = definition.condition else { return true }
        let unread = Column(.bool, capacity: 1)
        unread.setCount(1)
        var picked = Int32(row)
        var fields = program.input.fields
        var columns: [Column] = []
        for column in 0..<program.input.count {
            if condition.columns.contains(column), let slot = slots[column] {
                columns.append(rows.batch.columns[slot].gathered(&picked, count: 1))
            } else {
                columns.append(unread)
            }
        }
        for (index, measure) in definition.measures.enumerated() {
            let column = Column(measure.type, capacity: 1)
            measure.append(to: column, rows, start, row, called, column: slot(measure))
            columns.append(column)
            fields.append(Field("$\(index)", measure.type))
        }
        let batch = ColumnBatch(
            schema: Schema(fields), columns: columns,
            order: rows.batch.order.gathered(&picked, count: 1), count: 1)
        var errors = RejectedRows()
        let truth = condition.evaluate(batch, errors: &errors)
        return errors.rejects.isEmpty && truth.isValid(0) && truth.bools[0] != 0
    }
}
