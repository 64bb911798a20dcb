import Glibc
import StreamRuntime

/// Writes rows to files of a directory, one file a checkpoint, each row exactly once.
///
/// Rows go to a hidden file first; the checkpoint makes it durable and its commit gives it its name,
/// `part-0000000001.jsonl` and so on, numbered upwards. A checkpoint without rows makes no file. Rows
/// without a value (deletions) and the old side of updates are not written.
///
/// - Shape: a token is three lines: the number of the last part, whether this checkpoint made it
///   (1 or 0), its bytes.
public final class FileSink: Sink {
    private let directory: String
    private let prefix: String
    private let suffix: String
    private let header: [UInt8]?
    private let encoder: any RecordEncoder
    private var values = Column(.bytes, capacity: 4096)
    private let pending = ByteWriter(capacity: 1 << 20)
    private var descriptor: Int32 = -1
    private var number = 0
    private var written = 0

    private static let flushBytes = 1 << 20

    /// A sink into `directory`, which is made when it is not there.
    ///
    /// - Parameter header: the first line of every file, if any.
    public init(
        directory: String, prefix: String = "part", suffix: String, header: [UInt8]? = nil,
        encoder: any RecordEncoder
    ) {
        self.directory = directory
        self.prefix = prefix
        self.suffix = suffix
        self.header = header
        self.encoder = encoder
    }

    /// A sink of JSON lines.
    public convenience init(jsonLines directory: String, schema: Schema) {
        self.init(
            directory: directory, suffix: ".jsonl", encoder: JSONRecordEncoder(schema: schema))
    }

    /// A sink of CSV files, each with a header line.
    public convenience init(csv directory: String, schema: Schema) {
        let encoder = CSVRecordEncoder(schema: schema)
        self.init(directory: directory, suffix: ".csv", header: encoder.header, encoder: encoder)
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Commits the part that `token` names, removes every later one, and goes on behind it; without a
    /// token, behind the parts that are there.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try Directory.make(directory)
        let names = try Directory.names(directory)
        if let token {
            let part = try parse(token)
            try publish(part)
            number = part.number
        } else {
            number = names.compactMap { self.number(ofName: $0) }.max() ?? 0
        }
        for name in names {
            let isStaged = name.hasPrefix("." + prefix + "-") && name.hasSuffix(suffix + ".pending")
            let isLater = self.number(ofName: name).map { $0 > number } ?? false
            guard isStaged || isLater else { continue }
            if unlink(directory + "/" + name) != 0, errno != ENOENT {
                throw FileBytes.failure("remove", directory + "/" + name, kind: .sink)
            }
        }
        try Directory.sync(directory)
    }

    /// Appends the rows to the part in the making.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        values.removeAll()
        encoder.encode(batch, into: values)
        let changes = batch.changes?.bools
        for row in 0..<batch.count where values.isValid(row) {
            if let changes, changes[row] == RowChange.updateBefore.rawValue { continue }
            if descriptor < 0 { try begin() }
            pending.append(values.bytes(row))
            pending.append(byte: 0x0A)
            if pending.count >= FileSink.flushBytes { try flush() }
        }
    }

    /// Makes the part durable under its hidden name.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        guard descriptor >= 0 else { return Array("\(number)\n0\n0".utf8) }
        try flush()
        let path = staged(number)
        guard fsync(descriptor) == 0 else { throw FileBytes.failure("sync", path, kind: .sink) }
        Glibc.close(descriptor)
        descriptor = -1
        try Directory.sync(directory)
        return Array("\(number)\n1\n\(written)".utf8)
    }

    /// Gives the part its name.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try publish(try parse(token))
    }

    /// Leaves the part in the making unpublished.
    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private struct Part {
        var number: Int
        var isThere: Bool
        var bytes: Int
    }

    private func parse(_ token: [UInt8]) throws(JobFailure) -> Part {
        let words = String(decoding: token, as: UTF8.self).split(separator: "\n").map { Int($0) }
        guard words.count == 3, let number = words[0], let made = words[1], let bytes = words[2]
        else {
            throw JobFailure(
                .corruption, "the checkpoint does not name a part of this sink", at: directory,
                remedy: "restore an older checkpoint")
        }
        return Part(number: number, isThere: made == 1, bytes: bytes)
    }

    private func publish(_ part: Part) throws(JobFailure) {
        guard part.isThere else { return }
        var status = stat()
        if rename(staged(part.number), published(part.number)) == 0 {
            return try Directory.sync(directory)
        }
        guard errno == ENOENT else {
            throw FileBytes.failure("rename", staged(part.number), kind: .sink)
        }
        guard stat(published(part.number), &status) == 0, Int(status.st_size) == part.bytes else {
            throw JobFailure(
                .corruption,
                "the checkpoint's part is missing or not of its \(part.bytes) bytes",
                at: published(part.number), remedy: "restore an older checkpoint")
        }
    }

    private func begin() throws(JobFailure) {
        let path = staged(number + 1)
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileBytes.failure("create", path, kind: .sink) }
        number += 1
        written = 0
        pending.removeAll()
        if let header {
            pending.append(header)
            pending.append(byte: 0x0A)
        }
    }

    private func flush() throws(JobFailure) {
        var at = 0
        while at < pending.count {
            let count = Glibc.write(descriptor, pending.base + at, pending.count - at)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileBytes.failure("write", staged(number), kind: .sink)
            }
            at += count
        }
        written += pending.count
        pending.removeAll()
    }

    private func name(_ number: Int) -> String {
        let digits = String(number)
        return prefix + "-" + String(repeating: "0", count: max(10 - digits.count, 0)) + digits
            + suffix
    }

    private func published(_ number: Int) -> String { directory + "/" + name(number) }

    private func staged(_ number: Int) -> String { directory + "/." + name(number) + ".pending" }

    private func number(ofName name: String) -> Int? {
        guard name.hasPrefix(prefix + "-"), name.hasSuffix(suffix) else { return nil }
        return Int(name.dropFirst(prefix.count + 1).dropLast(suffix.count))
    }
}
