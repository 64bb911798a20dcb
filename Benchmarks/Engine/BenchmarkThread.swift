import Glibc

/// A thread that runs one piece of work.
final class BenchmarkThread {
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) throws {
        let passed = Unmanaged.passRetained(Work(body))
        let code = pthread_create(
            &thread, nil,
            { passed in
                Unmanaged<Work>.fromOpaque(passed!).takeRetainedValue().body()
                return nil
            }, passed.toOpaque())
        guard code == 0 else { throw BenchmarkProblem("no thread") }
    }

    func join() { pthread_join(thread, nil) }

    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
