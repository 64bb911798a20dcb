import Codecs
import Glibc
import StreamRuntime

/// A hash of a file's first bytes, by which a file that was sent again or has grown is known.
///
/// - Shape: a chain of XXH3 over pieces of 1 MiB, so that the hash of a longer file can be told from the same
///   reading of it.
enum FileHash {
    private static let pieceBytes = 1 << 20

    /// The hashes of the first `first` bytes and of all bytes of the file.
    ///
    /// - Returns: the hash of the first bytes (nil when there are fewer), of all, and how many there are.
    static func of(
        _ path: String, first: Int64
    ) throws(JobFailure) -> (first: Int64?, whole: Int64, bytes: Int64) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileBytes.failure("open", path) }
        defer { close(descriptor) }
        var room = [UInt8](repeating: 0, count: pieceBytes + 8)
        var hash: Int64 = 0
        var found: Int64? = first == 0 ? 0 : nil
        var total: Int64 = 0
        while true {
            let count = try fill(descriptor, &room, path)
            if first > total, first <= total + Int64(count) {
                found = chained(hash, &room, Int(first - total))
            }
            guard count > 0 else { break }
            hash = chained(hash, &room, count)
            total += Int64(count)
            if count < pieceBytes { break }
        }
        return (found, hash, total)
    }

    /// Reads a piece behind the first 8 bytes of `room`.
    private static func fill(
        _ descriptor: Int32, _ room: inout [UInt8], _ path: String
    ) throws(JobFailure) -> Int {
        var filled = 0
        while filled < pieceBytes {
            let got = room.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress! + 8 + filled, pieceBytes - filled)
            }
            if got == 0 { break }
            if got < 0 {
                guard errno == EINTR else { throw FileBytes.failure("read", path) }
                continue
            }
            filled += got
        }
        return filled
    }

    private static func chained(_ hash: Int64, _ room: inout [UInt8], _ count: Int) -> Int64 {
        room.withUnsafeMutableBytes {
            $0.storeBytes(of: hash.littleEndian, as: Int64.self)
            return Hash.xxh3($0.baseAddress!.assumingMemoryBound(to: UInt8.self), count + 8)
        }
    }
}
