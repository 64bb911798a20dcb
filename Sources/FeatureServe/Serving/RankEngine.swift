import Codecs
import StreamRuntime

/// Ranks candidates by an on-demand score; one per event loop.
///
/// - Note: `@unchecked Sendable` because it is made on one thread and from then on used by its loop only.
final class RankEngine: DeferringEngine, @unchecked Sendable {
    private let store: OnlineStore
    private let metrics: MetricsRegistry
    private let now: @Sendable () -> Int64
    private let latency: Histogram
    private var plans: [String: RankPlan] = [:]
    private let key = ByteArena(capacity: 256)
    private let blocks = ByteArena(capacity: 1 << 14)

    init(store: OnlineStore, metrics: MetricsRegistry, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.metrics = metrics
        self.now = now
        latency = metrics.histogram(
            "millrace_rank_seconds", help: "Time from a whole request for a ranking to its answer.")
    }

    /// Appends the body of the answer to the request `body` for the ranking of the service that the stage names,
    /// unless rows must be waited for that `stage` leaves to others.
    func attempt(
        _ body: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into answer: ByteArena
    ) -> LookupOutcome {
        let start = stage.startNanos ?? WallClock.monotonicNanos()
        let from = answer.count
        var scanner = JSONScanner(body)
        do throws(JSONFault) {
            var request = try RankRequest(&scanner)
            do throws(LookupProblem) {
                let plan = try plan(stage.name, request)
                try stage.caller.checkRead(plan.serving)
                guard try rank(plan, &request, scanner, stage, into: answer) else {
                    var options = LookupOptions()
                    options.deadlineMillis = request.deadlineMillis
                    return .deferred(LookupDeferral(options, start: start, record: nil))
                }
                latency.observe(nanos: WallClock.monotonicNanos() - start)
                return .answered(200)
            } catch {
                answer.count = from
                error.append(to: answer)
                return .answered(error.status)
            }
        } catch {
            answer.count = from
            JSONText.append(
                "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",", to: answer)
            JSONText.append(integer: Int64(error.position), to: answer)
            JSONText.append("],\"msg\":", to: answer)
            JSONText.append(string: "JSON decode error: " + error.message, to: answer)
            JSONText.append(",\"input\":{}}]}", to: answer)
            return .answered(422)
        }
    }

    private func plan(
        _ service: String, _ request: RankRequest
    ) throws(LookupProblem) -> RankPlan {
        let identity = "\(service)\u{0}\(request.score ?? "")"
        if let known = plans[identity] { return known }
        let made = try RankPlan(
            service: service, score: request.score, store: store, metrics: metrics)
        if plans.count >= LookupEngine.planCount { plans.removeAll() }
        plans[identity] = made
        return made
    }

    /// Returns false, and appends nothing, when rows must be waited for first.
    private func rank(
        _ plan: RankPlan, _ request: inout RankRequest, _ scanner: JSONScanner,
        _ stage: LookupStage, into answer: ByteArena
    ) throws(LookupProblem) -> Bool {
        let time = now()
        var found: (table: Int, rows: NearRows)?
        if let near = request.near {
            if stage.defers, near.limit > NearRequest.promptLimit { return false }
            guard stage.caller.mayRead(near.view) else { throw .forbidden("read", near.view) }
            found = try store.near(near, now: time)
            request.take(found: found!.rows.rows.count)
        }
        let rows = request.count
        guard rows <= LookupEngine.rowsMax else { throw .invalid("At most 65536 candidates") }
        guard rows > 0 || found != nil else {
            throw .invalid("No candidates: give \"candidates\" a list of objects with their keys")
        }
        let serving = plan.serving
        let keys = try keyColumns(serving, request, scanner, found)
        let reads = UnsafeMutablePointer<ViewRead>.allocate(
            capacity: max(1, rows * serving.views.count))
        defer { reads.deallocate() }
        let isWhole = try read(serving, keys, rows: rows, fetches: stage.fetches, into: reads)
        if !isWhole, stage.defers { return false }
        var inputs: [Column] = []
        for input in serving.inputs {
            if let joinKey = input.joinKey {
                inputs.append(keys[joinKey])
            } else if let found, input.field == NearRequest.field {
                inputs.append(found.rows.miles)
            } else {
                inputs.append(try column(input, request, scanner))
            }
        }
        let computed =
            rows == 0
            ? []
            : serving.computed.map { view in
                view.compute(
                    inputs, reads: reads, viewCount: serving.views.count, blocks: blocks,
                    rows: rows,
                    now: time)
            }
        let order = rows == 0 ? [] : plan.order(computed, rows: rows)
        RankAnswer(
            plan: plan, keys: keys, reads: reads, blocks: blocks, computed: computed, rows: rows,
            now: time, near: found?.rows
        ).write(
            order, top: request.top ?? plan.ranking.top, parts: request.wantsParts, to: answer)
        return true
    }

    private func keyColumns(
        _ plan: ServingPlan, _ request: RankRequest, _ scanner: JSONScanner,
        _ found: (table: Int, rows: NearRows)?
    ) throws(LookupProblem) -> [Column] {
        var columns: [Column] = []
        let near = try found.map { found throws(LookupProblem) in
            try NearKeys.columns(found.rows, of: store.tables[found.table], in: plan)
        }
        for (part, joinKey) in plan.joinKeys.enumerated() {
            if let column = near?.first(where: { $0.part == part })?.column {
                columns.append(column)
                continue
            }
            let alias = String(decoding: joinKey.aliasBytes, as: UTF8.self)
            guard let tokens = request.tokens(joinKey.field.name) ?? request.tokens(alias) else {
                throw .noJoinKey(joinKey.field.name, entity: joinKey.entity)
            }
            let column = Column(joinKey.field.type, capacity: request.count)
            for (row, token) in tokens.enumerated() {
                guard let token else {
                    throw .invalid("Candidate \(row) has no \(joinKey.field.name)")
                }
                try JoinKeyReader.append(token, of: scanner, key: joinKey.field, to: column)
            }
            columns.append(column)
        }
        return columns
    }

    private func column(
        _ input: RequestInput, _ request: RankRequest, _ scanner: JSONScanner
    ) throws(LookupProblem) -> Column {
        let column = Column(input.field.type, capacity: request.count)
        let tokens = request.tokens(input.field.name)
        for row in 0..<request.count {
            if let token = tokens?[row] {
                try input.append(token, of: scanner, to: column)
            } else if let value = input.defaultValue {
                value.append(to: column)
            } else {
                throw .noRequestData([input.field.name], view: input.view)
            }
        }
        return column
    }

    private func read(
        _ plan: ServingPlan, _ keys: [Column], rows: Int, fetches: Bool,
        into reads: UnsafeMutablePointer<ViewRead>
    ) throws(LookupProblem) -> Bool {
        blocks.count = 0
        var isWhole = true
        for group in plan.groups {
            let table = store.tables[group.table]
            for row in 0..<rows {
                key.count = 0
                for part in group.keyParts { KeyEncoder.append(keys[part], row, to: key) }
                let hash = Hash.xxh3(key.base, key.count)
                do throws(JobFailure) {
                    let isThere = try table.shard(hash).read(
                        hash: hash, key: key.base, keyLength: key.count, slots: group.slots,
                        fetches: fetches, withPayloads: true,
                        reads: reads + row * plan.views.count + group.firstView, into: blocks)
                    if !isThere { isWhole = false }
                } catch {
                    throw .storage(error)
                }
            }
        }
        return isWhole
    }
}
