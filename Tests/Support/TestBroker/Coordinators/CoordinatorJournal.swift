import Codecs
import Glibc

/// The file that coordinators write every change to before they answer.
///
/// - Shape: records of a length (4 bytes), a CRC-32C (4 bytes), and so many bytes. What a kill tore off at the end
///   is cut away when the file is opened. Written, not synced: it survives the broker's death, not the
///   machine's.
final class CoordinatorJournal {
    private let descriptor: Int32
    private let path: String

    /// Opens the journal and hands over what it holds, oldest first.
    init(path: String) throws(BrokerFailure) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0o644)
        guard descriptor >= 0 else { throw BrokerFailure("open", path, errno) }
    }

    deinit { close(descriptor) }

    /// Everything that was written, oldest first; cuts off a torn end.
    func replay() throws(BrokerFailure) -> [CoordinatorRecord] {
        let bytes = try contents()
        var records: [CoordinatorRecord] = []
        var whole = 0
        var broken: WireFailure?
        bytes.withUnsafeBytes { raw in
            while raw.count - whole >= 8 {
                let count = Int(raw.loadUnaligned(fromByteOffset: whole, as: UInt32.self))
                let sum = raw.loadUnaligned(fromByteOffset: whole + 4, as: UInt32.self)
                guard count <= raw.count - whole - 8 else { break }
                let body = UnsafeRawBufferPointer(rebasing: raw[(whole + 8)..<(whole + 8 + count)])
                guard let base = body.baseAddress, Checksum.crc32c(base, count) == sum else {
                    break
                }
                do throws(WireFailure) {
                    records.append(try CoordinatorRecord(reading: body))
                } catch {
                    broken = error
                    return
                }
                whole += 8 + count
            }
        }
        if let broken { throw BrokerFailure("\(path): \(broken)") }
        guard ftruncate(descriptor, whole) == 0 else {
            throw BrokerFailure("cut the torn end of", path, errno)
        }
        return records
    }

    /// Writes records one after the other; they are durable when this returns.
    func append(_ records: [CoordinatorRecord]) throws(BrokerFailure) {
        if records.isEmpty { return }
        var bytes: [UInt8] = []
        for record in records {
            let body = record.bytes
            let sum = body.withUnsafeBytes { Checksum.crc32c($0.baseAddress!, $0.count) }
            withUnsafeBytes(of: UInt32(body.count)) { bytes.append(contentsOf: $0) }
            withUnsafeBytes(of: sum) { bytes.append(contentsOf: $0) }
            bytes += body
        }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw BrokerFailure("write", path, errno) }
            done += count
        }
    }

    private func contents() throws(BrokerFailure) -> [UInt8] {
        let size = Int(lseek(descriptor, 0, SEEK_END))
        guard size >= 0 else { throw BrokerFailure("measure", path, errno) }
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, size - done, off_t(done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw BrokerFailure("read", path, errno) }
            done += count
        }
        return bytes
    }

    /// Replaces the file at `path` by one that holds just `records`, in one step.
    static func rewrite(
        path: String, records: [CoordinatorRecord]
    ) throws(BrokerFailure) -> CoordinatorJournal {
        let fresh = path + ".new"
        unlink(fresh)
        do {
            let journal = try CoordinatorJournal(path: fresh)
            try journal.append(records)
        }
        guard rename(fresh, path) == 0 else { throw BrokerFailure("rename", fresh, errno) }
        return try CoordinatorJournal(path: path)
    }
}
