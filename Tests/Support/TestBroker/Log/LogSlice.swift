import Glibc

/// An open file of a partition's log; closed with the last one who reads it.
final class LogFile {
    let descriptor: Int32
    let path: String

    /// - Throws: the errno of the file system.
    init(path: String) throws(BrokerFailure) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BrokerFailure("open", path, errno) }
    }

    deinit { close(descriptor) }
}

/// Whole record batches in a file of a partition's log.
struct LogSlice {
    var file: LogFile
    var position: Int
    var count: Int
}
