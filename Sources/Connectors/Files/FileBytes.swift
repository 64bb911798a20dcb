import Codecs
import Glibc
import StreamRuntime

/// The bytes of a file in order, decompressed when it begins as gzip does.
final class FileBytes {
    private let path: String
    private let descriptor: Int32
    /// When the file was last changed.
    let modifiedMicros: Int64
    private var inflater: Inflater?
    private var packed: [UInt8] = []
    private var packedAt = 0
    private var packedCount = 0
    private var bytesRead: Int64 = 0
    private var isAtEnd = false

    init(path: String) throws(JobFailure) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileBytes.failure("open", path) }
        var status = stat()
        let known = fstat(descriptor, &status)
        modifiedMicros =
            known == 0
            ? Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000 : 0
        var magic: [UInt8] = [0, 0]
        if pread(descriptor, &magic, 2, 0) == 2, magic == [0x1F, 0x8B] {
            inflater = Inflater()
            packed = [UInt8](repeating: 0, count: 1 << 18)
        }
    }

    deinit { close(descriptor) }

    /// Reads at most `count` bytes to `target`.
    ///
    /// - Returns: how many; 0 at the end.
    /// - Throws: when the file cannot be read, or its compressed form is corrupt or cut off.
    func read(
        into target: UnsafeMutablePointer<UInt8>, _ count: Int
    ) throws(JobFailure) -> Int {
        guard let inflater else { return try fill(target, count) }
        let output = UnsafeMutableBufferPointer(start: target, count: count)
        do {
            while true {
                if packedAt == packedCount, !isAtEnd {
                    packedAt = 0
                    packedCount = try fillPacked()
                    isAtEnd = packedCount == 0
                }
                if isAtEnd {
                    let drained = try inflater.drain(into: output)
                    if drained == 0 { try inflater.finish() }
                    return drained
                }
                let progress = try packed.withUnsafeBufferPointer {
                    (all) throws(CodecFailure) -> CodecProgress in
                    try inflater.inflate(
                        UnsafeBufferPointer(rebasing: all[packedAt..<packedCount]), into: output)
                }
                packedAt += progress.consumed
                if progress.produced > 0 { return progress.produced }
            }
        } catch let failure as JobFailure {
            throw failure
        } catch {
            let place = "\(path), compressed byte \(bytesRead - Int64(packedCount - packedAt))"
            let isCut = error as? CodecFailure == .truncated
            throw JobFailure(
                .source,
                isCut ? "the gzip file ends early" : "the gzip file is corrupt",
                at: place,
                remedy: "deliver the file again whole; the records before this place were read")
        }
    }

    private func fillPacked() throws(JobFailure) -> Int {
        var failure: JobFailure?
        let count = packed.withUnsafeMutableBufferPointer { room -> Int in
            do throws(JobFailure) {
                return try fill(room.baseAddress!, room.count)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return count
    }

    private func fill(
        _ target: UnsafeMutablePointer<UInt8>, _ count: Int
    ) throws(JobFailure) -> Int {
        while true {
            let got = Glibc.read(descriptor, target, count)
            if got >= 0 {
                bytesRead += Int64(got)
                return got
            }
            guard errno == EINTR else { throw FileBytes.failure("read", path) }
        }
    }

    /// What `errno` says about `path`.
    static func failure(
        _ action: String, _ path: String, kind: JobFailure.Kind = .source
    ) -> JobFailure {
        let code = errno
        let remedy =
            switch code {
            case ENOENT: "check the path in the pipelines file"
            case EACCES, EPERM: "give this user access to it"
            case ENOSPC, EDQUOT: "free space on its disk"
            case EROFS: "choose a place that can be written"
            case EISDIR, ENOTDIR: "name a file where a file is meant, a directory where one is"
            default: "see what the system says and try again"
            }
        return JobFailure(
            kind, "cannot \(action): \(String(cString: strerror(code)))", at: path, remedy: remedy)
    }
}
