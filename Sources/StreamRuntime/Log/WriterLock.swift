import Glibc

/// The right to write to a topic; one process and one writer in it has it at a time.
final class WriterLock {
    private let file: LogFile

    /// Takes the lock of the topic in `directory`.
    ///
    /// - Throws: when another writer holds it, with that process's id.
    init(_ directory: String, topic: String) throws(JobFailure) {
        let path = directory + "/lock"
        file = try LogFile(path, O_RDWR | O_CREAT)
        guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else { throw LogFile.failure("lock", path) }
            let bytes = try LogDirectory.bytes(path) ?? []
            let holder = String(decoding: bytes, as: UTF8.self).filter { $0.isNumber }
            throw JobFailure(
                .sink, "topic \(topic) already has a writer, process \(holder)", at: path,
                remedy: "stop that process, or write to another topic")
        }
        try file.truncate(to: 0)
        try FileWrite.system.all(Array("\(getpid())\n".utf8), to: file)
    }

    deinit { release() }

    /// Gives the lock away, also when a child process that is being started still shares the file:
    /// closing the file alone would leave the lock with the child.
    func release() { flock(file.descriptor, LOCK_UN) }
}
