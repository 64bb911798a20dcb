import Codecs
import Glibc
import StreamRuntime

/// Answers lookups over gRPC; one per event loop, with memory that is used again for every call.
final class GRPCLookup {
    private let store: OnlineStore
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
    private var reads: UnsafeMutablePointer<ViewRead>
    private var readCapacity = 64
    private let key = ByteArena(capacity: 256)
    private let blocks = ByteArena(capacity: 1 << 14)
    private let sampled = ByteArena(capacity: 1 << 12)
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

    /// Appends a `GetOnlineFeaturesResponse` for the `GetOnlineFeaturesRequest` in `message` to `output`.
    func answer(
        _ message: UnsafeBufferPointer<UInt8>, for caller: AccessCaller, into output: ByteArena
    ) throws(GRPCProblem) {
        let start = WallClock.monotonicNanos()
        do throws(FeastProblem) { try request.read(message) } catch { throw GRPCProblem(error) }
        let flags: UInt8 = (request.fullNames ? 1 : 0) | (request.isService ? 2 : 0)
        let plan = try plan(request.plan, flags: flags)
        let rows = try rows()
        let time = now()
        var computed: [ComputedFeatures] = []
        do throws(LookupProblem) {
            try caller.checkRead(plan.plan)
            try readKeys(plan.plan, rows: rows)
            try read(plan.plan, rows: rows, now: time)
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
    }

    /// Appends an `OnlineReadResponse` for the `OnlineReadRequest` in `message` to `output`.
    func answerConnector(
        _ message: UnsafeBufferPointer<UInt8>, for caller: AccessCaller, into output: ByteArena
    ) throws(GRPCProblem) {
        do throws(FeastProblem) { try connector.read(message) } catch { throw GRPCProblem(error) }
        guard !connector.keys.isEmpty else { return }
        let plan = try plan(connector.plan, flags: 4)
        let rows = connector.keys.count
        guard rows <= LookupEngine.rowsMax else { throw GRPCLookup.tooMany }
        do throws(LookupProblem) {
            try caller.checkRead(plan.plan)
            guard plan.plan.computed.isEmpty else { throw .noView(connector.view) }
            prepareKeys(plan.plan, rows: rows)
            for row in 0..<rows { try readKey(row, plan.plan) }
            try read(plan.plan, rows: rows, now: now())
        } catch {
            throw GRPCProblem(error)
        }
        writer.writeConnector(
            plan.plan, rows: rows, reads: reads, blocks: blocks, to: output)
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

    private func read(_ plan: ServingPlan, rows: Int, now: Int64) throws(LookupProblem) {
        let wanted = rows * plan.views.count
        if wanted > readCapacity {
            reads.deallocate()
            readCapacity = wanted * 2
            reads = .allocate(capacity: readCapacity)
        }
        blocks.count = 0
        for (index, group) in plan.groups.enumerated() {
            let table = store.tables[group.table]
            var row = 0
            while row < rows {
                key.count = 0
                var part = 0
                while part < group.keyParts.count {
                    KeyEncoder.append(keyColumns[group.keyParts[part]], row, to: key)
                    part &+= 1
                }
                let hash = Hash.xxh3(key.base, key.count)
                do throws(JobFailure) {
                    try table.shard(hash).read(
                        hash: hash, key: key.base, keyLength: key.count, slots: group.slots,
                        withPayloads: group.isComputedFrom, asValues: true,
                        reads: reads + row * plan.views.count + group.firstView, into: blocks)
                    if let served, served.samples(hash) {
                        try note(plan, index, hash, now: now, in: served)
                    }
                } catch {
                    throw .storage(error)
                }
                row &+= 1
            }
        }
    }

    /// Notes what the entity whose key is in `key` is given, as the log of served features keeps it: as JSON.
    private func note(
        _ plan: ServingPlan, _ index: Int, _ hash: Int64, now: Int64, in served: ServedLog
    ) throws(JobFailure) {
        let group = plan.groups[index]
        var given = [ViewRead](repeating: .absent, count: group.slots.count)
        sampled.count = 0
        try store.tables[group.table].shard(hash).read(
            hash: hash, key: key.base, keyLength: key.count, slots: group.slots, reads: &given,
            into: sampled)
        served.note(plan, group: index, key: key, reads: given, blocks: sampled, now: now)
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
