import Glibc
import StreamRuntime

/// A file's bytes as memory, to take digests of.
final class MappedFile {
    let count: Int64
    private let bytes: UnsafeMutableRawPointer?

    init(_ path: String) throws(JobFailure) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw MappedFile.failure(path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw MappedFile.failure(path) }
        count = Int64(status.st_size)
        guard count > 0 else {
            bytes = nil
            return
        }
        let mapped = mmap(nil, Int(count), PROT_READ, MAP_PRIVATE, file, 0)
        guard let mapped, mapped != MAP_FAILED else { throw MappedFile.failure(path) }
        bytes = mapped
    }

    deinit { if let bytes { munmap(bytes, Int(count)) } }

    /// SHA-256 of a range, in hexadecimal digits.
    func digest(_ offset: Int64, _ count: Int64) -> String {
        let range = UnsafeRawBufferPointer(
            start: bytes.map { UnsafeRawPointer($0) + Int(offset) }, count: Int(count))
        return Digest.hexadecimal(Digest.sha256(range))
    }

    private static func failure(_ path: String) -> JobFailure {
        JobFailure(
            .checkpoint, "\(path) cannot be read: \(String(cString: strerror(errno)))", at: path,
            remedy: "check the disk that holds \(path)")
    }
}
