import Glibc
import RocksDB
import StreamRuntime
import Synchronization

/// What a lookup step was answered, on disk: an answer is written once, before any row goes on with it, and is never
/// changed. It has its own durability, apart from the job's checkpoints.
///
/// - Shape: key: the definition's hash · beginning of the cell of what is found, so that byte order is time · how long
///   what is found and what is missing hold · length of the key, 4 bytes · key · kind · beginning of its own cell; all
///   other numbers 8 bytes, big-endian. Value: 0 missing, 1 found, 2 failed; when it was answered,
///   in microseconds since 1970, big-endian; the fields as JSON, or the reason. Under the one byte 0 there is the event
///   time before which answers were forgotten.
public final class LookupJournal: Sendable {
    /// Where it is.
    public let directory: String
    private let own: Database
    /// Those of other runs of the job, which are only read.
    private let others: [Database]
    private let definition: [UInt8]
    private let terms: LookupTerms
    private let forgotten: Mutex<Int64>

    /// The key of the event time before which answers were forgotten.
    private static let horizonKey: [UInt8] = [0]

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
            var horizon = Int64.min
            for database in opened + [own] {
                horizon = max(
                    horizon,
                    try database.get(LookupJournal.horizonKey).map { Self.number($0) } ?? .min)
            }
            forgotten = Mutex(horizon)
        } catch {
            throw LookupJournal.failure(error)
        }
    }

    /// The event time before which answers were forgotten, here or in those that are only read.
    var horizon: Int64 { forgotten.withLock { $0 } }

    /// Whether an answer to `question` would have been forgotten.
    func hasForgotten(_ question: LookupQuestion) -> Bool {
        LookupJournal.end(of: question, terms) <= horizon
    }

    /// When the cell of a question ends.
    private static func end(of question: LookupQuestion, _ terms: LookupTerms) -> Int64 {
        terms.cell(.found, hash: question.hash, time: question.time) + terms.foundMicros
    }

    /// Forgets the answers of cells that end by `time`, of every question.
    ///
    /// What is gone is told by `horizon` from then on, whatever becomes of the process.
    func trim(before time: Int64) throws(JobFailure) {
        guard time > horizon, time > .min + terms.foundMicros else { return }
        // Cells begin one length before they end.
        let first = LookupJournal.bytes((time - terms.foundMicros + 1) ^ .min)
        let lowest = LookupJournal.bytes(0)
        do throws(RocksDBError) {
            let batch = WriteBatch(own)
            batch.put(LookupJournal.horizonKey, LookupJournal.bytes(time ^ .min))
            let known = try definitions()
            for definition in known {
                batch.deleteRange(from: definition + lowest, to: definition + first)
            }
            try own.write(batch, durable: true)
            for definition in known {
                try own.deleteFiles(from: definition + lowest, to: definition + first)
            }
        } catch {
            throw LookupJournal.failure(error)
        }
        forgotten.withLock { $0 = max($0, time) }
    }

    /// What the journal has answers to: this question, and former ones.
    private func definitions() throws(RocksDBError) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var from: [UInt8] = [0, 0]
        while true {
            let cursor = own.cursor(from: from)
            guard cursor.isValid else {
                try cursor.check()
                return found
            }
            let definition = Array([UInt8](cursor.key).prefix(8))
            found.append(definition)
            from = definition + [UInt8](repeating: 0xFF, count: 9)
        }
    }

    /// What is known of a question.
    struct Known {
        /// The answer it has; nil for none yet.
        var outcome: LookupAnswer.Outcome?
        /// What was answered otherwise in the same cell of what is found.
        var exceptions: [LookupException] = []
    }

    /// What was answered to `question`, or to another one that has the same answer; nil for nothing yet.
    func answer(to question: LookupQuestion) throws(JobFailure) -> LookupAnswer.Outcome? {
        try known(of: question).outcome
    }

    /// Everything that was answered in the cell of `question`.
    ///
    /// A failure counts before a key that is missing, and that before values: what is added later changes no
    /// answer that was given.
    func known(of question: LookupQuestion) throws(JobFailure) -> Known {
        let prefix = prefix(question)
        var known = Known()
        var found: LookupAnswer.Outcome?
        for database in others + [own] {
            let cursor = database.cursor(from: prefix, to: prefix + [0xFF])
            while cursor.isValid {
                let tail = [UInt8](cursor.key).dropFirst(prefix.count)
                let value = [UInt8](cursor.value)
                if tail.count == 9, value.count >= 9,
                    let kind = LookupTerms.Kind(rawValue: tail.first!)
                {
                    let start = LookupJournal.number(tail.dropFirst())
                    let rest = Array(value[9...])
                    if kind != .found {
                        known.exceptions.append(
                            LookupException(
                                kind: kind, time: start,
                                reason: kind == .failed
                                    ? String(decoding: rest, as: UTF8.self) : ""))
                    } else if found == nil {
                        found = value[0] == 1 ? .found(rest) : .missing
                    }
                }
                cursor.next()
            }
            do throws(RocksDBError) {
                try cursor.check()
            } catch {
                throw LookupJournal.failure(error)
            }
        }
        let missing = terms.cell(.missing, hash: question.hash, time: question.time)
        if let failed = known.exceptions.first(where: {
            $0.kind == .failed && $0.time == question.time
        }) {
            known.outcome = .failed(failed.reason)
        } else if known.exceptions.contains(where: { $0.kind == .missing && $0.time == missing }) {
            known.outcome = .missing
        } else {
            known.outcome = found
        }
        return known
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
                // What the other has forgotten this one may have.
                if key == horizonKey {
                    cursor.next()
                    continue
                }
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

    /// What the keys of all answers in the cell of a question begin with.
    private func prefix(_ question: LookupQuestion) -> [UInt8] {
        let cell = terms.cell(.found, hash: question.hash, time: question.time)
        let length = question.key.count
        var bytes = definition
        for number in [cell ^ .min, terms.foundMicros, terms.missingMicros] {
            bytes += LookupJournal.bytes(number)
        }
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        return bytes + question.key
    }

    private func key(_ question: LookupQuestion, _ kind: LookupTerms.Kind) -> [UInt8] {
        let cell = terms.cell(kind, hash: question.hash, time: question.time)
        return prefix(question) + [kind.rawValue] + LookupJournal.bytes(cell ^ .min)
    }

    private static func bytes(_ number: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * Int64($0))) }
    }

    /// A time that was written so that byte order is its order.
    private static func number(_ bytes: some Sequence<UInt8>) -> Int64 {
        bytes.reduce(Int64(0)) { $0 << 8 | Int64($1) } ^ .min
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
