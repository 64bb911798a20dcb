import Synchronization

/// What a bounded reading has read of each partition, and what was not there to be read.
///
/// - Note: written by the readers of all workers and read by whoever shows progress: behind a lock,
///   once a batch.
public final class RangeAccount: Sendable {
    /// Offsets without a record.
    public struct Gap: Equatable, Sendable, Codable {
        /// Why there is none.
        public enum Reason: String, Sendable, Codable {
            /// Retention has deleted the records, before or while the range was read.
            case retention
            /// The log skips them: compacted away, of an aborted transaction, or a transaction's mark.
            case absent
        }
        /// The first of them.
        public let from: Int64
        /// The offset behind the last.
        public let to: Int64
        /// Why they have no record.
        public let reason: Reason

        /// The offsets from `from` up to and without `to`.
        public init(from: Int64, to: Int64, reason: Reason) {
            self.from = from
            self.to = to
            self.reason = reason
        }
    }

    /// One partition's entry.
    public struct Entry: Equatable, Sendable, Codable {
        /// The offset reading has come to.
        public var position: Int64
        /// Where the range ends; nil for a file.
        public var to: Int64?
        /// What was missing, ascending.
        public var gaps: [Gap] = []
        /// Whether a file was read to its end.
        public var isEnded = false

        /// Whether everything up to the end of the range has been read.
        public var isDone: Bool { to.map { position >= $0 } ?? isEnded }
    }

    private struct Book {
        var entries: [String: Entry] = [:]
        var records: Int64 = 0
    }

    private let book: Mutex<Book>
    private let limit: Int64?
    private let atLimit: (@Sendable () -> Void)?

    /// An account that goes on from `entries`, by "source/partition".
    public init(_ entries: [String: Entry] = [:]) {
        book = Mutex(Book(entries: entries))
        limit = nil
        atLimit = nil
    }

    /// An empty account that calls `atLimit` once, when `limit` records have been read: the moment at
    /// which a rehearsed crash is due.
    public init(limit: Int64, atLimit: @escaping @Sendable () -> Void) {
        book = Mutex(Book())
        self.limit = limit
        self.atLimit = atLimit
    }

    /// The entries, by "source/partition".
    public var entries: [String: Entry] { book.withLock { $0.entries } }

    /// Records read since the process started.
    public var records: Int64 { book.withLock { $0.records } }

    /// Reading of `partition` starts, or starts again, at `position`: gaps from there on are forgotten,
    /// as they will be met again.
    func begin(_ partition: String, at position: Int64, to: Int64?) {
        book.withLock { book in
            var entry = book.entries[partition] ?? Entry(position: position, to: to)
            entry.to = to
            entry.position = position
            entry.isEnded = false
            entry.gaps = entry.gaps.compactMap { gap in
                if gap.from >= position { return nil }
                return Gap(from: gap.from, to: min(gap.to, position), reason: gap.reason)
            }
            book.entries[partition] = entry
        }
    }

    /// Reading of `partition` has come to `position`, over `records` records and `gaps`.
    func pass(_ partition: String, to position: Int64, records: Int, gaps: [Gap]) {
        let isLimit = book.withLock { book in
            book.entries[partition]?.position = position
            for gap in gaps {
                // Batches may end inside a gap: its parts are one.
                if let last = book.entries[partition]?.gaps.last, last.to == gap.from,
                    last.reason == gap.reason
                {
                    book.entries[partition]?.gaps.removeLast()
                    book.entries[partition]?.gaps.append(
                        Gap(from: last.from, to: gap.to, reason: gap.reason))
                } else {
                    book.entries[partition]?.gaps.append(gap)
                }
            }
            let before = book.records
            book.records += Int64(records)
            return limit.map { before < $0 && book.records >= $0 } ?? false
        }
        if isLimit { atLimit?() }
    }

    /// A file was read to its end.
    func end(_ partition: String) { book.withLock { $0.entries[partition]?.isEnded = true } }

    /// Whether `partitions` partitions are known and each has been read to the end of its range.
    public func isDone(partitions: Int) -> Bool {
        book.withLock { book in
            book.entries.count >= partitions && book.entries.values.allSatisfy(\.isDone)
        }
    }
}
