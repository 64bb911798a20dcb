import Glibc

/// A mutex with a condition, for the control plane: what waits and what wakes it.
///
/// - Note: pthread objects are made to be shared, which is why sharing is safe.
public final class Monitor: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    /// A monitor that nobody holds.
    public init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the lock held.
    public func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Wakes all waiters; call it with the lock held after changing what they wait for.
    public func signal() { pthread_cond_broadcast(condition) }

    /// Lets go of the lock until `signal`, or until `nanos` have passed.
    public func wait(nanos: Int) {
        var until = timespec()
        clock_gettime(CLOCK_MONOTONIC, &until)
        let total = Int(until.tv_nsec) + nanos
        until.tv_sec += total / 1_000_000_000
        until.tv_nsec = total % 1_000_000_000
        pthread_cond_timedwait(condition, mutex, &until)
    }
}
