import Glibc
import StreamRuntime

/// A process that a test started, and ends whatever happens.
final class ChildProcess {
    /// What became of it in the time it was given.
    enum Outcome: Equatable {
        case running
        case exited(Int32)
    }

    private var id: pid_t = 0
    private var outcome: Outcome = .running

    /// Starts `words[0]` with the others as arguments, its errors going to the file at `errors`.
    init(_ command: (words: [String], errors: String)) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, 2, command.errors, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        var arguments: [UnsafeMutablePointer<CChar>?] = command.words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        let code = posix_spawn(&id, command.words[0], &actions, nil, arguments, environ)
        if code != 0 {
            throw JobFailure(
                .environment, "cannot start \(command.words[0])", at: "test",
                remedy: "build the millrace product first")
        }
    }

    deinit { kill() }

    /// Waits for the end, at most `millis`.
    func wait(millis: Int) -> Outcome {
        let until = SystemClock().nanos + Int64(millis) * 1_000_000
        while outcome == .running, SystemClock().nanos < until {
            var status: Int32 = 0
            if waitpid(id, &status, WNOHANG) == id {
                outcome = .exited(status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F))
                break
            }
            _ = poll(nil, 0, 2)
        }
        return outcome
    }

    /// SIGKILL: nothing is written, closed or flushed.
    func kill() {
        guard outcome == .running else { return }
        _ = Glibc.kill(id, SIGKILL)
        var status: Int32 = 0
        waitpid(id, &status, 0)
        outcome = .exited(-SIGKILL)
    }

    func terminate() { if outcome == .running { _ = Glibc.kill(id, SIGTERM) } }
}
