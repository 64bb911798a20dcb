import Glibc
import StreamRuntime

/// The changes of what an output keeps in memory, on disk, so that a run that is continued has it again.
///
/// - Shape: records of u8 what, u32 count of key bytes, u32 count of value bytes (both little-endian), the key,
///   the value. What a checkpoint covers is told by a length; what is behind it is cut off. The file grows with
///   every change.
final class TableLog {
    private let path: String
    private var descriptor: Int32 = -1
    private let pending = ByteWriter(capacity: 1 << 16)
    /// The bytes of the log, those that wait included.
    private(set) var count = 0

    private static let flushBytes = 1 << 20

    init(path: String) { self.path = path }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Cuts the log to `length` bytes and hands what is left to `body`.
    func recover(
        length: Int,
        _ body: (UInt8, UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Void
    ) throws(JobFailure) {
        close()
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/")
        if !directory.isEmpty { try Directory.make(directory) }
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileBytes.failure("create", path, kind: .sink) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) >= length else {
            throw broken
        }
        guard ftruncate(descriptor, off_t(length)) == 0 else {
            throw FileBytes.failure("cut", path, kind: .sink)
        }
        pending.removeAll()
        count = length
        if length > 0 {
            guard let memory = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0),
                memory != MAP_FAILED
            else { throw FileBytes.failure("read", path, kind: .sink) }
            defer { munmap(memory, length) }
            try read(UnsafeRawPointer(memory), length, body)
        }
        lseek(descriptor, off_t(length), SEEK_SET)
    }

    private func read(
        _ memory: UnsafeRawPointer, _ length: Int,
        _ body: (UInt8, UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Void
    ) throws(JobFailure) {
        var at = 0
        while at < length {
            guard length - at >= 9 else { throw broken }
            let what = memory.load(fromByteOffset: at, as: UInt8.self)
            let key = Int(
                UInt32(littleEndian: memory.loadUnaligned(fromByteOffset: at + 1, as: UInt32.self)))
            let value = Int(
                UInt32(littleEndian: memory.loadUnaligned(fromByteOffset: at + 5, as: UInt32.self)))
            guard length - at - 9 >= key + value else { throw broken }
            let bytes = (memory + at + 9).assumingMemoryBound(to: UInt8.self)
            body(
                what, UnsafeBufferPointer(start: bytes, count: key),
                UnsafeBufferPointer(start: bytes + key, count: value))
            at += 9 + key + value
        }
    }

    private var broken: JobFailure {
        JobFailure(
            .corruption, "the log of an output's rows is shorter than the checkpoint says",
            at: path, remedy: "restore an older checkpoint, or remove the state to start over")
    }

    /// Appends a change.
    func append(
        _ what: UInt8, key: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>
    ) throws(JobFailure) {
        let head = UnsafeMutableRawPointer(pending.room(9))
        head.storeBytes(of: what, as: UInt8.self)
        head.storeBytes(of: UInt32(key.count).littleEndian, toByteOffset: 1, as: UInt32.self)
        head.storeBytes(of: UInt32(value.count).littleEndian, toByteOffset: 5, as: UInt32.self)
        pending.advance(9)
        pending.append(key)
        pending.append(value)
        count += 9 + key.count + value.count
        if pending.count >= TableLog.flushBytes { try flush() }
    }

    /// Makes what was appended durable.
    ///
    /// - Returns: the length of the log.
    func sync() throws(JobFailure) -> Int {
        try flush()
        guard fdatasync(descriptor) == 0 else { throw FileBytes.failure("sync", path, kind: .sink) }
        return count
    }

    private func flush() throws(JobFailure) {
        guard pending.count > 0 else { return }
        try FileBytes.write(
            UnsafeBufferPointer(start: pending.base, count: pending.count), to: descriptor, path)
        pending.removeAll()
    }
}
