/// The sending end of a ring: keeps what the ring refused, in order.
///
/// What waits here is bounded by what one input element makes a task emit, because a blocked task takes
/// no further element.
final class Channel {
    let ring: Ring
    private let consumer: WorkerSignal
    /// What it is one of.
    var outlets = Outlets()
    private var refused: [StreamElement] = []
    private var next = 0

    /// A channel from a task of the worker that `producer` wakes, to one of `consumer`'s.
    init(producer: WorkerSignal? = nil, consumer: WorkerSignal) {
        self.consumer = consumer
        ring = Ring(producer: producer === consumer ? nil : producer)
    }

    var isBlocked: Bool { next < refused.count }

    func send(_ element: StreamElement) {
        if !isBlocked, ring.offer(element) {
            consumer.notify()
        } else {
            if !isBlocked { outlets.blocked += 1 }
            refused.append(element)
        }
    }

    /// Offers again what was refused; true when nothing is left.
    func drain() -> Bool {
        guard isBlocked else { return true }
        let before = next
        while next < refused.count, ring.offer(refused[next]) { next += 1 }
        if next > before { consumer.notify() }
        guard next == refused.count else { return false }
        refused.removeAll(keepingCapacity: true)
        next = 0
        outlets.blocked -= 1
        return true
    }
}

/// All channels that a task sends to.
final class Outlets {
    /// How many of them hold something that their ring refused.
    var blocked = 0
}
