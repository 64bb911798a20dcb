import Foundation
import Glibc
import StreamRuntime

/// A `millrace run` of a job in shares that a test started, and ends whatever happens.
final class ShareProcess {
    let instance: String
    private let file: String
    private let log: String
    private var id: pid_t = 0
    private var status: Int32?

    /// Starts a process called `instance` on the pipelines file; what it tells goes to a file beside it.
    init(_ instance: String, file: String) throws {
        self.instance = instance
        self.file = file
        log = file + ".log"
        try start()
    }

    deinit { kill() }

    private static var binary: String {
        let directory =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return directory.appendingPathComponent("millrace").path
    }

    /// Starts it, again after it has ended.
    func start() throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        let words = [
            ShareProcess.binary, "run", file, "--instance", instance, "--no-serve",
        ]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        // Threads of tests may block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let code = posix_spawn(&id, words[0], &actions, &attributes, arguments, environ)
        guard code == 0 else {
            throw JobFailure(
                .environment, "cannot start \(words[0])", at: "test",
                remedy: "build the millrace product first")
        }
        status = nil
    }

    /// What it has told so far, in all its lives.
    var told: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// How often it has told something that contains `text`.
    func times(_ text: String) -> Int { told.components(separatedBy: text).count - 1 }

    /// The exit code, negative for a signal; nil while it runs.
    func ended() -> Int32? {
        if let status { return status }
        var found: Int32 = 0
        guard waitpid(id, &found, WNOHANG) == id else { return nil }
        status = found & 0x7F == 0 ? (found >> 8) & 0xFF : -(found & 0x7F)
        return status
    }

    /// Waits for the end, at most `millis`.
    func wait(millis: Int) -> Int32? {
        let until = SystemClock().nanos + Int64(millis) * 1_000_000
        while ended() == nil, SystemClock().nanos < until { _ = poll(nil, 0, 5) }
        return ended()
    }

    /// SIGKILL: nothing is written, closed or flushed.
    func kill() {
        guard ended() == nil else { return }
        _ = Glibc.kill(id, SIGKILL)
        var found: Int32 = 0
        waitpid(id, &found, 0)
        status = -SIGKILL
    }

    /// SIGSTOP: it does nothing and knows nothing of it.
    func pause() { _ = Glibc.kill(id, SIGSTOP) }

    /// SIGCONT: it wakes up.
    func wake() { _ = Glibc.kill(id, SIGCONT) }

    /// SIGTERM: last checkpoints, then the end.
    func terminate() { if ended() == nil { _ = Glibc.kill(id, SIGTERM) } }
}
