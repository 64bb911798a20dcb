import Codecs
import Glibc
import StreamRuntime

/// Answers lookups over gRPC; one per event loop, with memory that is used again for every call.
///
/// - Note: `@unchecked Sendable` because it is made on one thread and from then on used by its loop only.
final class GRPCLookup: DeferringEngine, PlanReader, @unchecked Sendable {
    let store: OnlineStore
    private let metrics: MetricsRegistry
    private let now: @Sendable () -> Int64
    private let served: ServedLog?
    private let latency: Histogram

    private var request = GRPCLookupRequest()
    private var connector = ConnectorRequest()
    private var plans: [Int64: GRPCPlan] = [:]
    private var keyColumns: [Column] = []
    private var keyTypes: [ColumnType] = []
    /// Positions in the plan's join keys, in the order the request names them.
    private var keyOrder: [Int] = []
    private(set) var reads: UnsafeMutablePointer<ViewRead>
    private var readCapacity = 64
    let key = ByteArena(capacity: 256)
    let blocks = ByteArena(capacity: 1 << 14)
    var readsValues: Bool { true }
    private(set) var notes: [LookupNote] = []
    /// The rows of the answer that are in the sample, whose payloads are read too.
    private var sampled: [(group: Int, row: Int)] = []
    private let given = ByteArena(capacity: 1 << 12)
    private var writer = GRPCLookupAnswer()

    init(
        store: OnlineStore, metrics: MetricsRegistry, served: ServedLog? = nil,
        now: @escaping @Sendable () -> Int64
    ) {
        self.served = served
        self.store = store
        self.metrics = metrics
        self.now = now
        latency = metrics.histogram(
            "millrace_grpc_lookup_seconds", help: "Time from a whole gRPC lookup to its answer.")
        reads = .allocate(capacity: readCapacity)
    }

    deinit { reads.deallocate() }

    /// The method whose messages are `OnlineReadRequest`s, as a stage names it.
    static let connector = "OnlineRead"

    /// Appends a `GetOnlineFeaturesResponse` for the `GetOnlineFeaturesRequest` in `message` to `output`, or the
    /// response to an `OnlineReadRequest` where the stage names that method.
    ///
    /// - Returns: status 0 with the response, or gRPC's code with the text of the problem, unless something
    ///   must be waited for.
    func attempt(
        _ message: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into output: ByteArena
    ) -> LookupOutcome {
        let from = output.count
        notes.removeAll(keepingCapacity: true)
        do throws(GRPCProblem) {
            let deferral =
                stage.name == GRPCLookup.connector
                ? try connect(message, stage, into: output) : try look(message, stage, into: output)
            if let deferral { return .deferred(deferral) }
            return .answered(0)
        } catch {
            output.count = from
            var text = error.message
            text.withUTF8 { if let base = $0.baseAddress { output.append(base, $0.count) } }
            return .answered(error.code.rawValue)
        }
    }

    private func look(
        _ message: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into output: ByteArena
    ) throws(GRPCProblem) -> LookupDeferral? {
        let start = stage.startNanos ?? WallClock.monotonicNanos()
        do throws(FeastProblem) { try request.read(message) } catch { throw GRPCProblem(error) }
        let flags: UInt8 = (request.fullNames ? 1 : 0) | (request.isService ? 2 : 0)
        let plan = try plan(request.plan, flags: flags)
        let rows = try rows()
        var time = now()
        var computed: [ComputedFeatures] = []
        do throws(LookupProblem) {
            try stage.caller.checkRead(plan.plan)
            try readKeys(plan.plan, rows: rows)
            let deferral = try find(plan.plan, stage, rows: rows, now: &time, start: start)
            if let deferral { return deferral }
            if !plan.plan.computed.isEmpty {
                computed = try compute(plan.plan, rows: rows, now: time)
            }
        } catch {
            throw GRPCProblem(error)
        }
        writer.write(
            plan, rows: rows, keys: keyColumns, order: keyOrder, reads: reads, blocks: blocks,
            computed: computed, now: time, wantsViewNames: request.wantsViewNames, to: output)
        let nanos = WallClock.monotonicNanos() - start
        latency.observe(nanos: nanos)
        plan.plan.latency.observe(nanos: nanos)
        return nil
    }

    private func connect(
        _ message: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into output: ByteArena
    ) throws(GRPCProblem) -> LookupDeferral? {
        let start = stage.startNanos ?? WallClock.monotonicNanos()
        do throws(FeastProblem) { try connector.read(message) } catch { throw GRPCProblem(error) }
        guard !connector.keys.isEmpty else { return nil }
        let plan = try plan(connector.plan, flags: 4)
        let rows = connector.keys.count
        guard rows <= LookupEngine.rowsMax else { throw GRPCLookup.tooMany }
        var time = now()
        do throws(LookupProblem) {
            try stage.caller.checkRead(plan.plan)
            guard plan.plan.computed.isEmpty else { throw .noView(connector.view) }
            prepareKeys(plan.plan, rows: rows)
            for row in 0..<rows { try readKey(row, plan.plan) }
            let deferral = try find(plan.plan, stage, rows: rows, now: &time, start: start)
            if let deferral { return deferral }
        } catch {
            throw GRPCProblem(error)
        }
        writer.writeConnector(
            plan.plan, rows: rows, reads: reads, blocks: blocks, to: output)
        return nil
    }

    /// Reads what the plan asks for, as the options say.
    ///
    /// - Parameter now: becomes the moment the answer is for.
    /// - Returns: what must be waited for first, where the stage leaves that to others.
    private func find(
        _ plan: ServingPlan, _ stage: LookupStage, rows: Int, now: inout Int64, start: Int64
    ) throws(LookupProblem) -> LookupDeferral? {
        let wanted = rows * plan.views.count
        if wanted > readCapacity {
            reads.deallocate()
            readCapacity = wanted * 2
            reads = .allocate(capacity: readCapacity)
        }
        blocks.count = 0
        sampled.removeAll(keepingCapacity: true)
        let given = now
        var isWhole = true
        if let options = stage.options {
            var extras = LookupExtras(applied: stage.applied)
            if let record = try awaited(options, plan, stage, start: start) {
                if stage.defers { return LookupDeferral(options, start: start, record: record) }
                extras.applied = false
            } else if options.wait != nil {
                extras.applied = stage.applied ?? true
            }
            isWhole = try read(options, plan, stage, rows: rows, now: now, into: &extras)
            now = options.asOf ?? now
            if options.deadlineMillis != nil, !isWhole { extras.isOverdue = true }
            note(extras)
        } else {
            isWhole = try readGroups(plan, rows: rows, fetches: stage.fetches)
        }
        if !isWhole, stage.defers {
            return LookupDeferral(stage.options ?? LookupOptions(), start: start, record: nil)
        }
        for (group, row) in sampled { noteServed(plan, group, row, now: given) }
        return nil
    }

    /// Says beside the answer how it came about.
    private func note(_ extras: LookupExtras) {
        if let epoch = extras.epoch {
            notes.append(LookupNote(name: "millrace-snapshot-epoch", value: "\(epoch)"))
        }
        if let applied = extras.applied {
            notes.append(LookupNote(name: "millrace-applied", value: "\(applied)"))
        }
        if extras.isOverdue == true {
            notes.append(LookupNote(name: "millrace-deadline-exceeded", value: "true"))
        }
    }

    // MARK: what is asked

    private func plan(_ asked: ByteArena, flags: UInt8) throws(GRPCProblem) -> GRPCPlan {
        let bytes = UnsafeBufferPointer(start: asked.base, count: asked.count)
        let hash = Hash.xxh3(asked.base, asked.count) &+ Int64(flags)
        if let known = plans[hash], known.identity.count == bytes.count + 1,
            known.identity[0] == flags,
            known.identity.withUnsafeBufferPointer({
                memcmp($0.baseAddress! + 1, asked.base, bytes.count) == 0
            })
        {
            return known
        }
        let identity = [flags] + bytes
        do throws(LookupProblem) {
            let references = try references(flags)
            let plan = try ServingPlan(
                identity: identity, references: references, fullNames: flags & 1 != 0,
                store: store, metrics: metrics)
            let names = references.map { flags & 1 != 0 ? "\($0.view)__\($0.feature)" : $0.feature }
            let made = GRPCPlan(plan, identity: identity, names: names)
            if plans.count >= LookupEngine.planCount { plans.removeAll() }
            plans[hash] = made
            return made
        } catch {
            throw GRPCProblem(error)
        }
    }

    private func references(
        _ flags: UInt8
    ) throws(LookupProblem) -> [(view: String, feature: String)] {
        if flags & 4 != 0 { return connector.features.map { (connector.view, $0) } }
        if request.isService {
            let name = String(
                decoding: UnsafeBufferPointer(start: request.plan.base, count: request.plan.count),
                as: UTF8.self)
            return try ServingPlan.references(service: name, catalog: store.catalog)
        }
        var found: [(view: String, feature: String)] = []
        let texts: [String]
        do throws(FeastProblem) {
            texts = try request.references()
        } catch {
            throw .invalid(error.description)
        }
        for text in texts { found.append(try ServingPlan.reference(text)) }
        return found
    }

    private static let tooMany = GRPCProblem(
        .invalidArgument, "At most \(LookupEngine.rowsMax) entity rows at a time")

    private func rows() throws(GRPCProblem) -> Int {
        guard let first = request.keys.first else {
            throw GRPCProblem(
                .invalidArgument, "\"entities\" must map each join key to a list of values")
        }
        for list in request.keys where list.count != first.count {
            throw GRPCProblem(.invalidArgument, "All entity rows must have the same columns.")
        }
        guard first.count > 0 else {
            throw GRPCProblem(.invalidArgument, "The lists of keys are empty")
        }
        guard first.count <= LookupEngine.rowsMax else { throw GRPCLookup.tooMany }
        return first.count
    }

    private func prepareKeys(_ plan: ServingPlan, rows: Int) {
        if keyTypes.count != plan.joinKeys.count
            || !zip(keyTypes, plan.joinKeys).allSatisfy({ $0 == $1.field.type })
        {
            keyTypes = plan.joinKeys.map(\.field.type)
            keyColumns = keyTypes.map { Column($0, capacity: rows) }
        }
        keyOrder.removeAll(keepingCapacity: true)
        for column in keyColumns { column.removeAll() }
    }

    private func readKeys(_ plan: ServingPlan, rows: Int) throws(LookupProblem) {
        prepareKeys(plan, rows: rows)
        for list in request.keys {
            guard let index = position(list.name, plan), !keyOrder.contains(index) else { continue }
            keyOrder.append(index)
            var row = 0
            while row < rows {
                try append(request.values[list.first &+ row], plan.joinKeys[index], index)
                row &+= 1
            }
        }
        for (index, key) in plan.joinKeys.enumerated() where !keyOrder.contains(index) {
            throw .noJoinKey(key.field.name, entity: key.entity)
        }
    }

    /// Reads the parts of an `EntityKey`, which names them in its own order.
    private func readKey(_ row: Int, _ plan: ServingPlan) throws(LookupProblem) {
        let parts = connector.keys[row]
        for (index, key) in plan.joinKeys.enumerated() {
            let found = (parts.first..<(parts.first + parts.count)).first {
                position(connector.names[$0], plan) == index
            }
            guard let found else { throw .noJoinKey(key.field.name, entity: key.entity) }
            try append(connector.values[found], key, index)
        }
    }

    private func position(_ name: UnsafeBufferPointer<UInt8>, _ plan: ServingPlan) -> Int? {
        var index = 0
        while index < plan.joinKeys.count {
            let key = plan.joinKeys[index]
            if isEqual(name, key.nameBytes) || isEqual(name, key.aliasBytes) { return index }
            index &+= 1
        }
        return nil
    }

    private func append(
        _ value: UnsafeBufferPointer<UInt8>, _ key: ServingPlan.JoinKey, _ index: Int
    ) throws(LookupProblem) {
        let column = keyColumns[index]
        do throws(FeastProblem) {
            try FeastValue.read(value, into: column)
        } catch {
            throw .invalid("a value of join key \(key.field.name): \(error.description)")
        }
        guard column.isValid(column.count - 1) else {
            throw .invalid("a value of join key \(key.field.name) is null")
        }
    }

    // MARK: what is found

    func read(
        _ number: Int, _ plan: ServingPlan, rows: Int, epoch: UInt32, fetches: Bool
    ) throws(LookupProblem) -> Bool {
        let group = plan.groups[number]
        let table = store.tables[group.table]
        var isWhole = true
        var row = 0
        while row < rows {
            encodeKey(group, row)
            let hash = Hash.xxh3(key.base, key.count)
            var isSampled = false
            if let served, epoch == ViewVersion.orphan { isSampled = served.samples(hash) }
            do throws(JobFailure) {
                let isThere = try table.shard(hash).read(
                    hash: hash, key: key.base, keyLength: key.count, slots: group.slots,
                    epoch: epoch, fetches: fetches,
                    withPayloads: group.isComputedFrom || isSampled, asValues: true,
                    reads: reads + row * plan.views.count + group.firstView, into: blocks)
                if !isThere { isWhole = false } else if isSampled { sampled.append((number, row)) }
            } catch {
                throw .storage(error)
            }
            row &+= 1
        }
        return isWhole
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

    /// Tells the log of served features what an entity is given; it keeps JSON, made of the payloads that were read.
    private func noteServed(_ plan: ServingPlan, _ number: Int, _ row: Int, now: Int64) {
        guard let served else { return }
        let group = plan.groups[number]
        encodeKey(group, row)
        given.count = 0
        let first = row * plan.views.count + group.firstView
        var shown = Array(UnsafeBufferPointer(start: reads + first, count: group.slots.count))
        for index in shown.indices where shown[index].isPresent {
            shown[index].rendered = given.count
            _ = RenderedView.append(
                block: blocks.base + shown[index].payload, eventMicros: shown[index].eventTime,
                features: plan.views[group.firstView + index].declaration.features, to: given)
        }
        served.note(plan, group: number, key: key, reads: shown, blocks: given, now: now)
    }

    /// The on-demand parts of the answer, out of what the request says and what was read.
    private func compute(
        _ plan: ServingPlan, rows: Int, now: Int64
    ) throws(LookupProblem) -> [ComputedFeatures] {
        var inputs: [Column] = []
        for input in plan.inputs {
            if let key = input.joinKey {
                inputs.append(keyColumns[key])
            } else {
                inputs.append(try column(input, rows: rows))
            }
        }
        return plan.computed.map { view in
            view.compute(
                inputs, reads: reads, viewCount: plan.views.count, blocks: blocks, rows: rows,
                now: now)
        }
    }

    /// A field for every row: as the request has it, or the default.
    private func column(_ input: RequestInput, rows: Int) throws(LookupProblem) -> Column {
        let column = Column(input.field.type, capacity: rows)
        guard let given = request.keys.last(where: { isEqual($0.name, input.nameBytes) }) else {
            guard let value = input.defaultValue else {
                throw .noRequestData([input.field.name], view: input.view)
            }
            for _ in 0..<rows { value.append(to: column) }
            return column
        }
        do throws(FeastProblem) {
            for row in 0..<rows {
                try FeastValue.read(request.values[given.first + row], into: column)
            }
        } catch {
            throw .invalid("a value of \(input.field.name): \(error.description)")
        }
        return column
    }

    private func isEqual(_ left: UnsafeBufferPointer<UInt8>, _ right: [UInt8]) -> Bool {
        left.count == right.count && !right.isEmpty
            && memcmp(left.baseAddress!, right, right.count) == 0
    }
}
