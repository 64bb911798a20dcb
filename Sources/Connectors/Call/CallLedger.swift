import RocksDB
import StreamRuntime

/// What is known on disk of the requests of an outbox: which were answered, and how far their results are
/// told. It has its own durability, apart from the job's checkpoints: an answer cannot be taken back.
///
/// - Shape: `d` + offset (8 bytes, big-endian) for each request that is over and after one that is not; `t` +
///   offset for each that was tried and is not over; `m` for the rest: the first offset that is not over, the
///   number of this entry, and the tokens of the topics.
/// - Note: used by one thread.
final class CallLedger {
    /// What one write says.
    struct Entry: Equatable, Sendable {
        /// Every request before it is over.
        var low: Int64 = 0
        /// Counts the writes.
        var sequence: Int64 = 0
        /// The token of the results' topic; nil before the first.
        var results: [UInt8]?
        /// The token of the dead letters' topic.
        var deadLetters: [UInt8]?
    }

    /// How often a request that is not over was tried.
    struct Tries: Equatable, Sendable {
        /// Failed tries that count.
        var attempts: Int
        /// All tries.
        var tries: Int
        /// When it was tried first, in microseconds since 1970.
        var firstAt: Int64
    }

    private let database: Database
    private(set) var entry = Entry()
    /// The requests from `entry.low` on that are over.
    private(set) var done: Set<Int64> = []
    /// The tries that an earlier process made of requests that were not over when it ended.
    private(set) var tried: [Int64: Tries] = [:]

    /// Opens the ledger in `directory`, which is made if need be.
    init(_ directory: String) throws(JobFailure) {
        var options = DatabaseOptions()
        options.blockCacheBytes = 1 << 20
        options.writeBufferBytes = 4 << 20
        do throws(RocksDBError) {
            database = try Database(path: directory, options: options)
            if let bytes = try database.get([0x6D]) { entry = CallLedger.decode(bytes) ?? Entry() }
            let cursor = database.cursor(from: [0x64], to: [0x65])
            while cursor.isValid {
                let key = [UInt8](cursor.key)
                let offset = CallLedger.offset(key)
                if offset >= entry.low { done.insert(offset) }
                cursor.next()
            }
            try cursor.check()
            let tries = database.cursor(from: [0x74], to: [0x75])
            while tries.isValid {
                let offset = CallLedger.offset([UInt8](tries.key))
                if offset >= entry.low { tried[offset] = CallLedger.tries([UInt8](tries.value)) }
                tries.next()
            }
            try tries.check()
        } catch {
            throw CallLedger.failure(error)
        }
    }

    /// Forgets what is said of offsets from `end` on: the outbox was taken back to there.
    func forget(from end: Int64) throws(JobFailure) {
        guard
            entry.low > end || done.contains(where: { $0 >= end })
                || tried.keys.contains(where: { $0 >= end })
        else { return }
        var next = entry
        next.low = min(entry.low, end)
        let batch = WriteBatch(database)
        batch.deleteRange(from: CallLedger.key(end), to: [0x65])
        batch.deleteRange(from: CallLedger.key(end, of: 0x74), to: [0x75])
        batch.put([0x6D], CallLedger.encode(next))
        do throws(RocksDBError) {
            try database.write(batch, durable: true)
        } catch {
            throw CallLedger.failure(error)
        }
        entry = next
        done = done.filter { $0 < end }
        tried = tried.filter { $0.key < end }
    }

    /// Writes that the requests at `offsets` are over, and the tokens with them, and how often others were
    /// tried, all or nothing.
    func note(
        _ offsets: [Int64], tried: [Int64: Tries] = [:], results: [UInt8]?, deadLetters: [UInt8]?
    ) throws(JobFailure) {
        let batch = WriteBatch(database)
        for (offset, tries) in tried {
            batch.put(CallLedger.key(offset, of: 0x74), CallLedger.bytes(tries))
        }
        for offset in offsets {
            done.insert(offset)
            batch.put(CallLedger.key(offset), [])
            batch.delete(CallLedger.key(offset, of: 0x74))
        }
        var low = entry.low
        while done.remove(low) != nil {
            batch.delete(CallLedger.key(low))
            low += 1
        }
        var next = entry
        next.low = low
        // The topics have been told of as many entries; tries are none of theirs.
        if !offsets.isEmpty { next.sequence += 1 }
        if let results { next.results = results }
        if let deadLetters { next.deadLetters = deadLetters }
        batch.put([0x6D], CallLedger.encode(next))
        do throws(RocksDBError) {
            try database.write(batch, durable: true)
        } catch {
            throw CallLedger.failure(error)
        }
        entry = next
    }

    /// The tries of an earlier process are with the scheduler now.
    func forgetTries(of offset: Int64) { tried[offset] = nil }

    private static func key(_ offset: Int64, of kind: UInt8 = 0x64) -> [UInt8] {
        [kind] + (0..<8).map { UInt8(truncatingIfNeeded: offset >> (56 - 8 * $0)) }
    }

    private static func offset(_ key: [UInt8]) -> Int64 {
        key.dropFirst().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }

    private static func bytes(_ tries: Tries) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in [Int64(tries.attempts), Int64(tries.tries), tries.firstAt] {
            append(number, to: &bytes)
        }
        return bytes
    }

    private static func tries(_ bytes: [UInt8]) -> Tries? {
        guard bytes.count == 24 else { return nil }
        let numbers = (0..<3).map { place in
            (0..<8).reduce(Int64(0)) { $0 | Int64(bytes[place * 8 + $1]) << (8 * $1) }
        }
        return Tries(attempts: Int(numbers[0]), tries: Int(numbers[1]), firstAt: numbers[2])
    }

    private static func encode(_ entry: Entry) -> [UInt8] {
        var bytes: [UInt8] = [1]
        for number in [entry.low, entry.sequence] { append(number, to: &bytes) }
        for token in [entry.results, entry.deadLetters] {
            append(Int64(token?.count ?? -1), to: &bytes)
            bytes += token ?? []
        }
        return bytes
    }

    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * shift))) }
    }

    private static func decode(_ bytes: [UInt8]) -> Entry? {
        guard bytes.first == 1 else { return nil }
        var at = 1
        func number() -> Int64? {
            guard at + 8 <= bytes.count else { return nil }
            defer { at += 8 }
            return (0..<8).reduce(Int64(0)) { $0 | Int64(bytes[at + $1]) << (8 * $1) }
        }
        func token() -> [UInt8]? {
            guard let count = number(), count >= 0, at + Int(count) <= bytes.count else {
                return nil
            }
            defer { at += Int(count) }
            return Array(bytes[at..<(at + Int(count))])
        }
        guard let low = number(), let sequence = number() else { return nil }
        return Entry(low: low, sequence: sequence, results: token(), deadLetters: token())
    }

    private static func failure(_ error: RocksDBError) -> JobFailure {
        JobFailure(
            .sink, "the ledger of calls cannot be used: \(error.problem)", at: error.path,
            remedy: error.remedy)
    }
}
