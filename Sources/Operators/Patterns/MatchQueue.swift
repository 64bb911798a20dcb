/// Keys by the time at which something of them is decided: a binary heap.
struct MatchQueue {
    private var items: [(time: Int64, slot: Int)] = []

    mutating func push(_ time: Int64, _ slot: Int) {
        items.append((time, slot))
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].time < items[parent].time else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    /// The next key at or before `time`.
    mutating func pop(through time: Int64) -> (time: Int64, slot: Int)? {
        guard let first = items.first, first.time <= time else { return nil }
        let last = items.removeLast()
        guard !items.isEmpty else { return first }
        items[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < items.count else { return first }
            if child + 1 < items.count, items[child + 1].time < items[child].time { child += 1 }
            guard items[child].time < items[parent].time else { return first }
            items.swapAt(child, parent)
            parent = child
        }
    }
}
