/// Where the next match may begin, after one was found: `AFTER MATCH SKIP` of SQL.
///
/// - Note: a match never begins again where the one before it did. Where the row that is named is that one, or no
///   row has the name, the next match may begin with the second row.
public enum MatchSkip: Equatable, Sendable {
    /// Behind the last row.
    case pastLast
    /// At the second row.
    case toNext
    /// At the first row of a name.
    case toFirst(String)
    /// At the last row of a name.
    case toLast(String)

    /// The name of a row that it speaks of.
    public var name: String? {
        switch self {
        case .pastLast, .toNext: nil
        case .toFirst(let name), .toLast(let name): name
        }
    }

    /// As it is said of a plan.
    public var text: String {
        switch self {
        case .pastLast: "one after another"
        case .toNext: "from every row"
        case .toFirst(let name): "then from the first \(name)"
        case .toLast(let name): "then from the last \(name)"
        }
    }

    /// The row with which the next match may begin, after one of the rows `start..<end`.
    ///
    /// - Parameters:
    ///   - called: what the rows are called from `start` on: numbers of names.
    ///   - number: the number of the name that it speaks of.
    func next(_ start: Int, _ end: Int, _ called: [UInt8], _ number: UInt8?) -> Int {
        let names = called.prefix(end - start)
        let row: Int?
        switch self {
        case .pastLast: return end
        case .toNext: return start + 1
        case .toFirst: row = names.firstIndex { $0 == number }
        case .toLast: row = names.lastIndex { $0 == number }
        }
        return max(start + (row ?? 0), start + 1)
    }
}
