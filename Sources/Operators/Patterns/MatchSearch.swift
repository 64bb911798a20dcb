/// How far the search for a match from one row on has come, so that it goes on where it was when a row is added.
///
/// - Shape: rows are counted from the first one of the match. What is known of row `n` stands until the search
///   steps back before it.
struct MatchSearch {
    /// A way not tried yet.
    struct Branch {
        let place: Int32
        let row: Int32
    }

    var place = 0
    var row = 0
    var steps = 0
    var branches: [Branch] = []
    /// What the rows are called.
    var called: [UInt8] = []
    /// What the measures of conditions are before each row, `measures` of them a row.
    var tallies: [MatchTally] = []
    /// Whether a place of the pattern was tried at a row, for each row and place.
    var seen: [Bool] = []

    /// Bytes of memory that it takes, about.
    var bytes: Int {
        branches.count * MemoryLayout<Branch>.stride + called.count + seen.count
            + tallies.count * MemoryLayout<MatchTally>.stride
    }

    /// Begins anew, with the memory there is.
    mutating func restart(measures: Int) {
        (place, row, steps) = (0, 0, 0)
        branches.removeAll(keepingCapacity: true)
        called.removeAll(keepingCapacity: true)
        seen.removeAll(keepingCapacity: true)
        tallies.removeAll(keepingCapacity: true)
        for _ in 0..<measures { tallies.append(MatchTally()) }
    }

    /// Calls the row at hand `name`.
    mutating func call(_ name: Int) {
        if row < called.count {
            called[row] = UInt8(truncatingIfNeeded: name)
        } else {
            called.append(UInt8(truncatingIfNeeded: name))
        }
    }
}
