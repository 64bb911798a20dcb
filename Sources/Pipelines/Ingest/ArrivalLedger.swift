import Codecs
import Glibc
import StreamRuntime

/// A file that says how far what is outside has been taken, and where the topic ended then.
///
/// The ledger is replaced between the two halves of a commit of the topic: after the records are durable and
/// before they are readable. So the topic and what is known of the outside go on together, whatever dies
/// when.
///
/// - Shape: `millrace-arrivals 1`, the topic's token in hexadecimal, the hash of all that follows, and that.
struct ArrivalLedger: Equatable {
    /// What the topic's writer recovers with; nil on Kafka.
    var token: [UInt8]?
    /// What is known of the outside.
    var text = ""

    private static let mark = "millrace-arrivals 1"

    /// The ledger at `path`; an empty one when there is none.
    static func read(_ path: String) throws(JobFailure) -> ArrivalLedger {
        guard let file = fopen(path, "r") else {
            guard errno == ENOENT else { throw failure("read", path) }
            return ArrivalLedger()
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while case let got = fread(&room, 1, room.count, file), got > 0 { bytes += room[..<got] }
        guard let ledger = ArrivalLedger(String(decoding: bytes, as: UTF8.self)) else {
            throw JobFailure(
                .corruption, "the ledger of what has been taken is damaged", at: path,
                remedy:
                    "put a copy back, or remove it: what is outside is then taken once more")
        }
        return ledger
    }

    init(token: [UInt8]? = nil, text: String = "") {
        self.token = token
        self.text = text
    }

    private init?(_ file: String) {
        let parts = file.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == ArrivalLedger.mark else { return nil }
        text = String(parts[3])
        guard parts[2] == ArrivalLedger.hash(text) else { return nil }
        if !parts[1].isEmpty {
            let digits = Array(parts[1].utf8)
            guard digits.count % 2 == 0 else { return nil }
            var token: [UInt8] = []
            for at in stride(from: 0, to: digits.count, by: 2) {
                let pair = String(decoding: digits[at...(at + 1)], as: UTF8.self)
                guard let byte = UInt8(pair, radix: 16) else { return nil }
                token.append(byte)
            }
            self.token = token
        }
    }

    /// Puts the ledger at `path`, durably and as a whole.
    func write(_ path: String) throws(JobFailure) {
        let token = (token ?? []).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let file = [ArrivalLedger.mark, token, ArrivalLedger.hash(text), text]
            .joined(separator: "\n")
        let staged = path + ".new"
        let descriptor = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ArrivalLedger.failure("create", staged) }
        defer { close(descriptor) }
        let bytes = Array(file.utf8)
        var at = 0
        while at < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + at, bytes.count - at)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw ArrivalLedger.failure("write", staged)
            }
            at += count
        }
        guard fsync(descriptor) == 0 else { throw ArrivalLedger.failure("sync", staged) }
        guard rename(staged, path) == 0 else { throw ArrivalLedger.failure("rename", staged) }
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/")
        let directory = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw ArrivalLedger.failure("open", parent) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw ArrivalLedger.failure("sync", parent) }
    }

    private static func hash(_ text: String) -> String {
        var text = text
        let hash = text.withUTF8 { Hash.xxh3($0.baseAddress!, $0.count) }
        return String(UInt64(bitPattern: hash), radix: 16)
    }

    private static func failure(_ action: String, _ path: String) -> JobFailure {
        JobFailure(
            .environment, "cannot \(action) a ledger: \(String(cString: strerror(errno)))",
            at: path, remedy: "free space on its disk, and give this user access to it")
    }
}

/// A topic and the ledger of what it was filled from, which go on together.
final class LedgeredLog {
    private let log: any ArrivalLog
    private let path: String
    private var checkpoint: Int64 = 0
    /// The ledger as it was committed last.
    private(set) var ledger: ArrivalLedger

    /// The topic of `source` with the ledger at its place; the topic is as the ledger says afterwards.
    init(_ source: PlannedSource, plan: JobPlan, partitions: Int) throws(JobFailure) {
        guard case .topic(let name, let topic) = source.location,
            let connection = plan.connection(name)
        else { preconditionFailure("what arrives goes to a topic") }
        try Directories.make(plan.settings.stateDirectory + "/arrivals")
        path = ArrivalPlace.ledger(plan.settings.stateDirectory, stream: source.name)
        ledger = try ArrivalLedger.read(path)
        // Never without the token first: that would cut off what the ledger counts on.
        log = try ArrivalLogs.open(
            topic, on: connection, partitions: partitions, recovering: ledger.token)
    }

    /// The number of partitions.
    var partitions: Int { log.partitions }

    /// Puts a record on its way, by its key, or without one to `fallback`.
    func append(_ record: ArrivalRecord, fallback: Int = 0) throws(JobFailure) {
        let partition =
            record.key.map { ArrivalKey.partition($0, of: log.partitions) }
            ?? fallback % log.partitions
        _ = try log.append(record, partition: partition)
    }

    /// Makes what was appended readable, and `text` what is known.
    ///
    /// - Shape: on Kafka the records come first: what a crash lets no ledger tell of comes again.
    func commit(_ text: String) throws(JobFailure) {
        guard let embedded = log as? EmbeddedArrivalLog else {
            try log.commit()
            ledger = ArrivalLedger(text: text)
            return try ledger.write(path)
        }
        checkpoint += 1
        let token = try embedded.writer.prepare(checkpoint: checkpoint)
        let next = ArrivalLedger(token: token, text: text)
        try next.write(path)
        ledger = next
        try embedded.writer.commit(token: token)
    }

    /// Goes back to what was committed last.
    func discard() throws(JobFailure) {
        if let embedded = log as? EmbeddedArrivalLog {
            try embedded.writer.recover(token: ledger.token)
        }
    }

    /// Lets another writer have the topic.
    func close() { log.close() }
}
