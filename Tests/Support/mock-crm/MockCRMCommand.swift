import Glibc
import MockCRM

/// The mock provider of marketing messages as a process of its own, for the demonstration.
@main
struct MockCRMCommand {
    static let usage = """
        usage: mock-crm [--port PORT] [--limit N] [--window-ms N] [--errors N] [--torn N] \
        [--refused N] [--refused-once N] [--slow WORKSPACE=MILLIS]
        A provider of marketing messages on 127.0.0.1, with faults; N of errors, torn and refused are of a thousand.
        GET /report tells what it accepted and which rules were broken; POST /control {"down": true} \
        changes it while it runs. Ends at SIGTERM.

        """

    static func main() {
        var settings = MockCRM.Settings()
        var port = 8089
        var arguments = CommandLine.arguments.dropFirst()
        while let name = arguments.popFirst() {
            guard let value = arguments.popFirst() else { refuse() }
            if name == "--slow" {
                let parts = value.split(separator: "=")
                guard parts.count == 2, let millis = Int(parts[1]) else { refuse() }
                settings.slowMillis[String(parts[0])] = millis
                continue
            }
            guard let number = Int(value), number >= 0 else { refuse() }
            switch name {
            case "--port": port = number
            case "--limit": settings.limit = number
            case "--window-ms": settings.windowMillis = Int64(number)
            case "--errors": settings.errors = number
            case "--torn": settings.torn = number
            case "--refused": settings.refused = number
            case "--refused-once": settings.refusedOnce = number
            default: refuse()
            }
        }
        // The signals are waited for here: no other thread may get them.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let crm = MockCRM(settings, port: port)
        say("listening on \(crm.url)\n", to: 1)
        var received: Int32 = 0
        sigwait(&signals, &received)
        crm.stop()
    }

    private static func refuse() -> Never {
        say(usage, to: 2)
        exit(2)
    }

    private static func say(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = write(descriptor, bytes, bytes.count)
    }
}
