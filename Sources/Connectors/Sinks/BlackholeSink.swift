import Codecs
import StreamRuntime

/// Takes rows and only counts them, and with an encoder also sums up their hashes.
///
/// The checksum is the sum, modulo 2 to the 64th, of the XXH64 hashes of the rows as `ChecksumEncoder` writes them, so it does not
/// depend on their order. A row that is taken back is subtracted: equal tables have equal checksums, however
/// they came about. With a key a row also replaces the one of its key.
///
/// - Shape: a token is `blackhole 1`, the rows taken, the rows of the table, the checksum, the length of the log.
public final class BlackholeSink: Sink {
    private let place: String
    private let encoder: (any RecordEncoder)?
    private let keys: KeyEncoder?
    private let log: TableLog?
    private let values = Column(.bytes, capacity: 4096)
    /// The hash of the row of each key, by the key's hash.
    private let hashes = RowHashes()
    /// How many rows before its turn the slot of a row's key is asked for from memory.
    private static let ahead = 16
    private var taken: Int64 = 0
    private var rows: Int64 = 0
    private var checksum: UInt64 = 0
    private var counters: StepCounters?

    /// A sink called `place` in messages.
    ///
    /// - Parameters:
    ///   - encoder: makes the records that are hashed; nil to count only.
    ///   - keys: the columns of the key, for changes that come without the row before; empty for none.
    ///   - log: where the hashes of keyed rows are kept; needed with a key.
    public init(place: String, encoder: (any RecordEncoder)?, keys: [Int], log: String? = nil) {
        self.place = place
        self.encoder = encoder
        let isKeyed = encoder != nil && !keys.isEmpty
        self.keys = isKeyed ? KeyEncoder(columns: keys) : nil
        self.log = isKeyed ? log.map(TableLog.init(path:)) : nil
    }

    /// Tells the rows of the table and their checksum.
    public func report(to counters: StepCounters) { self.counters = counters }

    /// Goes on from the counts of `token`.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        taken = 0
        rows = 0
        checksum = 0
        hashes.removeAll()
        var length = 0
        if let token {
            let lines = String(decoding: token, as: UTF8.self).split(separator: "\n")
            guard lines.count == 5, lines[0] == "blackhole 1", let all = Int64(lines[1]),
                let there = Int64(lines[2]), let sum = UInt64(lines[3]), let logged = Int(lines[4])
            else {
                throw JobFailure(
                    .corruption, "the checkpoint does not know this output's counts", at: place,
                    remedy: "restore an older checkpoint")
            }
            (taken, rows, checksum, length) = (all, there, sum, logged)
        }
        try log?.recover(length: length) { what, key, value in
            let hash = UnsafeRawPointer(key.baseAddress!).loadUnaligned(as: Int64.self)
            let row =
                what == 1
                ? UInt64(
                    littleEndian: UnsafeRawPointer(value.baseAddress!).loadUnaligned(
                        as: UInt64.self)) : nil
            _ = hashes.replace(Int64(littleEndian: hash), by: row)
        }
        // What was read needs not be written again.
        hashes.forgetChanges()
        show()
    }

    /// Counts the rows.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        taken += Int64(batch.count)
        if let encoder {
            let whole = batch.replacingColumns(batch.columns, schema: batch.schema)
            whole.changes = nil
            values.removeAll()
            encoder.encode(whole, into: values)
            if let failure = encoder.failure { throw failure }
        }
        if let keys {
            replace(keys.encode(batch), batch.changes?.bools, count: batch.count)
        } else {
            count(batch.changes?.bools, count: batch.count)
        }
        show()
    }

    private func count(_ changes: UnsafeMutablePointer<UInt8>?, count: Int) {
        let views = values.views
        let bytes = UnsafePointer(values.arena!.base)
        let isSummed = encoder != nil
        var sum = checksum
        var there = rows
        var row = 0
        while row < count {
            let isGone = changes.map { $0[row] >= RowChange.updateBefore.rawValue } ?? false
            there &+= isGone ? -1 : 1
            if isSummed {
                let view = views[row]
                let hash = Hash.xxh64(bytes + ByteView.start(view), ByteView.length(view))
                sum = isGone ? sum &- hash : sum &+ hash
            }
            row &+= 1
        }
        checksum = sum
        rows = there
    }

    /// Rows of keys: the newest one counts.
    private func replace(
        _ keys: KeyColumn, _ changes: UnsafeMutablePointer<UInt8>?, count: Int
    ) {
        let numbers = keys.hashes.int64s
        let views = values.views
        let bytes = UnsafePointer(values.arena!.base)
        for row in 0..<count {
            let ahead = row + BlackholeSink.ahead
            if ahead < count { hashes.prefetch(numbers[ahead]) }
            let kind = changes?[row] ?? 0
            let key = numbers[row]
            if kind == RowChange.updateBefore.rawValue, row + 1 < count, numbers[row + 1] == key {
                continue
            }
            var hash: UInt64?
            if kind < RowChange.updateBefore.rawValue {
                let view = views[row]
                let made = Hash.xxh64(bytes + ByteView.start(view), ByteView.length(view))
                checksum &+= made
                rows += 1
                hash = made
            }
            if let before = hashes.replace(key, by: hash) {
                checksum &-= before
                rows -= 1
            }
        }
    }

    private func keep(_ key: Int64, _ hash: UInt64?) throws(JobFailure) {
        guard let log else { return }
        var words = (key.littleEndian, (hash ?? 0).littleEndian)
        var failure: JobFailure?
        withUnsafeBytes(of: &words) { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            do throws(JobFailure) {
                try log.append(
                    hash == nil ? 2 : 1,
                    key: UnsafeBufferPointer(start: bytes.baseAddress, count: 8),
                    value: UnsafeBufferPointer(
                        start: bytes.baseAddress! + 8, count: hash == nil ? 0 : 8))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private func show() {
        counters?.set(.tableRows, rows)
        counters?.set(.checksum, Int64(bitPattern: checksum))
    }

    /// Keeps the counts in the checkpoint.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        if log != nil {
            try hashes.takeChanges { (key, hash) throws(JobFailure) in try keep(key, hash) }
        }
        let length = try log?.sync() ?? 0
        return Array("blackhole 1\n\(taken)\n\(rows)\n\(checksum)\n\(length)".utf8)
    }

    /// There is nothing to make visible.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}

    /// Closes the log.
    public func close() { log?.close() }
}
