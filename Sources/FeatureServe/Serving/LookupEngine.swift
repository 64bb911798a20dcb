import Codecs
import Glibc
import StreamRuntime

/// Answers lookups; one per event loop, with memory that is used again for every request.
///
/// - Note: `@unchecked Sendable` because it is made on one thread and from then on used by its loop only.
final class LookupEngine: DeferringEngine, PlanReader, @unchecked Sendable {
    let store: OnlineStore
    private let metrics: MetricsRegistry
    let now: @Sendable () -> Int64
    private let style: Compatibility
    private let latency: Histogram
    private let served: ServedLog?
    /// The rows of the answer that are in the sample.
    private var sampled: [(group: Int, row: Int)] = []
    var readsValues: Bool { false }

    var request = LookupRequest()
    private var plans: [Int64: ServingPlan] = [:]
    var keyColumns: [Column] = []
    var keyTypes: [ColumnType] = []
    var reads: UnsafeMutablePointer<ViewRead>
    private var readCapacity = 64
    let key = ByteArena(capacity: 256)
    let blocks = ByteArena(capacity: 1 << 14)
    /// Of the rows that are brought near together.
    private let hashes: UnsafeMutablePointer<Int64> = .allocate(capacity: nearedRows)
    private var writer = LookupAnswer()

    /// Rows brought near together: 32 rows of some 600 bytes are well inside the first cache.
    private static let nearedRows = 32
    /// Rows of a request from which on that pays.
    private static let nearedRowsMin = 4
    static let planCount = 256
    /// Entity rows of one request: 2^16 rows of a hundred features are some 300 MB of answer.
    static let rowsMax = 1 << 16

    init(
        store: OnlineStore, metrics: MetricsRegistry, style: Compatibility = .millrace,
        served: ServedLog? = nil, now: @escaping @Sendable () -> Int64
    ) {
        self.served = served
        self.store = store
        self.metrics = metrics
        self.now = now
        self.style = style
        latency = metrics.histogram(
            "millrace_lookup_seconds", help: "Time from a whole request to its answer.")
        reads = .allocate(capacity: readCapacity)
    }

    deinit {
        reads.deallocate()
        hashes.deallocate()
    }

    /// Appends the body of the answer to the request `body` to `answer`.
    ///
    /// - Parameter details: whether statuses and event times were asked for, where that takes asking.
    /// - Returns: the status.
    func answer(
        _ body: UnsafeBufferPointer<UInt8>, for caller: AccessCaller = .anyone,
        details: Bool = false, into answer: ByteArena
    ) -> Int {
        var stage = LookupStage.whole
        stage.details = details
        stage.caller = caller
        guard case .answered(let status) = attempt(body, stage, into: answer) else {
            preconditionFailure("a whole lookup defers nothing")
        }
        return status
    }

    /// What the last answer left out.
    var repeats: [RepeatGzip.Repeat] { writer.repeats }

    /// Appends the body of the answer, unless something must be waited for that `stage` leaves to others.
    func attempt(
        _ body: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into answer: ByteArena
    ) -> LookupOutcome {
        let start = stage.startNanos ?? WallClock.monotonicNanos()
        writer.begin()
        let from = answer.count
        var scanner = JSONScanner(body)
        do throws(JSONFault) {
            try request.scan(&scanner)
        } catch {
            error.append(to: answer)
            return .answered(422)
        }
        do throws(LookupProblem) {
            let plan = try plan(scanner)
            try stage.caller.checkRead(plan)
            if let deferral = try look(plan, scanner, stage, start: start, into: answer) {
                return .deferred(deferral)
            }
            let nanos = WallClock.monotonicNanos() - start
            latency.observe(nanos: nanos)
            plan.latency.observe(nanos: nanos)
            return .answered(200)
        } catch {
            answer.count = from
            error.append(to: answer, style: style)
            return .answered(error.status(style))
        }
    }

    private func plan(_ scanner: JSONScanner) throws(LookupProblem) -> ServingPlan {
        let range = request.planBytes
        let base = scanner.base + range.lowerBound
        let flags: UInt8 = (request.fullNames ? 1 : 0) | (request.service != nil ? 2 : 0)
        let hash = Hash.xxh3(base, range.count) &+ Int64(flags)
        if let known = plans[hash], known.identity.count == range.count + 1,
            known.identity[0] == flags,
            known.identity.withUnsafeBufferPointer({
                memcmp($0.baseAddress! + 1, base, range.count) == 0
            })
        {
            return known
        }
        let made = try makePlan(scanner, flags: flags)
        if plans.count >= LookupEngine.planCount { plans.removeAll() }
        plans[hash] = made
        if request.service == nil { request.known = Array(made.identity.dropFirst()) }
        return made
    }

    private func makePlan(
        _ scanner: JSONScanner, flags: UInt8
    ) throws(LookupProblem) -> ServingPlan {
        var references: [(view: String, feature: String)] = []
        if let service = request.service {
            references = try ServingPlan.references(
                service: scanner.text(service), catalog: store.catalog)
        } else if !request.planBytes.isEmpty {
            do throws(JSONFault) {
                try request.scanKnownFeatures(of: scanner)
            } catch {
                throw .invalid(error.message)
            }
            for token in request.features {
                references.append(try ServingPlan.reference(scanner.text(token), style: style))
            }
        }
        let bytes = UnsafeBufferPointer(
            start: scanner.base + request.planBytes.lowerBound, count: request.planBytes.count)
        return try ServingPlan(
            identity: [flags] + bytes, references: references, fullNames: request.fullNames,
            style: style, store: store, metrics: metrics)
    }

    private func look(
        _ plan: ServingPlan, _ scanner: JSONScanner, _ stage: LookupStage, start: Int64,
        into answer: ByteArena
    ) throws(LookupProblem) -> LookupDeferral? {
        var time = now()
        found = nil
        if stage.defers, let options = request.options, let near = options.near,
            near.limit > NearRequest.promptLimit
        {
            return LookupDeferral(options, start: start, record: nil)
        }
        let rows =
            if let near = request.options?.near {
                try findKeys(near, plan, scanner, caller: stage.caller, now: time)
            } else {
                try countRows()
            }
        if found == nil { try readKeys(plan, scanner, rows: rows) }
        let wanted = rows * plan.views.count
        if wanted > readCapacity {
            reads.deallocate()
            readCapacity = wanted * 2
            reads = .allocate(capacity: readCapacity)
        }
        blocks.count = 0
        sampled.removeAll(keepingCapacity: true)
        var extras: LookupExtras?
        var isWhole = true
        if let options = request.options {
            var made = LookupExtras(details: options.details, applied: stage.applied)
            if let record = try awaited(options, plan, stage, start: start) {
                if stage.defers { return LookupDeferral(options, start: start, record: record) }
                made.applied = false
            } else if options.wait != nil {
                made.applied = stage.applied ?? true
            }
            isWhole = try read(options, plan, stage, rows: rows, now: time, into: &made)
            time = options.asOf ?? time
            made.isOverdue = options.deadlineMillis.map { _ in !isWhole }
            made.near = found
            extras = made
        } else {
            isWhole = try readGroups(plan, rows: rows, fetches: stage.fetches)
        }
        if !isWhole, stage.defers {
            return LookupDeferral(request.options ?? LookupOptions(), start: start, record: nil)
        }
        if !sampled.isEmpty { noteSampled(plan) }
        writer.packs =
            stage.packs && rows >= LookupAnswer.packedRowsMin && extras?.details.isEmpty ?? true
        var computed: [ComputedFeatures] = []
        if !plan.computed.isEmpty, rows > 0 {
            computed = try compute(plan, scanner, rows: rows, now: time)
        }
        writer.write(
            plan, rows: rows, keys: keyColumns, order: keyOrder, reads: reads, blocks: blocks,
            computed: computed, now: time, wantsViewNames: request.wantsViewNames, style: style,
            details: stage.details || !style.hidesDetails, extras: extras, store: store,
            to: answer)
        return nil
    }

    private func countRows() throws(LookupProblem) -> Int {
        guard request.hasEntities, let first = request.keys.first else {
            throw .invalid("\"entities\" must map each join key to a list of values")
        }
        let rows = first.count
        for list in request.keys where list.count != rows {
            throw .invalid("All entity rows must have the same columns.")
        }
        guard rows > 0, rows <= LookupEngine.rowsMax else {
            throw .invalid(
                rows == 0 ? "The lists of keys are empty" : "At most 65536 entity rows at a time")
        }
        return rows
    }

    /// The on-demand parts of the answer, out of what the request says and what was read.
    private func compute(
        _ plan: ServingPlan, _ scanner: JSONScanner, rows: Int, now: Int64
    ) throws(LookupProblem) -> [ComputedFeatures] {
        var inputs: [Column] = []
        for input in plan.inputs {
            if let key = input.joinKey {
                inputs.append(keyColumns[key])
                continue
            }
            if let found, input.field == NearRequest.field {
                inputs.append(found.miles)
                continue
            }
            let given = request.keys.last { isEqual(scanner.bytes($0.name), input.nameBytes) }
            inputs.append(
                try input.column(given.map { values($0, rows: rows) }, of: scanner, rows: rows))
        }
        return plan.computed.map { view in
            view.compute(
                inputs, reads: reads, viewCount: plan.views.count, blocks: blocks, rows: rows,
                now: now)
        }
    }

    /// Positions in the plan's join keys, in the order the request names them.
    var keyOrder: [Int] = []
    /// What the request's place led to.
    var found: NearRows?

    private func readKeys(
        _ plan: ServingPlan, _ scanner: JSONScanner, rows: Int
    ) throws(LookupProblem) {
        if keyTypes.count != plan.joinKeys.count
            || !zip(keyTypes, plan.joinKeys).allSatisfy({ $0 == $1.field.type })
        {
            keyTypes = plan.joinKeys.map(\.field.type)
            keyColumns = keyTypes.map { Column($0, capacity: rows) }
        }
        keyOrder.removeAll(keepingCapacity: true)
        for list in request.keys {
            let name = scanner.bytes(list.name)
            var index = 0
            while index < plan.joinKeys.count {
                let key = plan.joinKeys[index]
                if isEqual(name, key.nameBytes) || isEqual(name, key.aliasBytes) { break }
                index &+= 1
            }
            if index == plan.joinKeys.count, style.refusesUnknownKeys, !list.isContext {
                throw .invalid("Invalid entity join key. key=\(scanner.text(list.name))")
            }
            guard index < plan.joinKeys.count, !keyOrder.contains(index) else { continue }
            keyOrder.append(index)
            let column = keyColumns[index]
            column.removeAll()
            var row = 0
            while row < rows {
                try JoinKeyReader.append(
                    request.values[list.first + row], of: scanner,
                    key: plan.joinKeys[index].field, to: column)
                row &+= 1
            }
        }
        if style.answersWithoutKey, !keyOrder.isEmpty, plan.computed.isEmpty { return }
        for (index, key) in plan.joinKeys.enumerated() where !keyOrder.contains(index) {
            throw .noJoinKey(key.field.name, entity: key.entity)
        }
    }

    func read(
        _ number: Int, _ plan: ServingPlan, rows: Int, epoch: UInt32, fetches: Bool
    ) throws(LookupProblem) -> Bool {
        let group = plan.groups[number]
        let table = store.tables[group.table]
        var isWhole = true
        var row = 0
        if keyOrder.count < plan.joinKeys.count, !group.keyParts.allSatisfy(keyOrder.contains) {
            while row < rows {
                for view in 0..<group.slots.count {
                    reads[row * plan.views.count + group.firstView + view] = .absent
                }
                row &+= 1
            }
        }
        let nears = rows >= LookupEngine.nearedRowsMin
        while row < rows {
            if nears, row & (LookupEngine.nearedRows - 1) == 0 {
                bringNear(group, table, rows: row..<min(row + LookupEngine.nearedRows, rows))
            }
            encodeKey(group, row)
            let hash =
                nears
                ? hashes[row & (LookupEngine.nearedRows - 1)] : Hash.xxh3(key.base, key.count)
            var isThere = false
            do throws(JobFailure) {
                isThere = try table.shard(hash).read(
                    hash: hash, key: key.base, keyLength: key.count, slots: group.slots,
                    epoch: epoch, fetches: fetches, withPayloads: group.isComputedFrom,
                    reads: reads + row * plan.views.count + group.firstView, into: blocks)
                if !isThere { isWhole = false }
            } catch {
                throw .storage(error)
            }
            if let served, isThere, epoch == ViewVersion.orphan, served.samples(hash) {
                sampled.append((number, row))
            }
            row &+= 1
        }
        return isWhole
    }

    /// Tells the log of served features of the rows of this answer that are in the sample: once, whatever it took.
    private func noteSampled(_ plan: ServingPlan) {
        guard let served else { return }
        let time = now()
        for (number, row) in sampled {
            let group = plan.groups[number]
            encodeKey(group, row)
            served.note(
                plan, group: number, key: key,
                reads: reads + row * plan.views.count + group.firstView, blocks: blocks, now: time)
        }
    }

    /// Hashes the keys of some rows, and has the memory that reading them needs fetched for all together.
    private func bringNear(_ group: ServingPlan.Group, _ table: OnlineTable, rows: Range<Int>) {
        for row in rows {
            encodeKey(group, row)
            hashes[row - rows.lowerBound] = Hash.xxh3(key.base, key.count)
        }
        for place in OnlineShard.Nearing.allCases {
            for index in 0..<rows.count {
                let hash = hashes[index]
                table.shard(hash).bringNear(
                    place, hash: hash, slots: group.slots, asValues: false)
            }
        }
    }

    @inline(__always)
    func encodeKey(_ group: ServingPlan.Group, _ row: Int) {
        key.count = 0
        var part = 0
        while part < group.keyParts.count {
            KeyEncoder.append(keyColumns[group.keyParts[part]], row, to: key)
            part &+= 1
        }
    }

    func isEqual(_ left: UnsafeBufferPointer<UInt8>, _ right: [UInt8]) -> Bool {
        left.count == right.count && !right.isEmpty
            && memcmp(left.baseAddress!, right, right.count) == 0
    }
}
