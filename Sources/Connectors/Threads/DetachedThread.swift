import Glibc

/// A thread that ends with its work and that nobody joins.
enum DetachedThread {
    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own, which is for `purpose`.
    ///
    /// - Precondition: the system has a thread left.
    static func run(_ purpose: StaticString, _ body: @escaping @Sendable () -> Void) {
        let passed = Unmanaged.passRetained(Work(body)).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue().body()
                return nil
            }, passed)
        precondition(code == 0, "a thread for \(purpose)")
        pthread_detach(made)
    }
}
