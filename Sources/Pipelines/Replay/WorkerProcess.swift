import Glibc
import StreamRuntime

/// Another process of this program, ended with the one that started it.
final class WorkerProcess {
    private var id: pid_t = 0
    private var status: Int32?

    /// Starts `program` with `arguments`; what it says on standard error goes to the file at `errors`.
    init(program: String, arguments: [String], errors: String) throws(JobFailure) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        let code = posix_spawn(&id, program, &actions, nil, words, environ)
        guard code == 0 else {
            throw JobFailure(
                .environment, "the process cannot be started: \(String(cString: strerror(code)))",
                at: program, remedy: "check the limits on processes and memory")
        }
    }

    deinit {
        guard status == nil else { return }
        kill(id, SIGKILL)
        var left: Int32 = 0
        waitpid(id, &left, 0)
    }

    /// Waits for the end.
    ///
    /// - Returns: the exit code, or the negative number of the signal that ended it.
    func wait(isStopping: () -> Bool) -> Int32 {
        while status == nil {
            var raw: Int32 = 0
            if waitpid(id, &raw, WNOHANG) == id {
                status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : -(raw & 0x7F)
                break
            }
            if isStopping() { kill(id, SIGKILL) }
            _ = poll(nil, 0, 2)
        }
        return status!
    }

    /// The program this process runs.
    static var thisProgram: String {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        guard length > 0 else { return CommandLine.arguments[0] }
        return String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
