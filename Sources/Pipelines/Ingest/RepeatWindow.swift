import StreamRuntime

/// The requests of the last hour or so by their ids, so that one that is sent again is answered as the first
/// was and logged once.
///
/// What it knows is in the log itself: each record carries the id of its request, and a new process reads
/// them back.
struct RepeatWindow {
    /// Records that lie one behind the other in the request and in the log.
    struct Run: Equatable {
        /// The first one's place in the request, from 0.
        var index: Int
        var count: Int
        var partition: Int
        /// The first one's offset; nil where the log does not tell.
        var offset: Int64?
    }

    /// What is known of a request.
    struct Known {
        /// How many records it has in the log when it is there whole.
        var total: Int
        /// Where they are, by their place in the request.
        var runs: [Run] = []
        /// The rest of the answer; nil when it was read back from the log, which does not have it.
        var rejected: [RejectedRows.Reject]?

        /// How many of its records are in the log.
        var count: Int { runs.reduce(0) { $0 + $1.count } }

        /// Notes a record.
        mutating func add(index: Int, partition: Int, offset: Int64?) {
            if let last = runs.last, last.index + last.count == index,
                last.partition == partition,
                last.offset.map({ $0 + Int64(last.count) }) == offset
            {
                runs[runs.count - 1].count += 1
            } else {
                runs.append(Run(index: index, count: 1, partition: partition, offset: offset))
            }
        }

        /// Whether record `index` is in the log.
        func has(_ index: Int) -> Bool {
            runs.contains { index >= $0.index && index < $0.index + $0.count }
        }
    }

    /// Ids known at a time: some 200 MB of them; older ones are forgotten early.
    static let idsMax = 1_000_000

    private var known: [String: Known] = [:]
    private var order: [(micros: Int64, id: String)] = []
    private var first = 0
    private let lengthMicros: Int64

    /// A window that forgets ids after `length`.
    init(length: Duration) { lengthMicros = length.micros }

    /// The number of ids.
    var count: Int { known.count }

    /// What is known of the request `id`.
    func find(_ id: String) -> Known? { known[id] }

    /// Notes a request that came at `micros`.
    mutating func note(_ id: String, _ entry: Known, micros: Int64) {
        if known.updateValue(entry, forKey: id) == nil { order.append((micros, id)) }
        forget(before: micros - lengthMicros)
    }

    /// Forgets a request that did not get into the log.
    mutating func remove(_ id: String) { known[id] = nil }

    /// Forgets what is older than `micros`, and the oldest of too many.
    mutating func forget(before micros: Int64) {
        while first < order.count,
            order[first].micros < micros || order.count - first > RepeatWindow.idsMax
        {
            known[order[first].id] = nil
            first += 1
        }
        if first > 1024, first * 2 > order.count {
            order.removeFirst(first)
            first = 0
        }
    }

    /// Takes up the records of a batch that carry ids.
    mutating func restore(_ batch: RecordBatch) {
        guard let headers = batch.headers else { return }
        for row in 0..<batch.count where headers.isValid(row) {
            guard let found = RecordHeaders.decode(headers.bytes(row)),
                let id = RepeatWindow.text(found, PlannedIngest.idHeader)
            else { continue }
            let part = RepeatWindow.text(found, PlannedIngest.partHeader)?.split(separator: "/")
            let index = part?.first.flatMap { Int($0) } ?? 0
            let total = part?.last.flatMap { Int($0) } ?? 1
            var entry = known[id] ?? Known(total: total)
            guard !entry.has(index) else { continue }
            entry.add(
                index: index, partition: Int(batch.partition), offset: batch.offsets.int64s[row])
            let micros = batch.timestamps.int64s[row]
            if known.updateValue(entry, forKey: id) == nil { order.append((micros, id)) }
        }
    }

    /// Puts what was taken up in order.
    mutating func settle() {
        order.sort { $0.micros < $1.micros }
        for id in known.keys { known[id]!.runs.sort { $0.index < $1.index } }
    }

    private static func text(_ headers: [RecordHeaders.Header], _ name: String) -> String? {
        headers.first { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
    }
}
