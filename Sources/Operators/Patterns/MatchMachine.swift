import StreamRuntime

/// Looks for a match that begins with a certain row: of all ways the pattern can be met the one that prefers
/// the earlier alternative, and more rows (or fewer, where it says so).
///
/// A search that depends on rows to come is kept with the key's rows and goes on from there: every row is
/// looked at once for each first row, however many come after it.
final class MatchMachine {
    enum Outcome {
        /// The match ends before this row.
        case match(end: Int)
        case none
        /// It depends on rows to come.
        case open
    }

    private let program: MatchProgram
    private let instructions: [MatchPattern.Instruction]
    private let slots: [Int: Int]
    private let conditions: [MatchCondition?]
    /// The measures that conditions read, each once.
    private let tallied: [(measure: MatchMeasure, slot: Int?)]
    /// The memory of the last search that ended.
    private var spare = MatchSearch()
    /// What the rows of the last match are called, from its first one on.
    var called: [UInt8] { spare.called }

    init(_ program: MatchProgram) {
        self.program = program
        instructions = program.pattern.instructions
        let slots = Dictionary(
            uniqueKeysWithValues: program.kept.enumerated().map { ($0.element, $0.offset) })
        self.slots = slots
        var tallied: [MatchMeasure] = []
        conditions = program.definitions.map { definition in
            let places = definition.measures.map { measure in
                if let there = tallied.firstIndex(of: measure) { return there }
                tallied.append(measure)
                return tallied.count - 1
            }
            return MatchCondition(definition, program.input, slots: slots, tallies: places)
        }
        self.tallied = tallied.map { ($0, $0.column.flatMap { slots[$0] }) }
    }

    /// The position of a measure's column among the kept ones.
    func slot(_ measure: MatchMeasure) -> Int? { measure.column.flatMap { slots[$0] } }

    /// Tries row `start` as the first one; `isLast` when no more rows within the time will come.
    func attempt(_ rows: MatchRows, from start: Int, isLast: Bool) -> Outcome {
        var search: MatchSearch
        if let kept = rows.search, rows.searchedFrom == start {
            search = kept
        } else {
            search = spare
            spare = MatchSearch()
            search.restart(measures: tallied.count)
        }
        rows.search = nil
        let outcome = go(&search, rows, from: start, isLast: isLast)
        if case .open = outcome {
            rows.search = search
            rows.searchedFrom = start
        } else {
            spare = search
        }
        return outcome
    }

    private func go(
        _ search: inout MatchSearch, _ rows: MatchRows, from start: Int, isLast: Bool
    ) -> Outcome {
        let limit = TimeMath.after(rows.times[start], program.within)
        let count = rows.count - start
        // A place that was tried at a row without success need not be tried there again, unless what a row
        // may be called depends on how the rows before it were.
        let remembers = !program.looksBack
        if remembers {
            let missing = instructions.count * (count + 1) - search.seen.count
            search.seen.append(contentsOf: repeatElement(false, count: max(missing, 0)))
        }
        while true {
            search.steps += 1
            var fails = !remembers && search.steps > 1_000_000
            if remembers {
                let mark = search.row * instructions.count + search.place
                fails = search.seen[mark]
                search.seen[mark] = true
            }
            if !fails {
                switch instructions[search.place] {
                case .done: return .match(end: start + search.row)
                case .jump(let target):
                    search.place = target
                    continue
                case .either(let first, let other):
                    search.branches.append(
                        MatchSearch.Branch(place: Int32(other), row: Int32(search.row)))
                    search.place = first
                    continue
                case .row(let name):
                    if search.row == count {
                        if !isLast {
                            // It is asked again when there is a row.
                            if remembers {
                                search.seen[search.row * instructions.count + search.place] = false
                            }
                            search.steps -= 1
                            return .open
                        }
                    } else if may(name, search, rows, start, limit) {
                        take(name, &search, rows, start)
                        continue
                    }
                }
            }
            guard let branch = search.branches.popLast() else { return .none }
            search.place = Int(branch.place)
            search.row = Int(branch.row)
        }
    }

    /// Whether the row at hand may be called `name`.
    private func may(
        _ name: Int, _ search: MatchSearch, _ rows: MatchRows, _ start: Int, _ limit: Int64
    ) -> Bool {
        let place = start + search.row
        guard rows.times[place] <= limit, rows.names[place] & (1 << UInt64(name)) != 0 else {
            return false
        }
        guard let condition = conditions[name] else { return true }
        return condition.holds(
            rows, start, search.row, search.tallies, tallied.count)
    }

    /// Calls the row at hand `name` and goes on to the next one.
    private func take(
        _ name: Int, _ search: inout MatchSearch, _ rows: MatchRows, _ start: Int
    ) {
        search.call(name)
        let width = tallied.count
        for index in 0..<width {
            var tally = search.tallies[search.row * width + index]
            let (measure, slot) = tallied[index]
            if measure.name == nil || measure.name == name {
                tally.add(measure, slot.map { rows.batch.columns[$0] }, start, search.row)
            }
            let next = (search.row + 1) * width + index
            if next < search.tallies.count {
                search.tallies[next] = tally
            } else {
                search.tallies.append(tally)
            }
        }
        search.row += 1
        search.place += 1
    }
}
