import Glibc
import TestBroker

/// A test broker as a process of its own, so that it can be killed.
@main
struct TestBrokerCommand {
    static let usage = """
        usage: test-broker --dir DIRECTORY [--port PORT | --ports PORT,…] [--nodes N] \
        [--control-port PORT] [--auto-create PARTITIONS]
        A Kafka broker for tests, on 127.0.0.1. Port 0 (the default) is a free one; with another port, \
        N nodes take the N ports from there on. Ends at SIGTERM.

        """

    static func main() {
        var options = ["--port": "0", "--nodes": "1"]
        var arguments = CommandLine.arguments.dropFirst()
        let known = ["--dir", "--port", "--nodes", "--control-port", "--auto-create", "--ports"]
        while let name = arguments.popFirst() {
            guard known.contains(name), let value = arguments.popFirst() else { refuse() }
            options[name] = value
        }
        guard let directory = options["--dir"], let port = Int32(options["--port"]!),
            let nodes = Int32(options["--nodes"]!), nodes > 0
        else { refuse() }
        let ports =
            options["--ports"]?.split(separator: ",").compactMap { Int32($0) }
            ?? (0..<nodes).map { port == 0 ? 0 : port + $0 }
        var settings = BrokerSettings()
        settings.autoCreatePartitions = options["--auto-create"].flatMap { Int32($0) }

        // The signals are waited for here: no other thread may get them.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        do throws(BrokerFailure) {
            let broker = try TestBroker(
                directory: directory, ports: ports,
                settings: settings,
                controlPort: options["--control-port"].flatMap { Int32($0) })
            say("listening \(broker.bootstrap)")
            if let control = broker.controlPort { say("control 127.0.0.1:\(control)") }
            var signal: Int32 = 0
            sigwait(&signals, &signal)
            broker.stop()
        } catch {
            fail(error.description + "\n", 1)
        }
    }

    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(1, bytes, bytes.count)
    }

    private static func refuse() -> Never { fail(usage, 2) }

    private static func fail(_ text: String, _ code: Int32) -> Never {
        let bytes = Array(text.utf8)
        _ = write(2, bytes, bytes.count)
        exit(code)
    }
}
