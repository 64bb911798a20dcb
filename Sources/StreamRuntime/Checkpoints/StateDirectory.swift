import Glibc

/// The directory a job's state and checkpoints live in, held by one process at a time.
///
/// - Shape: `LOCK` (held while open, with the process's number in it), `identity` (which job it belongs
///   to), `live` (the working state), `checkpoints/NUMBER` (one directory each).
final class StateDirectory: Sendable {
    let path: String
    private let lock: Int32

    static let formatVersion = 1

    /// Takes the directory for `job`, making it when it is not there.
    ///
    /// - Throws: when another process holds it, another job owns it, a newer program wrote it, or it
    ///   cannot be written.
    init(_ path: String, job: String) throws(JobFailure) {
        self.path = path
        try FileTree.makeDirectory(path)
        let lockPath = path + "/LOCK"
        lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else { throw FileTree.failure("cannot be written", lockPath) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(lock)
            throw code == EWOULDBLOCK
                ? StateDirectory.inUse(path)
                : FileTree.failure("cannot be locked", lockPath, code: code)
        }
        let holder = Array("\(getpid())\n".utf8)
        ftruncate(lock, 0)
        guard pwrite(lock, holder, holder.count, 0) == holder.count else {
            throw FileTree.failure("cannot be written", lockPath)
        }
        if FileTree.exists(path + "/identity") {
            try StateDirectory.checkIdentity(path, job: job)
        } else {
            let text = "millrace state \(StateDirectory.formatVersion)\njob \(job)\n"
            try SystemFiles().write(Array(text.utf8), to: path + "/identity")
        }
        try FileTree.makeDirectory(path + "/checkpoints")
    }

    deinit { close(lock) }

    private static func inUse(_ path: String) -> JobFailure {
        let bytes = (try? FileTree.read(path + "/LOCK")) ?? []
        let holder = String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
        return JobFailure(
            .environment,
            "the state directory is in use by process \(holder.isEmpty ? "?" : holder)",
            at: path, remedy: "stop that process, or give this job its own state directory")
    }

    /// Throws when the directory is not one that this program can use for `job` (for any, when nil).
    static func checkIdentity(_ path: String, job: String?) throws(JobFailure) {
        let lines = String(decoding: try FileTree.read(path + "/identity"), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 2, lines[0].hasPrefix("millrace state "),
            let version = Int(lines[0].dropFirst(15)), lines[1].hasPrefix("job ")
        else {
            throw JobFailure(
                .state, "the directory has an identity file that is not Millrace's, or is damaged",
                at: path + "/identity",
                remedy: "point the job at an empty directory, or restore this one from a copy")
        }
        guard version <= formatVersion else {
            throw JobFailure(
                .state,
                "the state was written by a newer version (format \(version), this program reads "
                    + "up to \(formatVersion))",
                at: path, remedy: "run the newer program, or start afresh in an empty directory")
        }
        let owner = String(lines[1].dropFirst(4))
        guard job == nil || owner == job else {
            throw JobFailure(
                .state, "the state belongs to job \"\(owner)\", this is job \"\(job ?? "")\"",
                at: path,
                remedy: "give this job its own state directory, or name it \"\(owner)\" again")
        }
    }
}
