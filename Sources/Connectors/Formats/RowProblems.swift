/// What is wrong with some of the rows that one record holds.
///
/// A record has one dead letter, whatever it holds, with what was wrong first and how much more there is: the
/// bytes of a long document are not kept once for each of its rows.
struct RowProblems {
    /// Problems told of in full.
    static let shownMax = 20

    private var shown: [ValueProblem] = []
    private var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ problem: ValueProblem) {
        count += 1
        if shown.count < RowProblems.shownMax { shown.append(problem) }
    }

    /// All of them as one; nil for none.
    var combined: ValueProblem? {
        guard let first = shown.first else { return nil }
        var reason = first.reason
        for problem in shown.dropFirst() {
            reason += "; " + (problem.field.isEmpty ? "" : problem.field + ": ") + problem.reason
        }
        if count > shown.count { reason += "; and \(count - shown.count) more" }
        return ValueProblem(reason, field: first.field)
    }
}
