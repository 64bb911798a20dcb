import Glibc
import RocksDB
import StreamRuntime

/// What a lookup step was answered, on disk: an answer is written once, before any row goes on with it, and is never
/// changed. It has its own durability, apart from the job's checkpoints.
///
/// - Shape: key: the definition's hash · beginning of the cell, so that byte order is time · kind · how long it
///   holds · key; all numbers 8 bytes, big-endian. Value: 0 missing, 1 found, 2 failed; when it was answered,
///   in microseconds since 1970, big-endian; the fields as JSON, or the reason.
public final class LookupJournal: Sendable {
    /// Where it is.
    public let directory: String
    private let own: Database
    /// Those of other runs of the job, which are only read.
    private let others: [Database]
    private let definition: [UInt8]
    private let terms: LookupTerms

    /// Opens the journal in `directory`, which is made if need be.
    ///
    /// - Parameters:
    ///   - others: directories whose answers count too, earlier ones first; those that are not there are passed over.
    ///   - definition: the hash of what is asked, which answers of another question do not have.
    public init(
        _ directory: String, others: [String], definition: Int64, terms: LookupTerms
    ) throws(JobFailure) {
        self.directory = directory
        self.terms = terms
        self.definition = LookupJournal.bytes(definition)
        var options = DatabaseOptions()
        options.blockCacheBytes = 8 << 20
        options.writeBufferBytes = 8 << 20
        try LookupJournal.makeDirectory(directory)
        do throws(RocksDBError) {
            own = try Database(path: directory, options: options)
            var opened: [Database] = []
            options.isReadOnly = true
            options.createIfMissing = false
            // Files that the writer merges meanwhile stay readable while they are open.
            options.maxOpenFiles = -1
            for other in others where other != directory && access(other + "/CURRENT", F_OK) == 0 {
                opened.append(try Database(path: other, options: options))
            }
            self.others = opened
        } catch {
            throw LookupJournal.failure(error)
        }
    }

    /// What was answered to `question`, or to another one that has the same answer; nil for nothing yet.
    public func answer(to question: LookupQuestion) throws(JobFailure) -> LookupAnswer.Outcome? {
        for database in others + [own] {
            for kind in [LookupTerms.Kind.failed, .missing, .found] {
                if kind == .missing, terms.missingMicros == terms.foundMicros { continue }
                let value: [UInt8]?
                do throws(RocksDBError) {
                    value = try database.get(key(question, kind))
                } catch {
                    throw LookupJournal.failure(error)
                }
                guard let value, value.count >= 9 else { continue }
                let rest = Array(value[9...])
                switch value[0] {
                case 0: return .missing
                case 1: return .found(rest)
                default: return .failed(String(decoding: rest, as: UTF8.self))
                }
            }
        }
        return nil
    }

    /// Writes answers down; they are on the disk when this returns.
    public func write(
        _ answers: [(question: LookupQuestion, outcome: LookupAnswer.Outcome)], at time: Int64
    ) throws(JobFailure) {
        if answers.isEmpty { return }
        let batch = WriteBatch(own)
        let when = LookupJournal.bytes(time)
        for (question, outcome) in answers {
            switch outcome {
            case .missing:
                let isFound = terms.missingMicros == terms.foundMicros
                batch.put(key(question, isFound ? .found : .missing), [0] + when)
            case .found(let fields): batch.put(key(question, .found), [1] + when + fields)
            case .failed(let reason):
                batch.put(key(question, .failed), [2] + when + Array(reason.utf8))
            }
        }
        do throws(RocksDBError) {
            try own.write(batch, durable: true)
        } catch {
            throw LookupJournal.failure(error)
        }
    }

    /// Adds to the journal in `target` what that in `directory` has and it has not; both are closed. Doing it again is
    /// harmless.
    public static func merge(_ directory: String, into target: String) throws(JobFailure) {
        try makeDirectory(target)
        do throws(RocksDBError) {
            let from = try Database(path: directory)
            let into = try Database(path: target)
            let batch = WriteBatch(into)
            let cursor = from.cursor()
            while cursor.isValid {
                let key = [UInt8](cursor.key)
                if try into.get(key) == nil { batch.put(key, [UInt8](cursor.value)) }
                if batch.count >= 1024 {
                    try into.write(batch)
                    batch.clear()
                }
                cursor.next()
            }
            try cursor.check()
            try into.write(batch, durable: true)
        } catch {
            throw failure(error)
        }
    }

    private func key(_ question: LookupQuestion, _ kind: LookupTerms.Kind) -> [UInt8] {
        let cell = terms.cell(kind, hash: question.hash, time: question.time)
        return definition + LookupJournal.bytes(cell ^ .min) + [kind.rawValue]
            + LookupJournal.bytes(terms.micros(kind)) + question.key
    }

    private static func bytes(_ number: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * Int64($0))) }
    }

    private static func makeDirectory(_ path: String) throws(JobFailure) {
        var at = path.startIndex
        while at < path.endIndex {
            let next = path[path.index(after: at)...].firstIndex(of: "/") ?? path.endIndex
            let part = String(path[..<next])
            guard mkdir(part, 0o755) == 0 || errno == EEXIST else {
                throw JobFailure(
                    .environment,
                    "the directory cannot be made: \(String(cString: strerror(errno)))",
                    at: part, remedy: "make it writable for the user the process runs as")
            }
            at = next
        }
    }

    private static func failure(_ error: RocksDBError) -> JobFailure {
        JobFailure(
            .state, "the journal of a lookup cannot be used: \(error.problem)", at: error.path,
            remedy: error.remedy)
    }
}
