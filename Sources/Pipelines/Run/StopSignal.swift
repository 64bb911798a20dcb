import Glibc
import Synchronization

/// Whether the process was asked to stop (SIGTERM or SIGINT).
///
/// - Note: a second signal ends the process at once, as users expect of Ctrl-C pressed twice.
enum StopSignal {
    private static let count = Atomic<Int>(0)

    /// Takes over the signals; call it once, before the job starts.
    static func install() {
        // Whoever started the process may have blocked them, and the block is inherited.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                let before = StopSignal.count.wrappingAdd(1, ordering: .relaxed).oldValue
                if before > 0 { _exit(128 + number) }
            }
        }
        signal(SIGPIPE, SIG_IGN)
    }

    static var isRaised: Bool { count.load(ordering: .relaxed) > 0 }
}

extension StopSignal {
    /// Waits until the process is asked to stop.
    static func wait() { while !isRaised { _ = poll(nil, 0, 100) } }
}
