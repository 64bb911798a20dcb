/// First in, first out, in one array that is moved up now and then.
struct WaitingLine<Item> {
    private var items: [Item] = []
    private var head = 0

    var isEmpty: Bool { head == items.count }
    var count: Int { items.count - head }

    /// Those that wait, first ones first.
    var waiting: ArraySlice<Item> { items[head...] }

    mutating func append(_ item: Item) { items.append(item) }

    mutating func removeFirst() -> Item? {
        guard head < items.count else { return nil }
        defer { moveUp(by: 1) }
        return items[head]
    }

    /// Takes the first ones, `max` of them if there are as many.
    mutating func removeFirst(_ max: Int) -> [Item] {
        let taken = Array(items[head..<(head + min(max, count))])
        moveUp(by: taken.count)
        return taken
    }

    /// Takes out those that `isOut` says; the others keep their order.
    mutating func remove(where isOut: (Item) -> Bool) -> [Item] {
        let all = items[head...]
        let out = all.filter(isOut)
        if out.isEmpty { return [] }
        items = all.filter { !isOut($0) }
        head = 0
        return out
    }

    mutating func removeAll() {
        items = []
        head = 0
    }

    private mutating func moveUp(by count: Int) {
        head += count
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1024, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
