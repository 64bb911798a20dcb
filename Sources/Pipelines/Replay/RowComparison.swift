import StreamRuntime

/// What is remembered of a row when two outputs are compared.
struct RowMark: Equatable {
    /// A hash of key and timestamp: what the row is about.
    let identity: Int64
    /// A hash of key, timestamp and value.
    let content: Int64
    let timestamp: Int64
    let partition: Int32
    let offset: Int64
}

/// How the rows of a live output and of its shadow differ. A pure value.
struct RowComparison: Equatable {
    /// Which rows need not be on both sides.
    struct Allowance {
        /// The live job has read further: its last rows have no counterpart yet.
        var liveIsAhead = false
        /// The replay has read further.
        var shadowIsAhead = false
        /// The replay began later than the live job: the oldest live rows have none.
        var beginsLater = false
    }

    /// A row that differs.
    struct Divergence: Equatable {
        /// In what way.
        enum Kind: String {
            case changed, missing, extra
        }
        let kind: Kind
        let live: RowMark?
        let shadow: RowMark?

        fileprivate var place: (Int64, Int32, Int64) {
            let mark = live ?? shadow!
            return (mark.timestamp, mark.partition, mark.offset)
        }
    }

    /// The same row on both sides.
    private(set) var equal = 0
    /// The same key and time with another value.
    private(set) var changed = 0
    /// In the live output only.
    private(set) var missing = 0
    /// In the shadow only.
    private(set) var extra = 0
    /// Outside of what both sides have read.
    private(set) var uncompared = 0
    /// The earliest row, by timestamp, that is changed, missing or extra.
    private(set) var first: Divergence?

    var isEqual: Bool { changed == 0 && missing == 0 && extra == 0 }

    /// Compares all rows of the two sides, whatever their order.
    init(live: [RowMark], shadow: [RowMark], allowing allowance: Allowance) {
        let live = live.sorted(by: RowComparison.precedes)
        let shadow = shadow.sorted(by: RowComparison.precedes)
        var matched: [RowMark] = []
        var loneLive: [RowMark] = []
        var loneShadow: [RowMark] = []
        var left = 0
        var right = 0
        while left < live.count || right < shadow.count {
            let identity = min(
                left < live.count ? live[left].identity : .max,
                right < shadow.count ? shadow[right].identity : .max)
            let lefts = RowComparison.run(of: identity, in: live, from: &left)
            let rights = RowComparison.run(of: identity, in: shadow, from: &right)
            pair(lefts, rights, &matched, &loneLive, &loneShadow)
        }
        judge(loneLive, loneShadow, matched, allowance)
    }

    private static func precedes(_ left: RowMark, _ right: RowMark) -> Bool {
        (left.identity, left.content, left.partition, left.offset)
            < (right.identity, right.content, right.partition, right.offset)
    }

    private static func run(
        of identity: Int64, in marks: [RowMark], from start: inout Int
    ) -> [RowMark] {
        let first = start
        while start < marks.count, marks[start].identity == identity { start += 1 }
        return Array(marks[first..<start])
    }

    /// Rows about the same thing: equal ones first, what is left pair by pair.
    private mutating func pair(
        _ lefts: [RowMark], _ rights: [RowMark], _ matched: inout [RowMark],
        _ loneLive: inout [RowMark], _ loneShadow: inout [RowMark]
    ) {
        var others = rights
        var odd: [RowMark] = []
        for mark in lefts {
            if let index = others.firstIndex(where: { $0.content == mark.content }) {
                others.remove(at: index)
                equal += 1
                matched.append(mark)
            } else {
                odd.append(mark)
            }
        }
        let pairs = min(odd.count, others.count)
        for index in 0..<pairs {
            changed += 1
            matched.append(odd[index])
            note(Divergence(kind: .changed, live: odd[index], shadow: others[index]))
        }
        loneLive += odd[pairs...]
        loneShadow += others[pairs...]
    }

    private mutating func judge(
        _ loneLive: [RowMark], _ loneShadow: [RowMark], _ matched: [RowMark],
        _ allowance: Allowance
    ) {
        var span: [Int32: ClosedRange<Int64>] = [:]
        var newest = Int64.min
        var oldest = Int64.max
        for mark in matched {
            let known = span[mark.partition] ?? mark.offset...mark.offset
            span[mark.partition] =
                min(known.lowerBound, mark.offset)...max(known.upperBound, mark.offset)
            newest = max(newest, mark.timestamp)
            oldest = min(oldest, mark.timestamp)
        }
        for mark in loneLive {
            let known = span[mark.partition]
            let isAfter = known.map { mark.offset > $0.upperBound } ?? (mark.timestamp >= newest)
            let isBefore = known.map { mark.offset < $0.lowerBound } ?? (mark.timestamp <= oldest)
            if allowance.liveIsAhead && isAfter || allowance.beginsLater && isBefore {
                uncompared += 1
            } else {
                missing += 1
                note(Divergence(kind: .missing, live: mark, shadow: nil))
            }
        }
        for mark in loneShadow {
            if allowance.shadowIsAhead && mark.timestamp >= newest {
                uncompared += 1
            } else {
                extra += 1
                note(Divergence(kind: .extra, live: nil, shadow: mark))
            }
        }
    }

    private mutating func note(_ divergence: Divergence) {
        if let first, first.place <= divergence.place { return }
        first = divergence
    }
}

extension RowMark {
    /// The marks of every record of `source`.
    ///
    /// - Parameter isKafka: whether the rows are compared with some that Kafka keeps, whose times are whole
    ///   milliseconds from the first of 1970 on.
    static func all(
        of source: any RecordSource, isKafka: Bool = false
    ) throws(JobFailure) -> [RowMark] {
        var marks: [RowMark] = []
        try ReplaySources.forEachBatch(of: source) { batch in
            for row in 0..<batch.count {
                let key = batch.keys.isValid(row) ? Array(batch.keys.bytes(row)) : nil
                let value = batch.values.isValid(row) ? Array(batch.values.bytes(row)) : nil
                let kept = batch.timestamps.int64s[row]
                let time = isKafka ? max(kept / 1000, 1) * 1000 : kept
                let moment = withUnsafeBytes(of: time.littleEndian) { Array($0) }
                marks.append(
                    RowMark(
                        identity: RecordDigest.hash([key, moment]),
                        content: RecordDigest.hash([key, moment, value]), timestamp: time,
                        partition: batch.partition, offset: batch.offsets.int64s[row]))
            }
        }
        return marks
    }

    /// The marks of lines without keys: each is about itself.
    static func all(of lines: some Sequence<[UInt8]>) -> [RowMark] {
        lines.enumerated().map { index, line in
            let hash = RecordDigest.hash([line])
            return RowMark(
                identity: hash, content: hash, timestamp: 0, partition: 0, offset: Int64(index))
        }
    }

    /// The marks of an online store's rows, as `OnlineStore.dump` tells them: about entity, key and view.
    static func all(ofFeatures lines: [String]) -> [RowMark] {
        lines.enumerated().map { index, line in
            let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
            let about = words.prefix(3).joined(separator: " ")
            return RowMark(
                identity: RecordDigest.hash([Array(about.utf8)]),
                content: RecordDigest.hash([Array(line.utf8)]),
                timestamp: words.count > 3 ? Int64(words[3]) ?? 0 : 0, partition: 0,
                offset: Int64(index))
        }
    }
}
