import StreamRuntime

/// The rows of a batch in rounds, so that each key comes at most once in every round.
struct KeyRounds {
    /// The rows, round after round; within one in the order of the batch.
    let order: [Int32]
    /// Where each round ends in `order`.
    let ends: [Int]

    /// Rounds of `count` rows; `counter` is a word of each row's key, 0 before and after.
    init(_ count: Int, counter: (Int) -> UnsafeMutablePointer<Int64>) {
        var turns = [Int](repeating: 0, count: count)
        var sizes: [Int] = []
        for row in 0..<count {
            let word = counter(row)
            let turn = Int(word.pointee)
            word.pointee &+= 1
            turns[row] = turn
            if turn == sizes.count { sizes.append(0) }
            sizes[turn] += 1
        }
        for row in 0..<count { counter(row).pointee = 0 }
        var starts: [Int] = []
        var ends: [Int] = []
        var end = 0
        for size in sizes {
            starts.append(end)
            end += size
            ends.append(end)
        }
        var order = [Int32](repeating: 0, count: count)
        for row in 0..<count {
            order[starts[turns[row]]] = Int32(row)
            starts[turns[row]] += 1
        }
        self.order = order
        self.ends = ends
    }
}
