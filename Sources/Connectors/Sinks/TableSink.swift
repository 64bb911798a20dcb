import Glibc
import StreamRuntime

/// Keeps the rows that a table has and writes them to one file when the input has ended.
///
/// With a key the newest row of each key is kept; without one the rows that were not taken back, as often as
/// they are there. Lines are sorted by key, or by their bytes, so that equal tables are equal files. The rows are
/// in memory, and in a log that a continued run reads again.
///
/// - Shape: a token is `table 1`, the length of the log, 1 or 0 for whether the file was written, its bytes.
public final class TableSink: Sink {
    private let path: String
    private let header: [UInt8]?
    private let encoder: any RecordEncoder
    private let keys: KeyEncoder?
    private let log: TableLog
    private let values = Column(.bytes, capacity: 4096)
    /// The row of each key, or how often each row is there.
    private var rows: [[UInt8]: [UInt8]] = [:]
    private var counts: [[UInt8]: Int] = [:]
    /// The rows of the table when it has no key.
    private var total = 0
    private var hasEnded = false
    private var counters: StepCounters?

    private enum What: UInt8 {
        case set = 1
        case remove, add, subtract
    }

    /// A sink that writes the file `path`, and keeps its log at `log`.
    ///
    /// - Parameters:
    ///   - keys: the columns of the key; empty for none.
    ///   - header: the first line of the file, if any.
    public init(
        path: String, log: String, keys: [Int], header: [UInt8]? = nil,
        encoder: any RecordEncoder
    ) {
        self.path = path
        self.header = header
        self.encoder = encoder
        self.keys = keys.isEmpty ? nil : KeyEncoder(columns: keys)
        self.log = TableLog(path: log)
    }

    /// Tells how many rows the table has.
    public func report(to counters: StepCounters) { self.counters = counters }

    /// Reads the rows of the checkpoint that `token` is of; without one the table is empty.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        rows = [:]
        counts = [:]
        total = 0
        hasEnded = false
        let known = try token.map { token throws(JobFailure) in try parse(token) }
        try log.recover(length: known?.log ?? 0) { what, key, value in
            if let what = What(rawValue: what) { apply(what, Array(key), value) }
        }
        if let known, known.isWritten { try publish(bytes: known.bytes) }
        if unlink(staged) != 0, errno != ENOENT {
            throw FileBytes.failure("remove", staged, kind: .sink)
        }
        showCount()
    }

    /// Brings the rows into the table.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        let changes = batch.changes?.bools
        let whole = batch.replacingColumns(batch.columns, schema: batch.schema)
        // A deleted row, too, is found by what it was.
        whole.changes = nil
        values.removeAll()
        encoder.encode(whole, into: values)
        if let failure = encoder.failure { throw failure }
        let encoded = keys?.encode(batch).bytes
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        for row in 0..<batch.count {
            let kind = RowChange(rawValue: changes?[row] ?? 0)!
            let isGone = kind == .updateBefore || kind == .delete
            if let encoded {
                if kind == .updateBefore {
                    // The row after it has the same key, or its own one goes.
                    guard row + 1 >= batch.count || !same(encoded, row, row + 1) else { continue }
                }
                let value = isGone ? none : values.bytes(row)
                let what = isGone ? What.remove : .set
                try log.append(what.rawValue, key: encoded.bytes(row), value: value)
                apply(what, Array(encoded.bytes(row)), value)
            } else {
                let what = isGone ? What.subtract : .add
                try log.append(what.rawValue, key: values.bytes(row), value: none)
                apply(what, Array(values.bytes(row)), none)
            }
        }
        showCount()
    }

    private func same(_ keys: Column, _ left: Int, _ right: Int) -> Bool {
        keys.bytes(left).elementsEqual(keys.bytes(right))
    }

    private func apply(_ what: What, _ key: [UInt8], _ value: UnsafeBufferPointer<UInt8>) {
        switch what {
        case .set: rows[key] = Array(value)
        case .remove: rows[key] = nil
        case .add, .subtract:
            let change = what == .add ? 1 : -1
            let count = counts[key, default: 0] + change
            counts[key] = count == 0 ? nil : count
            total += change
        }
    }

    private func showCount() {
        counters?.set(.tableRows, Int64(keys == nil ? total : rows.count))
    }

    /// The next checkpoint writes the file.
    public func end() throws(JobFailure) { hasEnded = true }

    /// Makes the changes durable and, at the end, the file under a hidden name.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        let length = try log.sync()
        let bytes = hasEnded ? try writeFile() : 0
        return Array("table 1\n\(length)\n\(hasEnded ? 1 : 0)\n\(bytes)".utf8)
    }

    /// Gives the file its name.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        let known = try parse(token)
        if known.isWritten { try publish(bytes: known.bytes) }
    }

    /// Leaves a file in the making unpublished.
    public func close() { log.close() }

    private func parse(
        _ token: [UInt8]
    ) throws(JobFailure) -> (log: Int, isWritten: Bool, bytes: Int) {
        let lines = String(decoding: token, as: UTF8.self).split(separator: "\n")
        guard lines.count == 4, lines[0] == "table 1", let length = Int(lines[1]),
            let bytes = Int(lines[3])
        else {
            throw JobFailure(
                .corruption, "the checkpoint does not know this output's table", at: path,
                remedy: "restore an older checkpoint")
        }
        return (length, lines[2] == "1", bytes)
    }

    // MARK: the file

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private var staged: String {
        directory + "/." + (path.split(separator: "/").last.map(String.init) ?? "") + ".pending"
    }

    private func writeFile() throws(JobFailure) -> Int {
        try Directory.make(directory)
        let descriptor = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileBytes.failure("create", staged, kind: .sink) }
        defer { Glibc.close(descriptor) }
        let text = ByteWriter(capacity: 1 << 16)
        var written = 0
        func line(_ bytes: [UInt8]) throws(JobFailure) {
            text.append(bytes)
            text.append(byte: 0x0A)
            if text.count >= 1 << 20 { try flush() }
        }
        func flush() throws(JobFailure) {
            try FileBytes.write(
                UnsafeBufferPointer(start: text.base, count: text.count), to: descriptor, staged)
            written += text.count
            text.removeAll()
        }
        if let header { try line(header) }
        if keys != nil {
            for key in rows.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                try line(rows[key]!)
            }
        } else {
            for row in counts.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                for _ in 0..<max(counts[row]!, 0) { try line(row) }
            }
        }
        try flush()
        guard fsync(descriptor) == 0 else { throw FileBytes.failure("sync", staged, kind: .sink) }
        try Directory.sync(directory)
        return written
    }

    private func publish(bytes: Int) throws(JobFailure) {
        var status = stat()
        if rename(staged, path) == 0 { return try Directory.sync(directory) }
        guard errno == ENOENT else { throw FileBytes.failure("rename", staged, kind: .sink) }
        guard stat(path, &status) == 0, Int(status.st_size) == bytes else {
            throw JobFailure(
                .corruption, "the table is missing or not of its \(bytes) bytes", at: path,
                remedy: "restore an older checkpoint")
        }
    }
}
