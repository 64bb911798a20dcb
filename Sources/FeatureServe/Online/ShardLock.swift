import Glibc

/// A mutex that is held for well under a microsecond at a time.
struct ShardLock: @unchecked Sendable {  // raw memory whose one use is being a mutex
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        let failure = pthread_mutex_init(mutex, nil)
        precondition(failure == 0, "a mutex can be made")
    }

    @inline(__always) func lock() { pthread_mutex_lock(mutex) }
    @inline(__always) func unlock() { pthread_mutex_unlock(mutex) }

    func free() {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }
}
