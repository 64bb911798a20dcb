import Foundation

/// moto, a server from PyPI that speaks S3's API, on a free port of the loopback; one for all tests.
public final class MotoServer: Sendable {
    /// The address of its root.
    public let url: String
    private let process: Process

    /// The first Python that has moto: of `MILLRACE_TEST_PYTHON`, of the build's own environment, or
    /// the system's.
    public static let python: String? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .path
        let named = ProcessInfo.processInfo.environment["MILLRACE_TEST_PYTHON"]
        let candidates = [named, root + "/.build/test-tools/bin/python3", "python3"]
        return candidates.compactMap { $0 }.first { candidate in
            let probe = Process()
            probe.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            probe.arguments = [candidate, "-c", "import moto.server, flask"]
            probe.standardOutput = FileHandle.nullDevice
            probe.standardError = FileHandle.nullDevice
            guard (try? probe.run()) != nil else { return false }
            probe.waitUntilExit()
            return probe.terminationStatus == 0
        }
    }()

    /// The server of this process; nil without moto.
    public static let shared: MotoServer? = python.flatMap { try? MotoServer($0) }

    /// What a skipped test says.
    public static let comment = "moto is not installed: scripts/install-test-tools installs it"

    private init(_ python: String) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // The parent's end of the pipe closes with it: the server does not outlive the tests.
        let script = """
            import sys, os, threading
            from moto.server import DomainDispatcherApplication, create_backend_app
            from werkzeug.serving import make_server
            app = DomainDispatcherApplication(create_backend_app)
            server = make_server("127.0.0.1", 0, app, threaded=True)
            threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
            print(server.server_port, flush=True)
            server.serve_forever()
            """
        process.arguments = [python, "-c", script]
        process.environment = ProcessInfo.processInfo.environment.merging([
            "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"
        ]) { $1 }
        let output = Pipe()
        let input = Pipe()
        process.standardOutput = output
        process.standardInput = input
        process.standardError = FileHandle.nullDevice
        try process.run()
        // Never closed by this process: its end is what stops the server.
        MotoServer.lifelines.withLock { $0.append(input) }
        var said = ""
        while !said.contains("\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { break }
            said += String(decoding: bytes, as: UTF8.self)
        }
        guard let port = Int(said.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw CocoaError(.executableLoad)
        }
        url = "http://127.0.0.1:\(port)"
    }

    private static let lifelines = Lifelines()

    private final class Lifelines: @unchecked Sendable {
        private let lock = NSLock()
        private var pipes: [Pipe] = []
        func withLock(_ body: (inout [Pipe]) -> Void) {
            lock.lock()
            body(&pipes)
            lock.unlock()
        }
    }
}
