import Glibc

/// An open file of a partition's log, also visible in memory; closed with the last one who reads it.
final class LogFile {
    let descriptor: Int32
    let path: String
    /// The file's bytes; only those below its size may be read.
    let memory: UnsafeRawPointer
    private let mappedBytes: Int

    /// Opens or makes a file that will not grow beyond `capacity`, or beyond what it has if that is more.
    init(path: String, capacity: Int) throws(BrokerFailure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BrokerFailure("open", path, errno) }
        let mappedBytes = max(capacity, Int(lseek(descriptor, 0, SEEK_END)), 4096)
        // The mapping may reach beyond the file's end: pages come to life as the file grows.
        let memory = mmap(nil, mappedBytes, PROT_READ, MAP_SHARED, descriptor, 0)
        guard let memory, memory != MAP_FAILED else {
            let code = errno
            close(descriptor)
            throw BrokerFailure("map", path, code)
        }
        self.path = path
        self.descriptor = descriptor
        self.mappedBytes = mappedBytes
        self.memory = UnsafeRawPointer(memory)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: memory), mappedBytes)
        close(descriptor)
    }

    var byteCount: Int { Int(lseek(descriptor, 0, SEEK_END)) }

    /// Writes all of `bytes` at `position`.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(BrokerFailure) {
        var written = 0
        while written < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress! + written, bytes.count - written,
                position + written)
            guard count > 0 else {
                if errno == EINTR { continue }
                throw BrokerFailure("write", path, errno)
            }
            written += count
        }
    }

    /// Writes a batch that was made here; returns its header.
    func write(batch: [UInt8], at position: Int) throws(BrokerFailure) -> BatchHeader {
        var failure: BrokerFailure?
        let header = batch.withUnsafeBytes { bytes in
            do throws(BrokerFailure) { try write(bytes, at: position) } catch { failure = error }
            return BatchHeader(bytes.baseAddress!, available: bytes.count)
        }
        if let failure { throw failure }
        guard let header else { preconditionFailure("a batch made here has a header") }
        return header
    }

    func cut(to byteCount: Int) throws(BrokerFailure) {
        guard ftruncate(descriptor, byteCount) == 0 else {
            throw BrokerFailure("cut", path, errno)
        }
    }
}
