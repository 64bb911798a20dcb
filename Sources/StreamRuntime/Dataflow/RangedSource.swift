/// A source of which only given offsets are read: what a replay or a comparison of runs covers.
///
/// Partitions that came after the ranges were fixed are not read.
public final class RangedSource: RecordSource {
    /// What happens when a range has been read.
    public enum Finish: String, Sendable, Codable {
        /// The partition ends; when all have, windows close and everything leaves.
        case end
        /// The partition counts as read to the end of its log and waits: windows stay open, so that the
        /// reading can be carried on.
        case hold
    }

    /// How ranges are read.
    public struct Rules: Sendable {
        /// What happens at the end of a range.
        public var finish: Finish
        /// Whether offsets that retention has deleted stop the reading instead of being named as a gap.
        public var isStrict: Bool
        /// What holds the readers back, if anything does.
        public var throttle: RowThrottle?

        /// Rules for reading ranges.
        public init(finish: Finish, isStrict: Bool = false, throttle: RowThrottle? = nil) {
            self.finish = finish
            self.isStrict = isStrict
            self.throttle = throttle
        }
    }

    private let inner: any RecordSource
    private let name: String
    private let ranges: [Int32: OffsetRange]
    private let rules: Rules
    private let account: RangeAccount

    /// The partitions of `inner` that `ranges` names, within their ranges; `account` is told what was
    /// read, under "name/partition".
    public init(
        _ inner: any RecordSource, name: String, ranges: [Int32: OffsetRange], rules: Rules,
        account: RangeAccount
    ) {
        self.inner = inner
        self.name = name
        self.ranges = ranges
        self.rules = rules
        self.account = account
    }

    /// The partitions that have a range.
    public func partitions() throws(JobFailure) -> [Int32] { ranges.keys.sorted() }

    /// A reader at the start of the partition's range.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        guard let range = ranges[partition] else {
            throw JobFailure(
                .source, "partition \(partition) of \(name) has no range", at: name,
                remedy: "start the replay under another name")
        }
        return RangedReader(
            try inner.reader(partition: partition), address: "\(name)/\(partition)", range: range,
            rules: rules, account: account)
    }
}

/// Reads a range of one partition and accounts for every offset of it.
final class RangedReader: PartitionReader {
    private let inner: any PartitionReader
    private let address: String
    private let range: OffsetRange
    private let rules: RangedSource.Rules
    private let account: RangeAccount
    private let oldest: Int64
    private let hole: Range<Int64>?
    private var isStarted = false
    private(set) var position: Int64

    var partition: Int32 { inner.partition }
    var name: String { inner.name }

    init(
        _ inner: any PartitionReader, address: String, range: OffsetRange,
        rules: RangedSource.Rules, account: RangeAccount
    ) {
        self.inner = inner
        self.address = address
        self.range = range
        self.rules = rules
        self.account = account
        oldest = inner.position
        hole = (inner as? SeamedReader)?.hole
        position = range.from
    }

    func seek(to offset: Int64) throws(JobFailure) {
        if let to = range.to, offset > to {
            throw JobFailure(
                .source, "offset \(offset) of \(name) is behind the range, which ends at \(to)",
                at: address, remedy: "start the replay under another name")
        }
        position = offset
        try start()
    }

    /// Goes to `position`, or to the oldest record that is still there.
    private func start() throws(JobFailure) {
        isStarted = true
        account.begin(address, at: position, to: range.to)
        guard let to = range.to else {
            if position > 0 { try inner.seek(to: position) }
            return
        }
        if position < oldest, position < to {
            if rules.isStrict { throw gone(position..<min(oldest, to)) }
            let first = min(oldest, to)
            account.pass(
                address, to: first, records: 0,
                gaps: [RangeAccount.Gap(from: position, to: first, reason: .retention)])
            position = first
        }
        if rules.isStrict, let hole, hole.overlaps(position..<max(position, to)) {
            throw gone(hole)
        }
        if position < to { try inner.seek(to: position) }
    }

    private func gone(_ offsets: Range<Int64>) -> JobFailure {
        JobFailure(
            .source,
            "offsets \(offsets.lowerBound) to \(offsets.upperBound - 1) of \(name) are no longer "
                + "there: retention has deleted them", at: address,
            remedy:
                "begin at \(offsets.upperBound), read an archive of the topic first (--archive), "
                + "or leave --strict out to have the gap named in the ledger")
    }

    private func gap(from: Int64, to: Int64) -> RangeAccount.Gap {
        let isHole = hole.map { $0.overlaps(from..<to) } ?? false
        return RangeAccount.Gap(from: from, to: to, reason: isHole ? .retention : .absent)
    }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        if !isStarted { try start() }
        var wanted = maxRecords
        if let to = range.to {
            if position >= to { return finished }
            wanted = Int(min(Int64(wanted), to - position))
        }
        if let throttle = rules.throttle {
            wanted = throttle.grant(wanted)
            if wanted == 0 { return .waiting }
        }
        let outcome = try inner.read(maxRecords: wanted, maxBytes: maxBytes)
        guard case .records(let batch) = outcome else {
            rules.throttle?.giveBack(wanted)
            return settle(outcome)
        }
        return take(batch, granted: wanted)
    }

    private var finished: ReadOutcome { rules.finish == .end ? .ended : .caughtUp }

    /// Without records: at the end of the range, or of the log before it.
    private func settle(_ outcome: ReadOutcome) -> ReadOutcome {
        guard let to = range.to else {
            if case .ended = outcome { account.end(address) }
            return outcome
        }
        let reached = min(inner.position, to)
        if reached > position { skip(to: reached, records: 0) }
        // A log that ends below the range is still being written or committed.
        return position >= to ? finished : .waiting
    }

    private func skip(to reached: Int64, records: Int) {
        account.pass(
            address, to: reached, records: records,
            gaps: [gap(from: position, to: reached)])
        position = reached
    }

    private func take(_ batch: RecordBatch, granted: Int) -> ReadOutcome {
        let offsets = batch.offsets.int64s
        guard let to = range.to else {
            position = inner.position
            account.pass(address, to: position, records: batch.count, gaps: [])
            return .records(batch)
        }
        var count = batch.count
        while count > 0, offsets[count - 1] >= to { count -= 1 }
        rules.throttle?.giveBack(granted - count)
        guard count > 0 else {
            skip(to: to, records: 0)
            return finished
        }
        let last = offsets[count - 1]
        var gaps: [RangeAccount.Gap] = []
        if last - position + 1 != Int64(count) {
            var expected = position
            for row in 0..<count {
                if offsets[row] > expected {
                    gaps.append(gap(from: expected, to: offsets[row]))
                }
                expected = offsets[row] + 1
            }
        }
        let next = count < batch.count ? to : min(max(inner.position, last + 1), to)
        if next > last + 1 {
            gaps.append(gap(from: last + 1, to: next))
        }
        position = next
        account.pass(address, to: next, records: count, gaps: gaps)
        return .records(count < batch.count ? batch.slice(from: 0, count: count) : batch)
    }
}
