/// The sending end of a ring: keeps what the ring refused, in order.
///
/// What waits here is bounded by what one input element makes a task emit, because a blocked task takes
/// no further element.
final class Channel {
    let ring = Ring()
    private let consumer: WorkerSignal
    private var refused: [StreamElement] = []
    private var next = 0

    init(consumer: WorkerSignal) { self.consumer = consumer }

    var isBlocked: Bool { next < refused.count }

    func send(_ element: StreamElement) {
        if !isBlocked, ring.offer(element) {
            consumer.notify()
        } else {
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
        return true
    }
}
