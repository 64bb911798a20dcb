import Connectors
import Glibc
import StreamRuntime

/// What `millrace topics` does: lists, makes, produces to and consumes from topics.
///
/// - Shape: every command hands its output on line by line, as bytes without the line's end, so that
///   values that are no text pass unchanged.
public struct TopicCommands {
    /// Takes one line of output.
    public typealias Line = ([UInt8]) throws(JobFailure) -> Void

    private let store: any TopicStore

    /// Commands on the topics of `store`.
    public init(_ store: any TopicStore) { self.store = store }

    // MARK: list

    /// Lists the topics as a table, or as one JSON object a line.
    public func list(json: Bool = false, to line: Line) throws(JobFailure) {
        var rows = [["topic", "partitions", "records", "bytes", "retention"]]
        for topic in try store.listing() {
            rows.append([
                topic.name, "\(topic.partitions.count)", "\(topic.records)",
                topic.bytes.map { "\($0)" } ?? "-", topic.retention,
            ])
            if json { try line(Array(TopicCommands.json(topic).compact.utf8)) }
        }
        if !json { for text in TopicCommands.table(rows) { try line(Array(text.utf8)) } }
    }

    /// Shows one topic, a line for each partition, or as one JSON object.
    ///
    /// - Parameter group: a consumer group whose committed offsets and lag are shown, on a cluster.
    public func describe(
        _ topic: String, group: String? = nil, json: Bool = false, to line: Line
    ) throws(JobFailure) {
        let found = try store.listing(of: topic)
        var lags: [Int: KafkaLag.Partition] = [:]
        if let group {
            for lag in try store.lag(of: topic, group: group) { lags[Int(lag.partition)] = lag }
        }
        if json {
            return try line(Array(TopicCommands.json(found, group: group, lags).compact.utf8))
        }
        let heads = group == nil ? [] : ["committed", "lag"]
        var rows = [["partition", "oldest", "end", "records"] + heads + ["bytes", "retention"]]
        for partition in found.partitions {
            let lag = lags[partition.number]
            let cells = [lag?.committed.map { "\($0)" } ?? "-", lag.map { "\($0.records)" } ?? "-"]
            rows.append(
                [
                    "\(partition.number)", "\(partition.oldest)", "\(partition.end)",
                    "\(partition.end - partition.oldest)",
                ] + cells.prefix(heads.count) + [
                    partition.size.map { "\($0.bytes)" } ?? "-", found.retention,
                ])
        }
        for text in TopicCommands.table(rows) { try line(Array(text.utf8)) }
    }

    private static func json(
        _ topic: TopicListing, group: String? = nil, _ lags: [Int: KafkaLag.Partition] = [:]
    ) -> JSONText {
        let partitions = topic.partitions.map { partition in
            var members: [(String, JSONText)] = [
                ("partition", .integer(partition.number)),
                ("oldest", .integer(Int(partition.oldest))), ("end", .integer(Int(partition.end))),
            ]
            if let size = partition.size {
                members.append(("bytes", .integer(size.bytes)))
                members.append(("segments", .integer(size.segments)))
            }
            if let lag = lags[partition.number] {
                members.append(("committed", lag.committed.map { .integer(Int($0)) } ?? .null))
                members.append(("lag", .integer(Int(lag.records))))
            }
            return JSONText.object(members)
        }
        return JSONText.object(
            [
                ("topic", .string(topic.name)), ("records", .integer(Int(topic.records))),
                ("bytes", topic.bytes.map { .integer($0) } ?? .null),
                ("partitions", .array(partitions)), ("retention", .string(topic.retention)),
            ] + (group.map { [("group", .string($0))] } ?? []))
    }

    // MARK: create

    /// Makes a topic.
    ///
    /// - Throws: when there is one of this name already, or the name or a setting is not allowed.
    public func create(
        _ topic: String, partitions: Int, settings: [String: String]
    ) throws(JobFailure) {
        guard try store.create(topic, partitions: partitions, settings: settings) else {
            throw JobFailure(
                .environment, "topic \(topic) exists already", at: store.place,
                remedy: "choose another name, or use the topic as it is")
        }
    }

    /// Columns padded to one width, numbers to the right.
    private static func table(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                let isText = column == 0 || column == row.count - 1
                return isText ? row[column] + space : space + row[column]
            }
            let text = cells.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
    }

    // MARK: produce

    /// How lines become records.
    public struct Produce: Sendable {
        /// What separates a line's key from its value; nil when lines have no key.
        public var keySeparator: String?
        /// The partition of every record; nil lets the key choose, or goes round without one.
        public var partition: Int?
        /// Whether an empty value is a tombstone.
        public var emptyIsTombstone = false

        /// Whole lines as values, spread over all partitions.
        public init() {}
    }

    /// Appends one record for each line of `lines`; readable at the end, and whenever `lines` waits.
    ///
    /// - Parameter now: the time of the records, in microseconds.
    /// - Returns: the number of records.
    /// - Throws: naming the line when one has no separator; the lines before it are appended.
    public func produce(
        _ topic: String, _ options: Produce = Produce(), from lines: inout InputLines,
        now: () -> Int64
    ) throws(JobFailure) -> Int {
        let writer = try store.appender(to: topic)
        if let partition = options.partition, !(0..<writer.partitions).contains(partition) {
            throw JobFailure(
                .environment, "topic \(topic) has no partition \(partition)", at: store.place,
                remedy: "use 0 to \(writer.partitions - 1)")
        }
        var count = 0
        var uncommitted = 0
        while let line = try lines.next(
            beforeWaiting: { () throws(JobFailure) in
                if uncommitted > 0 { try writer.commit() }
                uncommitted = 0
            })
        {
            let record: (key: [UInt8]?, value: [UInt8])
            do {
                record = try TopicCommands.split(line, options.keySeparator, number: count + 1)
            } catch {
                try writer.commit()
                throw error
            }
            let value = record.value.isEmpty && options.emptyIsTombstone ? nil : record.value
            let key = record.key
            try writer.append(
                key: key, value: value, timestamp: now(), partition: options.partition,
                fallback: count % writer.partitions)
            count += 1
            uncommitted += 1
            if uncommitted == 100_000 {
                try writer.commit()
                uncommitted = 0
            }
        }
        try writer.commit()
        return count
    }

    private static func split(
        _ line: [UInt8], _ separator: String?, number: Int
    ) throws(JobFailure) -> (key: [UInt8]?, value: [UInt8]) {
        guard let separator, !separator.isEmpty else { return (nil, line) }
        let mark = Array(separator.utf8)
        var at = 0
        while at + mark.count <= line.count {
            if line[at..<(at + mark.count)].elementsEqual(mark) {
                return (Array(line[..<at]), Array(line[(at + mark.count)...]))
            }
            at += 1
        }
        throw JobFailure(
            .environment, "line \(number) has no \"\(separator)\" between key and value",
            at: "input", remedy: "write KEY\(separator)VALUE, or leave the key separator out")
    }

    // MARK: consume

    /// Which records to show, and how.
    public struct Consume: Sendable {
        /// The partitions; nil means all.
        public var partitions: [Int32]?
        /// The first offset of each partition; nil means the oldest there is, negative counts back
        /// from the end.
        public var from: Int64?
        /// The offset to stop before.
        public var before: Int64?
        /// The most records to show.
        public var count: Int?
        /// Whether to go on at the end and wait for more.
        public var follow = false
        /// One JSON object a record instead of its value.
        public var json = false
        /// What to put between key and value in plain lines; nil shows values only.
        public var keySeparator: String?

        /// Every record of every partition, values only.
        public init() {}
    }

    /// Shows records, partition by partition; with `follow`, then what is committed meanwhile.
    ///
    /// - Parameter wait: called when there is nothing more for now; returns false to stop.
    /// - Returns: the number of records shown.
    public func consume(
        _ topic: String, _ options: Consume = Consume(), wait: () -> Bool = { false },
        to line: Line
    ) throws(JobFailure) -> Int {
        let source = try store.source(of: topic, bounded: !options.follow)
        let extents = try store.listing(of: topic).partitions
        var readers: [any PartitionReader] = []
        let all = try source.partitions()
        for partition in options.partitions ?? all {
            let reader = try source.reader(partition: partition)
            if let from = options.from {
                let extent = extents[Int(partition)]
                try reader.seek(to: from < 0 ? max(extent.oldest, extent.end + from) : from)
            }
            readers.append(reader)
        }
        var shown = 0
        repeat {
            var idle = true
            for reader in readers {
                while options.count.map({ shown < $0 }) ?? true,
                    options.before.map({ reader.position < $0 }) ?? true
                {
                    let room = options.count.map { $0 - shown } ?? 4096
                    let left = options.before.map { Int($0 - reader.position) } ?? 4096
                    let outcome = try reader.read(
                        maxRecords: min(room, left, 4096), maxBytes: 1 << 20)
                    // A cluster's answer is on its way: what is there must not pass for nothing.
                    if case .waiting = outcome {
                        guard wait() else { return shown }
                        continue
                    }
                    guard case .records(let batch) = outcome else { break }
                    for row in 0..<batch.count {
                        try line(TopicCommands.text(batch, row, topic: topic, options))
                    }
                    shown += batch.count
                    idle = false
                }
            }
            if let count = options.count, shown >= count { break }
            if let before = options.before, readers.allSatisfy({ $0.position >= before }) { break }
            if idle && !(options.follow && wait()) { break }
        } while options.follow
        return shown
    }

    private static func text(
        _ batch: RecordBatch, _ row: Int, topic: String, _ options: Consume
    ) -> [UInt8] {
        if options.json { return json(batch, row, topic: topic) }
        var text: [UInt8] = []
        if let separator = options.keySeparator {
            text.append(contentsOf: batch.keys.bytes(row))
            text.append(contentsOf: separator.utf8)
        }
        text.append(contentsOf: batch.values.bytes(row))
        return text
    }

    private static func json(_ batch: RecordBatch, _ row: Int, topic: String) -> [UInt8] {
        var members: [(String, JSONText)] = [
            ("topic", .string(topic)), ("partition", .integer(Int(batch.partition))),
            ("offset", .integer(Int(batch.offsets.int64s[row]))),
            ("timestamp", .integer(Int(batch.timestamps.int64s[row]))),
        ]
        let key = batch.keys.isValid(row) ? Array(batch.keys.bytes(row)) : nil
        let value = batch.values.isValid(row) ? Array(batch.values.bytes(row)) : nil
        members.append(member("key", key))
        members.append(member("value", value))
        if let headers = batch.headers.flatMap({ RecordHeaders.decode($0.bytes(row)) }),
            !headers.isEmpty
        {
            let values = headers.map { JSONText.object([member($0.name, $0.value)]) }
            members.append(("headers", .array(values)))
        }
        return Array(JSONText.object(members).compact.utf8)
    }

    /// Bytes that are no UTF-8 are shown in hexadecimal, under a name that says so.
    private static func member(_ name: String, _ bytes: [UInt8]?) -> (String, JSONText) {
        guard let bytes else { return (name, .null) }
        if let text = String(validating: bytes, as: UTF8.self) { return (name, .string(text)) }
        let digits = Array("0123456789abcdef")
        let hex = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return (name + "_hex", .string(String(hex)))
    }
}

/// The lines of a file descriptor, such as the standard input; a last line may lack its end.
public struct InputLines {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var at = 0
    private var ended = false

    /// The lines of `descriptor`, which stays open.
    public init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end (and without a carriage return before it), or nil.
    ///
    /// - Parameter beforeWaiting: called when no more input is there yet and the next read would wait.
    public mutating func next(
        beforeWaiting: () throws(JobFailure) -> Void
    ) throws(JobFailure) -> [UInt8]? {
        var searched = at
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { at = end + 1 }
                return trimmed(at..<end)
            }
            if ended {
                guard at < buffer.count else { return nil }
                defer { at = buffer.count }
                return trimmed(at..<buffer.count)
            }
            buffer.removeFirst(at)
            at = 0
            searched = buffer.count
            var poller = pollfd(descriptor: descriptor)
            if poll(&poller, 1, 0) == 0 { try beforeWaiting() }
            try fill()
        }
    }

    private func trimmed(_ range: Range<Int>) -> [UInt8] {
        let line = buffer[range]
        return Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }

    private mutating func fill() throws(JobFailure) {
        let room = 64 << 10
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: room))
        var got: Int
        repeat {
            got = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + start, room) }
        } while got < 0 && errno == EINTR
        buffer.removeLast(room - max(got, 0))
        if got == 0 { ended = true }
        if got < 0 {
            throw JobFailure(
                .environment, "cannot read the input: \(String(cString: strerror(errno)))",
                at: "descriptor \(descriptor)", remedy: "check what feeds the input")
        }
    }
}

extension pollfd {
    fileprivate init(descriptor: Int32) {
        self.init(fd: descriptor, events: Int16(POLLIN), revents: 0)
    }
}
