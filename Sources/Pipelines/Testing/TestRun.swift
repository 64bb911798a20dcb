import FeatureServe
import Glibc
import StreamRuntime

/// One life of a test: the real job over what is given, in one shape, and what it leaves compared with what
/// is expected.
final class TestRun {
    /// In what shape the job runs.
    struct Shape: Sendable {
        let workers: Int
        let batchRows: Int
        /// Whether it is killed after every step that gives rows, and goes on with another number of workers.
        let kills: Bool

        /// The shape in words.
        var text: String {
            let many = workers == 1 ? "1 worker" : "\(workers) workers"
            return kills ? "\(many), killed after each step" : many
        }
    }

    private let test: TestSpec
    private let planned: TestPlan
    private let catalog: TestCatalog
    private let place: ScratchPlace
    private let shape: Shape
    private let gate = TestGate()
    private let isDurable: Bool
    private var workers: Int
    private var writers: [String: TopicWriter] = [:]
    private var job: Job?
    private var online: OnlineStore?
    private var pumped: [String: Int64] = [:]
    private var failures: [TestFailure] = []
    private var cursor: Int64
    private var hasGiven = false

    init(
        _ test: TestSpec, _ planned: TestPlan, catalog: TestCatalog, place: ScratchPlace,
        shape: Shape
    ) {
        self.test = test
        self.planned = planned
        self.catalog = catalog
        self.place = place
        self.shape = shape
        workers = shape.workers
        cursor = test.day
        let isKilled = test.given.contains {
            if case .killAndRestore = $0 { true } else { false }
        }
        isDurable = shape.kills || isKilled
    }

    private var plan: JobPlan { planned.plan }

    /// Runs the job through all steps and returns what was not as expected.
    func run() throws(JobFailure) -> [TestFailure] {
        try Directories.make(place.state)
        try makeTopics()
        try start()
        defer { leave() }
        for step in test.given {
            switch step {
            case .rows(let at, let all):
                cursor = max(cursor, at)
                // A kill loses what came after the step before: that is read again.
                if isDurable, hasGiven { try checkpoint() }
                hasGiven = true
                for rows in all { try give(rows, at: at) }
                try settle()
                if shape.kills, !plan.sources.isEmpty { try kill(workers: workers % 3 + 1) }
            case .advance(let time):
                cursor = time
                // As after idleness: beyond the moment, so that what is due at it is done.
                gate.advance(to: time + 1)
                try settle()
                // How long nothing came is not in the log: a checkpoint remembers it.
                try checkpoint()
            case .killAndRestore(let workers):
                try kill(workers: workers ?? self.workers)
            case .push(let at, let all):
                cursor = max(cursor, at)
                for rows in all { try push(rows, at: at) }
            case .expect(let expectations):
                try checkpoint()
                for expectation in expectations { try check(expectation) }
            }
        }
        if test.ends { try end() } else { try checkpoint() }
        for expectation in test.expect { try check(expectation) }
        for (name, index) in planned.captures.sorted(by: { $0.value < $1.value }) {
            let (log, topic) = planned.output(index)
            let schema = plan.sinks[index].schema
            results.append(
                Result(
                    name: name, schema: schema,
                    rows: try TestRow.all(of: topic, in: log, schema: schema)))
        }
        return failures
    }

    /// All rows that came out under one name.
    struct Result {
        let name: String
        let schema: Schema
        let rows: [TestRow]
    }

    /// What came out of each output that is looked at, once the run is over.
    private(set) var results: [Result] = []

    /// What is different in the results of a run of the same test in another shape.
    func differences(from other: TestRun) -> [TestFailure] {
        zip(other.results, results).compactMap { first, second in
            let match = TestMatch(
                expected: first.rows, got: second.rows, mode: .exactly, types: [:])
            if match.isEqual { return nil }
            return TestFailure(
                position: test.name.position,
                message:
                    "\(first.name): other rows came out than in the run with \(other.shape.text): "
                    + match.summary,
                table: match.table(
                    expected: first.rows, got: second.rows,
                    columns: first.schema.fields.map(\.name), types: [:]))
        }
    }

    // MARK: the job

    private func makeTopics() throws(JobFailure) {
        for source in plan.sources {
            guard let (connection, topic) = TestPlan.topic(of: source),
                case .embedded(let root)? = plan.connection(connection)?.kind
            else { continue }
            var partitions = 1
            for other in plan.sources where isSame(source, other) {
                for record in try records(of: other.name) {
                    partitions = max(partitions, record.partition + 1)
                }
            }
            let log = EmbeddedLog(root: root)
            try log.ensureTopic(topic, TopicSettings(partitions: partitions))
            if writers["\(connection)/\(topic)"] == nil {
                writers["\(connection)/\(topic)"] = try log.writer(topic, syncing: false)
            }
            gate.add(source.name, partitions: partitions)
        }
        let given = test.given.flatMap { step -> [String] in
            if case .rows(_, let all) = step { all.map(\.name.value) } else { [] }
        }
        let fed = Set(given + planned.loops.map(\.stream))
        // A stream that never has a record does not hold the others back; one that reads another's topic has its.
        let silent = plan.sources.filter { source in
            !plan.sources.contains { fed.contains($0.name) && isSame(source, $0) }
        }.map(\.name)
        if silent.count < plan.sources.count { gate.end(silent) }
    }

    /// Whether both are one stream, or read one topic.
    private func isSame(_ source: PlannedSource, _ other: PlannedSource) -> Bool {
        guard source.name != other.name else { return true }
        guard let first = TestPlan.topic(of: source), let second = TestPlan.topic(of: other) else {
            return false
        }
        return first == second
    }

    private func records(of stream: String) throws(JobFailure) -> [TestRecord] {
        var records: [TestRecord] = []
        for step in test.given {
            guard case .rows(let at, let all) = step else { continue }
            for rows in all where rows.name.value == stream {
                for row in rows.rows { records.append(try record(row, of: stream, at: at)) }
            }
        }
        return records
    }

    private func record(
        _ row: SpecNode, of stream: String, at: Int64
    ) throws(JobFailure) -> TestRecord {
        do throws(TestValue.Mismatch) {
            return try TestRecords(catalog.streams[stream]!, name: stream)
                .record(row, at: at, day: test.day)
        } catch {
            preconditionFailure("rows were checked with the file: \(error.message)")
        }
    }

    private func start() throws(JobFailure) {
        if plan.sources.isEmpty {
            if online == nil { online = try store(checkpoint: nil) }
            return
        }
        var storage: any JobStorage = MemoryStorage()
        if isDurable {
            storage = try DurableStorage(
                DurableStorage.Settings(
                    directory: plan.settings.stateDirectory, job: plan.name,
                    fingerprint: plan.fingerprint,
                    memoryBytes: MemoryBudget(total: plan.settings.memoryBytes).state,
                    retained: 2))
        }
        online = try store(checkpoint: storage.restored?.checkpoint ?? 0)
        var settings = RunSettings(
            workers: workers, batchRows: shape.batchRows, checkpointNanos: 0)
        settings.batchBytes = 1 << 20
        let job = try Job(
            graph: graph(), settings: settings, storage: storage,
            followers: online.map { [SnapshotFollower($0)] } ?? [])
        gate.look()
        try job.start()
        self.job = job
    }

    /// The features; on disk when they must outlive the job.
    private func store(checkpoint: Int64?) throws(JobFailure) -> OnlineStore? {
        if !plan.hasFeatures { return nil }
        let budget = 8 << 20
        if isDurable { return try OnlineStores.open(plan, budget: budget, checkpoint: checkpoint) }
        return try OnlineStore(
            catalog: try OnlineStores.catalog(plan), rows: MemoryRows(), budgetBytes: budget,
            checkpoint: checkpoint, provenance: PlannedProvenance(plan).provenance)
    }

    private func graph() -> JobGraph {
        var graph = GraphBuilder(
            plan: plan, isBounded: false, online: online, keepsVersions: false,
            given: TestAnswers.given(test, plan)
        ).graph()
        let gate = gate
        for (index, node) in graph.sources.enumerated() {
            var made = JobGraph.SourceNode(
                name: node.name, ordinal: node.ordinal, time: node.time, policy: node.policy,
                open: { () throws(JobFailure) in
                    GatedSource(try node.open(), stream: node.name, gate: gate)
                }, decoder: node.decoder)
            made.pace = { gate.pace }
            graph.sources[index] = made
        }
        return graph
    }

    /// Ends the job as a crash does, and goes on from its last checkpoint.
    private func kill(workers: Int) throws(JobFailure) {
        if job == nil { return }
        if case .failed(let failure)? = job?.wait(nanos: 0) { throw failure }
        abandon()
        self.workers = min(max(workers, 1), 64)
        try start()
        try settle()
    }

    /// Ends the job at once; its state directory is free when this returns.
    private func abandon() {
        if job?.wait(nanos: 0) == nil {
            job?.abandon(
                JobFailure(.environment, "killed", at: "test", remedy: "none is needed"))
            _ = job?.wait()
        }
        job = nil
        online = nil
    }

    private func leave() {
        abandon()
        writers = [:]
    }

    // MARK: steps

    private func give(_ rows: TestRows, at: Int64) throws(JobFailure) {
        let stream = rows.name.value
        guard let source = plan.sources.first(where: { $0.name == stream }),
            let (connection, topic) = TestPlan.topic(of: source),
            let writer = writers["\(connection)/\(topic)"]
        else { return }
        for row in rows.rows {
            let record = try record(row, of: stream, at: at)
            try writer.append(
                key: record.key, value: record.value, timestamp: record.timestamp,
                partition: record.partition, headers: record.headers, fallback: 0)
            for other in plan.sources
            where TestPlan.topic(of: other).map({ $0 == (connection, topic) }) ?? false {
                gate.give(other.name, partition: record.partition)
            }
        }
        gate.look()
        try writer.commit()
    }

    /// Waits until everything given has been read; what the job wrote for its own streams is given to them.
    private func settle() throws(JobFailure) {
        guard job != nil else { return }
        try waitUntil { gate.isQuiet }
        while !planned.loops.isEmpty {
            try checkpoint()
            if try pump() == 0 { return }
            try waitUntil { gate.isQuiet }
        }
    }

    /// Waits at most a minute; a job that has failed is told of.
    private func waitUntil(_ isDone: () -> Bool) throws(JobFailure) {
        guard let job else { return }
        let clock = SystemClock()
        let limit = clock.nanos + 60_000_000_000
        while !isDone() {
            if let outcome = job.wait(nanos: 0) {
                if case .failed(let failure) = outcome { throw failure }
                return
            }
            guard clock.nanos < limit else {
                throw JobFailure(
                    .environment, "the job has not read what it was given within a minute",
                    at: "test \(test.name.value)", remedy: "run it again on a machine with time")
            }
            usleep(200)
        }
    }

    /// Makes what has been worked out visible.
    private func checkpoint() throws(JobFailure) {
        guard let job, job.wait(nanos: 0) == nil else {
            if let job, case .failed(let failure) = job.wait() { throw failure }
            return
        }
        let before = job.checkpoints.lastNumber
        job.requestCheckpoint()
        try waitUntil { job.checkpoints.lastNumber > before }
        let made = job.checkpoints.lastNumber
        try waitUntil { job.isVisible(upTo: made) }
    }

    /// Passes on what the job has written to topics that it also reads.
    private func pump() throws(JobFailure) -> Int {
        var count = 0
        for loop in planned.loops {
            guard let index = planned.captures["topic:\(loop.topic)"],
                let source = plan.sources.first(where: { $0.name == loop.stream }),
                let (connection, topic) = TestPlan.topic(of: source),
                let writer = writers["\(connection)/\(topic)"]
            else { continue }
            let (log, name) = planned.output(index)
            guard log.hasTopic(name) else { continue }
            let reader = try log.source(name, bounded: true).reader(partition: 0)
            let from = pumped[loop.stream] ?? 0
            if from > 0 { try reader.seek(to: from) }
            while let batch = try reader.nextBatch() {
                for row in 0..<batch.count {
                    func bytes(_ column: Column) -> [UInt8]? {
                        column.isValid(row) ? Array(column.bytes(row)) : nil
                    }
                    try writer.append(
                        key: bytes(batch.keys), value: bytes(batch.values),
                        timestamp: batch.timestamps.int64s[row], partition: 0, fallback: 0)
                    gate.give(loop.stream, partition: 0)
                    count += 1
                }
            }
            pumped[loop.stream] = reader.position
            gate.look()
            try writer.commit()
        }
        return count
    }

    /// Ends the inputs: first those that nothing of the job writes, then what they lead to.
    private func end() throws(JobFailure) {
        guard let job else { return }
        var open = plan.sources.map(\.name)
        while !open.isEmpty {
            let fed = Set(planned.loops.map(\.stream).filter { isFed($0, by: open) })
            let over = open.filter { !fed.contains($0) }
            let ending = over.isEmpty ? open : over
            open.removeAll { ending.contains($0) }
            gate.end(ending)
            if open.isEmpty { break }
            try waitUntil { gate.isQuiet }
            try settle()
        }
        if case .failed(let failure) = job.wait() { throw failure }
    }

    /// Whether a stream's topic is written by something that one of `streams` leads to.
    private func isFed(_ stream: String, by streams: [String]) -> Bool {
        guard let loop = planned.loops.first(where: { $0.stream == stream }),
            let index = planned.captures["topic:\(loop.topic)"]
        else { return false }
        var open = plan.sinks[index].inputs.map(\.from)
        var seen: Set<PlannedEdge.Node> = []
        while let node = open.popLast() {
            guard seen.insert(node).inserted else { continue }
            switch node {
            case .source(let source):
                if streams.contains(plan.sources[source].name), plan.sources[source].name != stream
                {
                    return true
                }
            case .step(let step): open += plan.steps[step].inputs.map(\.from)
            }
        }
        return false
    }

    private func push(_ rows: TestRows, at: Int64) throws(JobFailure) {
        guard let online, let view = catalog.pushed[rows.name.value] else { return }
        try TestPush(view: view, keys: catalog.entities[view.entity].keys)
            .write(rows.rows, to: online, at: at, day: test.day)
    }

    private func check(_ expectation: TestExpectation) throws(JobFailure) {
        failures += try TestComparison(
            test: test, planned: planned, catalog: catalog, online: online
        )
        .check(expectation, now: expectation.at ?? cursor)
    }
}
