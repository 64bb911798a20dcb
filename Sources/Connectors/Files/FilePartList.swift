import Codecs
import Glibc
import StreamRuntime

/// The files that a checkpoint of a partitioned output knows: which are complete, and how far others are.
///
/// - Shape: lines: `parts 1`, `next N`, `span N` (or `span -`), `closed NUMBER BYTES DIRECTORY` and
///   `open NUMBER BYTES DIRECTORY`; a directory is below the root, and empty for the root itself. A short list
///   is the token; a long one is a file `list-CHECKPOINT` that the token names: `list CHECKPOINT BYTES HASH`.
struct FilePartList: Equatable {
    struct Part: Equatable {
        let number: Int
        let bytes: Int
        let directory: String
    }

    /// The number of the next part to begin.
    var next = 1
    /// The multiple of `roll: every` that event time is in.
    var span: Int64?
    var closed: [Part] = []
    var open: [Part] = []

    /// Tokens are part of the manifest.
    private static let inlineBytesMax = 2048

    private var text: String {
        var text = "parts 1\nnext \(next)\nspan \(span.map { "\($0)" } ?? "-")\n"
        for part in closed { text += "closed \(part.number) \(part.bytes) \(part.directory)\n" }
        for part in open { text += "open \(part.number) \(part.bytes) \(part.directory)\n" }
        return text
    }

    private init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        guard lines.first == "parts 1" else { return nil }
        for line in lines.dropFirst() {
            let words = line.split(
                separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            switch (words[0], words.count) {
            case ("next", 2):
                guard let number = Int(words[1]) else { return nil }
                next = number
            case ("span", 2): span = Int64(words[1])
            case ("closed", 4), ("open", 4):
                guard let number = Int(words[1]), let bytes = Int(words[2]) else { return nil }
                let part = Part(number: number, bytes: bytes, directory: String(words[3]))
                if words[0] == "open" { open.append(part) } else { closed.append(part) }
            default: return nil
            }
        }
    }

    init() {}

    /// The list that `token` is or names, in the directory of staged files.
    init(token: [UInt8], staged: String, place: String) throws(JobFailure) {
        let broken = JobFailure(
            .corruption, "the checkpoint does not name the parts of this output", at: place,
            remedy: "restore an older checkpoint")
        var bytes = token
        let words = String(decoding: token, as: UTF8.self).split(separator: " ")
        if words.first == "list" {
            guard words.count == 4, let count = Int(words[2]), let hash = UInt64(words[3]) else {
                throw broken
            }
            bytes = try FilePartList.read(FilePartList.path(String(words[1]), staged))
            guard bytes.count == count, FilePartList.hash(bytes) == hash else { throw broken }
        }
        guard let read = FilePartList(text: String(decoding: bytes, as: UTF8.self)) else {
            throw broken
        }
        self = read
    }

    /// Makes the list durable.
    ///
    /// - Returns: the token by which it is found.
    func save(checkpoint: Int64, staged: String) throws(JobFailure) -> [UInt8] {
        let bytes = Array(text.utf8)
        if bytes.count <= FilePartList.inlineBytesMax { return bytes }
        let path = FilePartList.path("\(checkpoint)", staged)
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileBytes.failure("create", path, kind: .sink) }
        defer { close(descriptor) }
        try FileBytes.write(bytes, to: descriptor, path)
        guard fsync(descriptor) == 0 else { throw FileBytes.failure("sync", path, kind: .sink) }
        return Array("list \(checkpoint) \(bytes.count) \(FilePartList.hash(bytes))".utf8)
    }

    /// The checkpoint whose list a file is.
    static func checkpoint(ofName name: String) -> Int64? {
        name.hasPrefix("list-") ? Int64(name.dropFirst(5)) : nil
    }

    private static func path(_ checkpoint: String, _ staged: String) -> String {
        "\(staged)/list-\(checkpoint)"
    }

    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBufferPointer {
            UInt64(bitPattern: Hash.xxh3($0.baseAddress!, $0.count))
        }
    }

    private static func read(_ path: String) throws(JobFailure) -> [UInt8] {
        let file = try FileBytes(path: path)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var failure: JobFailure?
            let count = chunk.withUnsafeMutableBufferPointer { room -> Int in
                do throws(JobFailure) {
                    return try file.read(into: room.baseAddress!, room.count)
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }
}

extension FileBytes {
    /// Writes all of `bytes`.
    static func write(
        _ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32, _ path: String
    ) throws(JobFailure) {
        var at = 0
        while at < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + at, bytes.count - at)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("write", path, kind: .sink)
            }
            at += count
        }
    }

    /// Writes all of `bytes`.
    static func write(
        _ bytes: [UInt8], to descriptor: Int32, _ path: String
    ) throws(JobFailure) {
        var failure: JobFailure?
        bytes.withUnsafeBufferPointer { buffer in
            do throws(JobFailure) {
                try write(buffer, to: descriptor, path)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
