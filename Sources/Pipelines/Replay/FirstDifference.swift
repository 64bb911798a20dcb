import StreamRuntime

/// Where what two runs left first differs, for a person.
enum FirstDifference {
    /// A description of the first difference between `left` and `right`, or nil.
    static func find(
        _ plan: JobPlan, _ left: ScratchPlace, _ right: ScratchPlace
    ) throws(JobFailure) -> String? {
        let others = plan.outputs(in: right)
        for (index, (_, output)) in plan.outputs(in: left).enumerated() {
            var found: String?
            switch (output.kind, others[index].output.kind) {
            case (.topic(let topic), _):
                found = try self.topic(topic, left.topics, right.topics)
            case (.files(let from, let format), .files(let to, _)):
                found = lines(
                    output.name, Array(FileLines(directory: from, format: format)),
                    Array(FileLines(directory: to, format: format)))
            default: break
            }
            if let found { return found }
        }
        guard !plan.featureViews.isEmpty else { return nil }
        return lines(
            "the online store",
            try OutputDigest.features(of: plan, in: left).map { Array($0.utf8) },
            try OutputDigest.features(of: plan, in: right).map { Array($0.utf8) })
    }

    private static func lines(_ name: String, _ left: [[UInt8]], _ right: [[UInt8]]) -> String? {
        for index in 0..<max(left.count, right.count) {
            let one = index < left.count ? left[index] : nil
            let other = index < right.count ? right[index] : nil
            if one != other { return "\(name), row \(index): \(text(one)) and \(text(other))" }
        }
        return nil
    }

    private static func topic(
        _ topic: String, _ left: String, _ right: String
    ) throws(JobFailure) -> String? {
        let there = [left, right].filter { EmbeddedLog(root: $0).hasTopic(topic) }
        guard there.count == 2 else {
            return there.isEmpty ? nil : "topic \(topic) is in one of them only"
        }
        let one = try EmbeddedLog(root: left).source(topic, bounded: true)
        let other = try EmbeddedLog(root: right).source(topic, bounded: true)
        for partition in try one.partitions() {
            var ones = RecordCursor(try one.reader(partition: partition))
            var others = RecordCursor(try other.reader(partition: partition))
            while true {
                let (first, second) = (try ones.next(), try others.next())
                if first == second {
                    if first == nil { break }
                    continue
                }
                let record = first ?? second!
                return "topic \(topic), partition \(partition), offset \(record.offset), "
                    + "key \(text(record.key)): \(text(first)) and \(text(second))"
            }
        }
        return nil
    }

    private static func text(_ record: RecordCursor.Record?) -> String {
        guard let record else { return "no record" }
        return "\(text(record.value)) at \(record.timestamp)"
    }

    static func text(_ bytes: [UInt8]?) -> String {
        guard let bytes else { return "nothing" }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.count <= 300 ? text : text.prefix(300) + "…"
    }
}

/// The records of a partition, one at a time: for comparisons, not for speed.
struct RecordCursor {
    /// A record apart from its log.
    struct Record: Equatable {
        let offset: Int64
        let timestamp: Int64
        let key: [UInt8]?
        let value: [UInt8]?
    }

    private let reader: any PartitionReader
    private var batch: RecordBatch?
    private var row = 0

    /// The records `reader` has until it ends or is caught up.
    init(_ reader: any PartitionReader) { self.reader = reader }

    mutating func next() throws(JobFailure) -> Record? {
        while batch == nil || row == batch!.count {
            guard case .records(let read) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20)
            else { return nil }
            batch = read
            row = 0
        }
        defer { row += 1 }
        return RecordCursor.record(batch!, row)
    }

    /// One record of a batch, by itself.
    static func record(_ batch: RecordBatch, _ row: Int) -> Record {
        Record(
            offset: batch.offsets.int64s[row], timestamp: batch.timestamps.int64s[row],
            key: batch.keys.isValid(row) ? Array(batch.keys.bytes(row)) : nil,
            value: batch.values.isValid(row) ? Array(batch.values.bytes(row)) : nil)
    }
}
