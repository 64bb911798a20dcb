import CPlatform

/// A bounded queue of stream elements from one task to another, at most one thread at each end.
///
/// - Shape: `Limits.ringSlots` slots; the producer owns `tail`, the consumer `head`, each on its own
///   cache line. A refused offer is back-pressure.
/// - Note: shared by two threads; every cell is written by one of them and published by a release
///   store that the other reads with acquire, which is why sharing is safe.
final class Ring: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<StreamElement?>
    private let cursors: UnsafeMutablePointer<UInt64>
    private let mask: UInt64
    /// Woken when the consumer has made room, if it is another worker than the consumer's.
    private let producer: WorkerSignal?

    private static let headCell = 0
    private static let tailCell = 16

    init(slots count: Int = Limits.ringSlots, producer: WorkerSignal? = nil) {
        precondition(count > 0 && count & (count - 1) == 0, "a power of two")
        slots = .allocate(capacity: count)
        slots.initialize(repeating: nil, count: count)
        cursors = .allocate(capacity: 32)
        cursors.initialize(repeating: 0, count: 32)
        mask = UInt64(count - 1)
        self.producer = producer
    }

    deinit {
        slots.deinitialize(count: Int(mask) + 1)
        slots.deallocate()
        cursors.deallocate()
    }

    /// Puts `element` at the end; false when the ring is full.
    func offer(_ element: StreamElement) -> Bool {
        let tail = millrace_load_relaxed(cursors + Ring.tailCell)
        let head = millrace_load_acquire(cursors + Ring.headCell)
        guard tail &- head <= mask else { return false }
        slots[Int(tail & mask)] = element
        millrace_store_release(cursors + Ring.tailCell, tail &+ 1)
        return true
    }

    /// Takes the first element, if there is one.
    func take() -> StreamElement? {
        let head = millrace_load_relaxed(cursors + Ring.headCell)
        let tail = millrace_load_acquire(cursors + Ring.tailCell)
        guard tail != head else { return nil }
        let slot = slots + Int(head & mask)
        let element = slot.pointee
        slot.pointee = nil
        millrace_store_release(cursors + Ring.headCell, head &+ 1)
        // A producer that found no room goes on while half of what it sent is still here.
        if let producer, tail &- head == mask &>> 1 &+ 1 { producer.notify() }
        return element
    }

    /// Whether the consumer would find nothing now.
    var isEmpty: Bool { view.isEmpty }

    /// What tells whether there is anything, good as long as the ring lives.
    var view: View { View(cursors: cursors) }

    /// A look at a ring that costs two loads.
    struct View: BitwiseCopyable {
        fileprivate let cursors: UnsafeMutablePointer<UInt64>

        /// Whether the consumer would find nothing now.
        @inline(__always) var isEmpty: Bool {
            millrace_load_acquire(cursors + Ring.tailCell)
                == millrace_load_relaxed(cursors + Ring.headCell)
        }
    }
}
