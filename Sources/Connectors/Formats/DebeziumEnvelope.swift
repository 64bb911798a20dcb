import StreamRuntime

/// Finds the parts of a Debezium change event: what happened, when, and the row's image.
final class DebeziumEnvelope {
    /// What happened to the row.
    enum Operation: UInt8 {
        case create = 0x63
        case snapshot = 0x72
        case update = 0x75
        case delete = 0x64
        case truncate = 0x74
    }

    /// One event, taken apart.
    struct Change {
        let operation: Operation
        /// The values of the paths asked for.
        var spans: [JSONSpan]
        /// The row after the change, or before it for a delete; nil for a truncate.
        var image: JSONSpan?
        /// The row before an update, where the event has one.
        var before: JSONSpan?
    }

    private enum Part: Int, CaseIterable {
        case op, before, after, time, sourceTime, lsn, file, pos, row
        case source, ddl, tableChanges, status, id

        var path: [String] {
            switch self {
            case .op: ["op"]
            case .before: ["before"]
            case .after: ["after"]
            case .time: ["ts_ms"]
            case .sourceTime: ["source", "ts_ms"]
            case .lsn: ["source", "lsn"]
            case .file: ["source", "file"]
            case .pos: ["source", "pos"]
            case .row: ["source", "row"]
            case .source: ["source"]
            case .ddl: ["ddl"]
            case .tableChanges: ["tableChanges"]
            case .status: ["status"]
            case .id: ["id"]
            }
        }
    }

    private let paths: [[String]]
    private let wantsPosition: Bool
    /// Leaves: the parts and the paths asked for, bare; the same in a payload; the payload.
    private let reader: JSONDocumentReader
    private let count: Int

    /// Looks for these paths besides the parts every event has.
    init(_ paths: [[String]]) {
        self.paths = paths
        wantsPosition = paths.contains(["position"])
        let all = Part.allCases.map(\.path) + paths
        count = all.count
        reader = JSONDocumentReader(paths: all + all.map { ["payload"] + $0 } + [["payload"]])
    }

    /// Takes the event at `start` of `text` apart.
    ///
    /// - Returns: nil for an event that is about no row: a heartbeat, a schema change, the begin or end
    ///   of a transaction, a message written into the database's log.
    /// - Throws: when it is not JSON, or no event of Debezium.
    func read(
        _ text: RecordText, start: Int, length: Int
    ) throws(ValueProblem) -> Change? {
        try reader.locate(text, start: start, length: length)
        let arena = text.arena
        let payload = reader.spans[count * 2]
        let isWrapped = payload.length > 0 && arena.base[payload.start] == 0x7B
        let base = isWrapped ? count : 0
        let op = reader.spans[base + Part.op.rawValue]
        guard op.length == 3, arena.base[op.start] == 0x22 else {
            if op.length == 0, isAboutNoRow(base, arena) { return nil }
            throw ValueProblem("not a change event: it has no op", field: "op")
        }
        let code = arena.base[op.start + 1]
        if code == 0x6D { return nil }  // m, a message of the log
        guard let operation = Operation(rawValue: code) else {
            throw ValueProblem(
                "op \(excerpt(arena.base + op.start + 1, 1)) is none of c, r, u, d, t", field: "op")
        }
        var change = Change(operation: operation, spans: [], image: nil, before: nil)
        switch operation {
        case .create, .snapshot: change.image = try object(Part.after, base, arena)
        case .update:
            change.image = try object(Part.after, base, arena)
            let before = reader.spans[base + Part.before.rawValue]
            change.before =
                before.length > 0 && arena.base[before.start] == 0x7B ? before : nil
        case .delete: change.image = try object(Part.before, base, arena)
        case .truncate: break
        }
        for (index, path) in paths.enumerated() {
            switch path {
            case ["ts_ms"]: change.spans.append(time(base, text.arena))
            case ["position"]: change.spans.append(position(base, text))
            default: change.spans.append(reader.spans[base + Part.allCases.count + index])
            }
        }
        return change
    }

    /// Whether an event without an operation is one of those that Debezium writes besides changes.
    private func isAboutNoRow(_ base: Int, _ arena: ByteArena) -> Bool {
        func span(_ part: Part) -> JSONSpan { reader.spans[base + part.rawValue] }
        if span(.ddl).length > 0 || span(.tableChanges).length > 0 { return true }
        let status = span(.status)
        if span(.id).length > 0, status.length == 7 || status.length == 5 {
            let word = String(
                decoding: UnsafeBufferPointer(
                    start: arena.base + status.start, count: status.length), as: UTF8.self)
            if word == "\"BEGIN\"" || word == "\"END\"" { return true }
        }
        let time = span(.time)
        let isTimed = time.length > 0 && arena.base[time.start] &- 0x30 <= 9
        return isTimed && span(.before).length == 0 && span(.after).length == 0
            && span(.source).length == 0
    }

    private func object(
        _ part: Part, _ base: Int, _ arena: ByteArena
    ) throws(ValueProblem) -> JSONSpan {
        let span = reader.spans[base + part.rawValue]
        guard span.length > 0, arena.base[span.start] == 0x7B else {
            throw ValueProblem("the change has no row in \(part.path[0])", field: part.path[0])
        }
        return span
    }

    /// `source.ts_ms`, or `ts_ms` where that is missing, null or 0.
    private func time(_ base: Int, _ arena: ByteArena) -> JSONSpan {
        let source = reader.spans[base + Part.sourceTime.rawValue]
        let isKnown =
            source.length > 0 && !source.isBlocked && arena.base[source.start] != 0x6E
            && !(source.length == 1 && arena.base[source.start] == 0x30)
        return isKnown ? source : reader.spans[base + Part.time.rawValue]
    }

    /// A string of the event's place in the database's log, written behind the records.
    private func position(_ base: Int, _ text: RecordText) -> JSONSpan {
        var arena = text.arena
        let lsn = reader.spans[base + Part.lsn.rawValue]
        let parts =
            lsn.length > 0 && arena.base[lsn.start] != 0x6E ? [Part.lsn] : [.file, .pos, .row]
        let spans = parts.map { reader.spans[base + $0.rawValue] }
        guard spans.allSatisfy({ $0.length > 0 && !$0.hasEscape }) else { return .missing }
        text.makeRoom(spans.reduce(2) { $0 + $1.length + 1 })
        arena = text.arena
        let start = arena.count
        func append(_ byte: UInt8) {
            arena.base[arena.count] = byte
            arena.count += 1
        }
        append(0x22)
        for (index, span) in spans.enumerated() {
            if index > 0 { append(0x3A) }
            for at in span.start..<(span.start + span.length) where arena.base[at] != 0x22 {
                append(arena.base[at])
            }
        }
        append(0x22)
        return JSONSpan(
            start: start, length: arena.count - start, hasEscape: false, isBlocked: false)
    }
}
