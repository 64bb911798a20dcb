import Connectors
import FeatureServe
import StreamRuntime
import Synchronization

/// One stream's way from requests to records of its topic.
///
/// - Note: `@unchecked Sendable` because all but its rules and figures is used by one call at a time.
final class IngestStream: @unchecked Sendable {
    /// What is counted.
    enum Figure: Int, CaseIterable {
        case requests, records, bytes, repeats, rejected
        case badSignature, malformed, tooLarge, busy, unlogged
    }

    /// An answer that is given once the log has the records.
    struct Pending {
        let id: String?
        let known: RepeatWindow.Known
    }

    /// What becomes of a request.
    enum Outcome {
        case answered(IngestReply)
        case pending(Pending)
    }

    let name: String
    let rules: IngestRules
    private let source: PlannedSource
    private let ingest: PlannedIngest
    private let log: any ArrivalLog
    private let layout: FileLayout
    private let decoder: any RecordDecoder
    private var window: RepeatWindow
    private var pendingIds: [String] = []
    private var nextPartition = 0
    private let figures: [Figure: Counted]

    /// A figure that any thread may read.
    private final class Counted: Sendable { let cell = Atomic<Int64>(0) }

    /// Opens the topic of `source`, and reads back the ids of the requests that came last.
    ///
    /// - Parameter log: the topic, when it is open already.
    init(
        _ source: PlannedSource, plan: JobPlan, clock: any Clock, log: (any ArrivalLog)? = nil
    ) throws(JobFailure) {
        guard let ingest = source.ingest, case .topic(let connection, let topic) = source.location,
            let place = plan.connection(connection)
        else { preconditionFailure("the planner lets only streams on topics take requests") }
        name = source.name
        self.source = source
        self.ingest = ingest
        rules = IngestRules(
            isSigned: ingest.signature != nil, bodyBytesMax: ingest.bodyBytesMax)
        if let log {
            self.log = log
        } else {
            self.log = try ArrivalLogs.open(topic, on: place, partitions: ingest.partitions)
        }
        layout = DecoderFactory.layout(source.format)
        decoder = DecoderFactory.decoder(source)
        figures = Dictionary(uniqueKeysWithValues: Figure.allCases.map { ($0, Counted()) })
        var window = RepeatWindow(length: ingest.remember)
        if ingest.id != nil {
            try ArrivalLogs.recent(
                topic, on: place, since: clock.nowMicros - ingest.remember.micros
            ) { window.restore($0) }
            window.settle()
        }
        self.window = window
    }

    /// Lets another writer have the topic.
    func close() { log.close() }

    // MARK: requests

    /// Appends the records of a request; they are to be committed before the answer.
    func take(_ request: IngestRequest, nowMicros: Int64) -> Outcome {
        add(.requests)
        if let signature = ingest.signature,
            !signature.admits(request, nowSeconds: nowMicros / 1_000_000)
        {
            add(.badSignature)
            return .answered(IngestStream.refusal(401, "The request is not signed as it must be"))
        }
        do throws(IngestProblem) {
            return try append(request, nowMicros)
        } catch {
            add(
                error.reason == "size" ? .tooLarge : error.status == 503 ? .unlogged : .malformed)
            return .answered(
                IngestStream.refusal(
                    error.status, error.message, retryAfter: error.status == 503 ? 1 : nil))
        }
    }

    private func append(
        _ request: IngestRequest, _ nowMicros: Int64
    ) throws(IngestProblem) -> Outcome {
        let body = try RequestBody(request, ingest)
        var id: String?
        if let part = ingest.id { id = try body.id(part, request.head) }
        let known = id.flatMap { window.find($0) }
        if let known, known.rejected != nil {
            add(.repeats)
            return .pending(Pending(id: id, known: known))
        }
        let texts = try body.records(ingest.split, layout: layout)
        let isWhole = ingest.split == .none
        let kept = ingest.headers.compactMap { name in
            request.head.field(name).map { RecordHeaders.Header(name, Array($0.utf8)) }
        }
        var records = texts.map { text in
            ArrivalRecord(
                key: body.key(ingest.key, of: text, isWhole: isWhole, request.head), value: text,
                timestamp: nowMicros, headers: kept)
        }
        let rejected = ingest.isValidated ? check(records) : []
        let bad = Set(rejected.map(\.row))
        var entry = known ?? RepeatWindow.Known(total: records.count - bad.count)
        entry.rejected = rejected
        if known != nil { add(.repeats) }
        let fallback = nextPartition % log.partitions
        nextPartition = (nextPartition + 1) % log.partitions
        do throws(JobFailure) {
            for index in records.indices where !bad.contains(index) && !entry.has(index) {
                if let id {
                    records[index].headers.append(.init(PlannedIngest.idHeader, Array(id.utf8)))
                    if entry.total > 1 || index > 0 {
                        records[index].headers.append(
                            .init(
                                PlannedIngest.partHeader, Array("\(index)/\(entry.total)".utf8)))
                    }
                }
                let partition =
                    records[index].key.map { ArrivalKey.partition($0, of: log.partitions) }
                    ?? fallback
                let offset = try log.append(records[index], partition: partition)
                entry.add(index: index, partition: partition, offset: offset)
                add(.records)
                add(.bytes, records[index].value.count)
            }
        } catch {
            Terminal.error("warning: a request to \(name) could not be logged: \(error)\n")
            throw IngestStream.notLogged
        }
        add(.rejected, rejected.count)
        if let id, entry.total > 0 {
            window.note(id, entry, micros: nowMicros)
            pendingIds.append(id)
        }
        return .pending(Pending(id: id, known: entry))
    }

    /// Makes the records of all requests since the last commit durable; false when the log refuses.
    func commit() -> Bool {
        do throws(JobFailure) {
            try log.commit()
            pendingIds = []
            return true
        } catch {
            Terminal.error("warning: requests to \(name) could not be logged: \(error)\n")
            giveUp()
            return false
        }
    }

    /// Forgets what was appended and not committed.
    func giveUp() {
        for id in pendingIds { window.remove(id) }
        pendingIds = []
        add(.unlogged)
        do throws(JobFailure) {
            try log.discard()
        } catch {
            Terminal.error("warning: the topic of \(name) is not to be written: \(error)\n")
        }
    }

    private static let notLogged = IngestProblem(
        status: 503, reason: "unlogged", message: "The log does not take records now")

    /// What the answer is when the log refuses.
    static var unlogged: IngestReply {
        refusal(notLogged.status, notLogged.message, retryAfter: 1)
    }

    // MARK: answers

    /// The records that the stream cannot read.
    private func check(_ records: [ArrivalRecord]) -> [RejectedRows.Reject] {
        guard !records.isEmpty else { return [] }
        let batch = RecordBatch(partition: 0, capacity: records.count)
        let headers = Column(.bytes, capacity: records.count)
        for (index, record) in records.enumerated() {
            if let key = record.key {
                key.withUnsafeBufferPointer { batch.keys.append($0) }
            } else {
                batch.keys.appendNull()
            }
            record.value.withUnsafeBufferPointer { batch.values.append($0) }
            batch.timestamps.append(record.timestamp)
            batch.offsets.append(Int64(index))
            RecordHeaders.encode(record.headers).withUnsafeBufferPointer { headers.append($0) }
        }
        if !ingest.headers.isEmpty { batch.headers = headers }
        let rows = DecodedRows(schema: decoder.schema, capacity: records.count)
        var rejected = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejected)
        let times = rows.columns[source.timeColumn]
        let timeName = source.schema.fields[source.timeColumn].name
        for row in 0..<rows.count {
            let isThere = times.isValid(row)
            guard !isThere || !TimeRule.possible.contains(times.int64s[row]) else { continue }
            rejected.append(
                row: Int(rows.records.int64s[row]), column: timeName,
                reason: isThere
                    ? "the event time is outside the years 1 to 9999" : "the event time is missing")
        }
        return rejected.rejects.sorted { $0.row < $1.row }
    }

    /// The answer to a request whose records the log has.
    func reply(_ pending: Pending) -> IngestReply {
        let known = pending.known
        let rejected = known.rejected ?? []
        var members: [(String, JSONText)] = []
        if let id = pending.id { members.append(("id", .string(id))) }
        members.append(("accepted", .integer(known.total)))
        if known.runs.contains(where: { $0.offset != nil }) {
            members.append(
                (
                    "records",
                    .array(
                        known.runs.map { run in
                            .object([
                                ("index", .integer(run.index)), ("count", .integer(run.count)),
                                ("partition", .integer(run.partition)),
                                ("offset", .integer(Int(run.offset ?? -1))),
                            ])
                        })
                ))
        }
        if ingest.isValidated {
            members.append(
                (
                    "rejected",
                    .array(
                        rejected.map { reject in
                            .object([
                                ("index", .integer(reject.row)),
                                ("column", .string(reject.column)),
                                ("reason", .string(reject.reason)),
                            ])
                        })
                ))
        }
        let status = known.total == 0 && !rejected.isEmpty ? 422 : 200
        return IngestReply(status: status, body: Array(JSONText.object(members).compact.utf8))
    }

    /// An answer that says why nothing was taken.
    static func refusal(
        _ status: Int, _ message: String, retryAfter: Int64? = nil
    ) -> IngestReply {
        IngestReply(
            status: status,
            body: Array(JSONText.object([("detail", .string(message))]).compact.utf8),
            retryAfter: retryAfter)
    }

    // MARK: figures

    /// Counts.
    func add(_ figure: Figure, _ amount: Int = 1) {
        figures[figure]!.cell.wrappingAdd(Int64(amount), ordering: .relaxed)
    }

    /// How much was counted.
    func figure(_ figure: Figure) -> Int64 { figures[figure]!.cell.load(ordering: .relaxed) }

    /// Registers the figures, in place of those of a life before.
    func register(in registry: MetricsRegistry) {
        let labels = [MetricsRegistry.Label("stream", name)]
        func show(
            _ figure: Figure, _ name: String, _ help: String, _ more: [MetricsRegistry.Label] = []
        ) {
            registry.reading(name, help: help, labels: labels + more, grows: true) { [weak self] in
                self.map { Double($0.figure(figure)) }
            }
        }
        show(.requests, "millrace_ingest_requests_total", "Requests that bring records.")
        show(.records, "millrace_ingest_records_total", "Records that requests brought.")
        show(.bytes, "millrace_ingest_bytes_total", "Bytes of records that requests brought.")
        show(.repeats, "millrace_ingest_repeats_total", "Requests whose id was known already.")
        show(
            .rejected, "millrace_ingest_rejected_records_total",
            "Records refused because their stream cannot read them.")
        let refusals: [(Figure, String)] = [
            (.badSignature, "signature"), (.malformed, "malformed"), (.tooLarge, "size"),
            (.busy, "busy"), (.unlogged, "log"),
        ]
        for (figure, reason) in refusals {
            show(
                figure, "millrace_ingest_refused_total", "Requests refused, by reason.",
                [("reason", reason)])
        }
    }
}
