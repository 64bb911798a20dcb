import CEpoll
import Glibc
import Synchronization

/// The broker's one thread: sockets that can be read or written, timers, and work from other threads.
final class EventLoop: BrokerScheduler {
    /// Work that another thread hands over.
    ///
    /// - Note: it is run once, on the loop's thread; its sender waits or forgets it. So nothing in it is
    ///   used by two threads at a time.
    private struct Handed: @unchecked Sendable {
        var run: () -> Void
    }

    private let epoll: Int32
    private let wake: Int32
    private let handed = Mutex<[Handed]>([])
    private var readers: [Int32: (_ events: UInt32) -> Void] = [:]
    private var timers: [(due: Int64, id: Int, action: () -> Void)] = []
    private var timerCount = 0
    private var isStopped = false

    init() throws(BrokerFailure) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard epoll >= 0, wake >= 0 else { throw BrokerFailure("begin", "an event loop", errno) }
        watch(wake, EPOLLIN.rawValue) { [wake] _ in
            var count: UInt64 = 0
            _ = Glibc.read(wake, &count, 8)
        }
    }

    deinit {
        close(epoll)
        close(wake)
    }

    // MARK: time

    var nowMillis: Int64 { EventLoop.millis(CLOCK_REALTIME) }

    private static func millis(_ clock: clockid_t) -> Int64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    @discardableResult
    func after(_ millis: Int64, _ action: @escaping () -> Void) -> Int {
        timerCount += 1
        let due = EventLoop.millis(CLOCK_MONOTONIC) + max(millis, 0)
        // Latest first: the next to run is the last one.
        var low = 0
        var high = timers.count
        while low < high {
            let middle = (low + high) / 2
            if timers[middle].due > due { low = middle + 1 } else { high = middle }
        }
        timers.insert((due, timerCount, action), at: low)
        return timerCount
    }

    func cancel(_ timer: Int) { timers.removeAll { $0.id == timer } }

    // MARK: sockets

    /// Calls `ready` when one of `events` holds for a descriptor, until `forget`.
    func watch(_ descriptor: Int32, _ events: UInt32, _ ready: @escaping (UInt32) -> Void) {
        readers[descriptor] = ready
        control(EPOLL_CTL_ADD, descriptor, events)
    }

    /// Replaces the events that a descriptor is watched for.
    func change(_ descriptor: Int32, _ events: UInt32) {
        control(EPOLL_CTL_MOD, descriptor, events)
    }

    func forget(_ descriptor: Int32) {
        readers[descriptor] = nil
        control(EPOLL_CTL_DEL, descriptor, 0)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32) {
        var event = epoll_event()
        event.events = events
        event.data.fd = descriptor
        epoll_ctl(epoll, operation, descriptor, &event)
    }

    // MARK: running

    /// Runs `action` on the loop's thread soon; any thread may call this.
    func hand(_ action: @escaping () -> Void) {
        let work = Handed(run: action)
        handed.withLock { $0.append(work) }
        var one: UInt64 = 1
        _ = Glibc.write(wake, &one, 8)
    }

    /// Ends `run`; to be called on the loop's thread.
    func stop() { isStopped = true }

    /// Runs until `stop`; the calling thread is the loop's from here on.
    func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while !isStopped {
            let count = epoll_wait(epoll, &events, Int32(events.count), waitMillis)
            var index = 0
            while index < Int(max(count, 0)) {
                // One that an earlier event of this round closed has no reader any more.
                readers[events[index].data.fd]?(events[index].events)
                index += 1
            }
            let work = handed.withLock { work in
                defer { work = [] }
                return work
            }
            for item in work { item.run() }
            while let next = timers.last, next.due <= EventLoop.millis(CLOCK_MONOTONIC) {
                timers.removeLast()
                next.action()
            }
        }
        // Whoever waits for work that came too late is told nothing more, but is let go.
        for item in handed.withLock({ $0 }) { item.run() }
        readers = [:]
        timers = []
    }

    private var waitMillis: Int32 {
        guard let next = timers.last else { return -1 }
        return Int32(clamping: max(next.due - EventLoop.millis(CLOCK_MONOTONIC), 0))
    }
}
