import CPlatform
import Glibc

/// The steps that make a checkpoint durable: a seam, so that a full or failing disk can be rehearsed.
public protocol CheckpointFiles: Sendable {
    /// Writes a new file and waits until it is on disk.
    func write(_ bytes: [UInt8], to path: String) throws(JobFailure)
    /// Gives a directory another name, at once or not at all.
    func rename(_ path: String, to target: String) throws(JobFailure)
    /// Waits until the names in a directory are on disk.
    func syncDirectory(_ path: String) throws(JobFailure)
}

/// The real disk.
public struct SystemFiles: CheckpointFiles {
    /// The one there is.
    public init() {}

    /// Writes a new file and waits until it is on disk.
    public func write(_ bytes: [UInt8], to path: String) throws(JobFailure) {
        try write(bytes, to: path, sync: true)
    }

    /// Writes a new file that need not survive a power cut.
    func note(_ text: String, at path: String) throws(JobFailure) {
        try write(Array(text.utf8), to: path, sync: false)
    }

    private func write(_ bytes: [UInt8], to path: String, sync: Bool) throws(JobFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw FileTree.failure("cannot be written", path) }
        defer { close(file) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress! + written, bytes.count - written)
            }
            guard count > 0 else { throw FileTree.failure("cannot be written", path) }
            written += count
        }
        guard !sync || fsync(file) == 0 else {
            throw FileTree.failure("cannot be written", path)
        }
    }

    /// Gives a directory another name.
    public func rename(_ path: String, to target: String) throws(JobFailure) {
        guard Glibc.rename(path, target) == 0 else {
            throw FileTree.failure("cannot be renamed", path)
        }
    }

    /// Waits until the names in a directory are on disk.
    public func syncDirectory(_ path: String) throws(JobFailure) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw FileTree.failure("cannot be opened", path) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw FileTree.failure("cannot be synced", path) }
    }
}

extension FileTree {
    /// The bytes of a small file.
    static func read(_ path: String) throws(JobFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        _ = try scan(path, sync: false) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// CRC-32C of a file, and its size; on disk afterwards when `sync`.
    static func checksum(_ path: String, sync: Bool) throws(JobFailure) -> (UInt32, Int64) {
        var sum: UInt32 = 0
        let size = try scan(path, sync: sync) {
            sum = millrace_crc32c(sum, $0.baseAddress, $0.count)
        }
        return (sum, size)
    }

    private static func scan(
        _ path: String, sync: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(JobFailure) -> Int64 {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("cannot be read", path) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        var size: Int64 = 0
        while true {
            let count = Glibc.read(file, buffer.baseAddress!, buffer.count)
            guard count >= 0 else { throw failure("cannot be read", path) }
            if count == 0 { break }
            size += Int64(count)
            body(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
        }
        if sync, fsync(file) != 0 { throw failure("cannot be written", path) }
        return size
    }
}
