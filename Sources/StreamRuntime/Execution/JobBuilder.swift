import Codecs

/// Turns a graph into tasks on workers, joined by rings.
///
/// Every source and stateful step gets a task on each worker, every sink one on its home worker. Steps
/// without state become direct calls in the tasks before them, one instance for each way in.
final class JobBuilder {
    private let graph: JobGraph
    private let settings: RunSettings
    private let storage: any JobStorage
    private let clock: any Clock
    private let control: JobControl
    private(set) var workers: [Worker] = []
    private(set) var taskNames: [String] = []
    private(set) var counters: [String: [StepCounters]] = [:]
    private(set) var lags: [String: EventLag] = [:]

    private var stores: [StateStore] = []
    private let sourceNames: [Int64: String]
    /// The nodes that rows of each node go to at once.
    private let targets: [JobGraph.Node: [JobGraph.Node]]
    /// The nodes that rows of each source come to.
    private lazy var reachedFromSources = graph.sources.indices.map {
        meetingPlaces(from: .source($0))
    }
    /// The rings into each task.
    private var rings: [TaskPlace: [Ring]] = [:]
    /// The node whose task sends into each of them.
    private var senders: [TaskPlace: [JobGraph.Node]] = [:]
    /// The node whose outputs are being made.
    private var sender = JobGraph.Node.source(0)

    private struct TaskPlace: Hashable {
        let node: JobGraph.Node
        let worker: Int
    }

    init(
        graph: JobGraph, settings: RunSettings, storage: any JobStorage, clock: any Clock,
        control: JobControl
    ) {
        self.graph = graph
        self.settings = settings
        self.storage = storage
        self.clock = clock
        self.control = control
        sourceNames = Dictionary(
            uniqueKeysWithValues: graph.sources.map { ($0.ordinal, $0.name) })
        targets = Dictionary(grouping: graph.edges, by: \.from).mapValues { $0.map(\.to) }
    }

    func build() throws(JobFailure) {
        for index in 0..<settings.workers {
            let store = try storage.openStore(worker: index, of: settings.workers)
            stores.append(store)
            workers.append(
                Worker(index: index, settings: settings, control: control, store: store))
        }
        // Outputs first: they make the rings that the tasks behind them read.
        var outputs: [TaskPlace: (Fanout, FailureSlot)] = [:]
        let heads: [JobGraph.Node] =
            graph.sources.indices.map { .source($0) }
            + graph.repartitions.indices.map { .repartition($0) }
            + graph.steps.indices.filter { graph.steps[$0].isStateful }.map { .step($0) }
        for head in heads {
            sender = head
            for worker in workers(of: head) {
                let failure = FailureSlot()
                let fanout = try output(of: head, worker: worker, failure: failure)
                outputs[TaskPlace(node: head, worker: worker)] = (fanout, failure)
            }
        }
        let restored = storage.restored
        let alignments = alignmentGroups()
        let firstWorkers = firstWorkers()
        for (index, node) in graph.sources.enumerated() {
            let sharing =
                settings.workers > 1 ? SharedDecoding(signals: workers.map(\.signal)) : nil
            for worker in 0..<settings.workers {
                let (output, failure) = outputs[TaskPlace(node: .source(index), worker: worker)]!
                add(
                    SourceTask(
                        name: "source \(node.name)@\(worker)", node: node,
                        context: context(node.name, node.ordinal, worker),
                        restored: restored?.positions ?? [:],
                        decisions: restored?.decisions ?? EpochDecisions(), settings: settings,
                        output: output, failure: failure, control: control,
                        alignment: alignments[index][worker], sharing: sharing,
                        firstWorker: firstWorkers[index], clock: clock), to: worker)
            }
        }
        for (index, node) in graph.repartitions.enumerated() {
            // One task follows all upstream shares; their tasks are spread over the workers.
            let worker = index % settings.workers
            let (output, failure) = outputs[TaskPlace(node: .repartition(index), worker: worker)]!
            add(
                RepartitionTask(
                    name: "repartition \(node.name)@\(worker)", node: node,
                    context: context(node.name, node.ordinal, worker),
                    restored: restored?.positions ?? [:], settings: settings, output: output,
                    failure: failure, control: control,
                    alignment: alignments[graph.sources.count + index][worker], clock: clock),
                to: worker)
        }
        for (index, node) in graph.steps.enumerated() where node.isStateful {
            for worker in 0..<settings.workers {
                let place = TaskPlace(node: .step(index), worker: worker)
                let (output, failure) = outputs[place]!
                add(
                    StepTask(
                        name: "step \(node.id)@\(worker)", step: try node.make(),
                        inputSchema: node.inputSchema,
                        context: context(node.id, node.ordinal, worker), inputs: rings[place] ?? [],
                        ways: ways(into: place), output: output, failure: failure, control: control,
                        clock: clock),
                    to: worker)
            }
        }
        for (index, node) in graph.sinks.enumerated() {
            let worker = homeWorker(of: node)
            let lag = EventLag()
            lags[node.id] = lag
            let place = TaskPlace(node: .sink(index), worker: worker)
            add(
                SinkTask(
                    name: "sink \(node.id)@\(worker)", sink: try node.make(),
                    sorter: node.isOrdered
                        ? RowSorter(schema: node.schema, homeGroup: homeGroup(of: node)) : nil,
                    context: context(node.id, node.ordinal, worker), inputs: rings[place] ?? [],
                    ways: ways(into: place), restoredToken: restored?.tokens[node.id],
                    control: control, lag: lag, clock: clock),
                to: worker)
        }
    }

    // MARK: places

    /// The key group a sink's rows are kept in: of its id, so that they are found again at any number
    /// of workers and beside any other sinks.
    private func homeGroup(of sink: JobGraph.SinkNode) -> Int {
        var id = sink.id
        return id.withUTF8 { KeyGroup.of(hash: Hash.xxh3($0.baseAddress!, $0.count)) }
    }

    /// The worker that runs a sink: the one that owns its group.
    private func homeWorker(of sink: JobGraph.SinkNode) -> Int {
        KeyGroup.worker(of: homeGroup(of: sink), workers: settings.workers)
    }

    /// For each source the worker that reads its first partition: the one with the fewest sinks and
    /// first partitions. Positions belong to partitions, so any worker may read them after a restart.
    private func firstWorkers() -> [Int] {
        var load = [Int](repeating: 0, count: settings.workers)
        for sink in graph.sinks { load[homeWorker(of: sink)] += 1 }
        return graph.sources.map { _ in
            let least = load.indices.min { load[$0] < load[$1] } ?? 0
            load[least] += 1
            return least
        }
    }

    /// The workers that run a task of `node`.
    private func workers(of node: JobGraph.Node) -> Range<Int> {
        guard case .repartition(let index) = node else { return 0..<settings.workers }
        let worker = index % settings.workers
        return worker..<(worker + 1)
    }

    private func add(_ task: any TaskLoop, to worker: Int) {
        taskNames.append(task.name)
        workers[worker].add(task)
    }

    private func context(_ id: String, _ ordinal: Int64, _ worker: Int) -> OperatorContext {
        let signal = workers[worker].signal
        return OperatorContext(
            stepId: id, ordinal: ordinal, worker: worker, workers: settings.workers,
            state: stores[worker], counters: figures(id, worker), sources: sourceNames,
            wake: { signal.notify() })
    }

    /// The figures of a node on a worker; steps that run in place several times share them.
    private func figures(_ id: String, _ worker: Int) -> StepCounters {
        if counters[id] == nil {
            counters[id] = (0..<settings.workers).map { _ in StepCounters() }
        }
        return counters[id]![worker]
    }

    // MARK: outputs

    private func output(
        of node: JobGraph.Node, worker: Int, failure: FailureSlot
    ) throws(JobFailure) -> Fanout {
        let fanout = Fanout(failure: failure, counters: figures(id(of: node), worker))
        for edge in graph.edges where edge.from == node {
            switch edge.exchange {
            case .forward:
                guard case .step(let index) = edge.to, !graph.steps[index].isStateful else {
                    preconditionFailure("rows are forwarded only into a step without state")
                }
                let step = graph.steps[index]
                let operation = try step.make()
                try operation.open(context(step.id, step.ordinal, worker))
                let below = try output(of: edge.to, worker: worker, failure: failure)
                fanout.add(
                    .inPlace(operation, below, figures(step.id, worker)), port: edge.port)
            case .keyed(let columns):
                let channels = (0..<settings.workers).map {
                    channel(from: worker, to: edge.to, worker: $0)
                }
                var hotKeys: HotKeys?
                if case .step(let index) = edge.to, !graph.steps[index].hasSummedRows {
                    hotKeys = figures(graph.steps[index].id, worker).hotKeys
                }
                fanout.add(
                    .exchange(Exchange(columns: columns, channels: channels, hotKeys: hotKeys)),
                    port: edge.port)
            case .gather:
                guard case .sink(let index) = edge.to else {
                    preconditionFailure("rows are gathered only into a sink")
                }
                let sink = graph.sinks[index]
                let home = homeWorker(of: sink)
                fanout.add(
                    .exchange(
                        Exchange(
                            columns: nil,
                            channels: [channel(from: worker, to: edge.to, worker: home)],
                            narrowed: sink.columns.map { ($0, sink.schema) })),
                    port: edge.port)
            }
        }
        return fanout
    }

    private func channel(from producer: Int, to node: JobGraph.Node, worker: Int) -> Channel {
        let channel = Channel(
            producer: workers[producer].signal, consumer: workers[worker].signal)
        let place = TaskPlace(node: node, worker: worker)
        rings[place, default: []].append(channel.ring)
        senders[place, default: []].append(sender)
        return channel
    }

    /// By how many rings the marks of each source come to a task: a partition's from the one task that
    /// reads it, and from every task of the steps between.
    private func ways(into place: TaskPlace) -> [Int: Int] {
        var ways: [Int: Int] = [:]
        for (index, source) in graph.sources.enumerated() where source.tellsProgress {
            let passed = reachedFromSources[index]
            var direct = 0
            var between = 0
            for sender in senders[place] ?? [] {
                if sender == .source(index) { direct += 1 }
                if case .step = sender, passed.contains(sender) { between += 1 }
            }
            ways[Int(source.ordinal)] = direct / settings.workers + between
        }
        return ways
    }

    private func id(of node: JobGraph.Node) -> String {
        switch node {
        case .source(let index): graph.sources[index].name
        case .repartition(let index): graph.repartitions[index].name
        case .step(let index): graph.steps[index].id
        case .sink(let index): graph.sinks[index].id
        }
    }

    // MARK: alignment

    /// For each source and repartition, and each worker, its place among the sources it meets downstream.
    private func alignmentGroups() -> [[SourceAlignment.Member]] {
        let nodes: [JobGraph.Node] =
            graph.sources.indices.map { .source($0) }
            + graph.repartitions.indices.map { .repartition($0) }
        let reached = nodes.map { meetingPlaces(from: $0) }
        var group = Array(nodes.indices)
        for left in nodes.indices {
            for right in nodes.indices where right > left {
                guard !reached[left].isDisjoint(with: reached[right]) else { continue }
                let (old, new) = (group[right], group[left])
                for index in group.indices where group[index] == old { group[index] = new }
            }
        }
        var members = [[SourceAlignment.Member]](repeating: [], count: nodes.count)
        for name in Set(group) {
            let sources = group.indices.filter { group[$0] == name }
            let alignment = SourceAlignment(members: sources.count * settings.workers)
            for (position, source) in sources.enumerated() {
                let places = (0..<settings.workers).map {
                    SourceAlignment.Member(
                        alignment: alignment, index: position * settings.workers + $0)
                }
                // A worker without a task has nothing to wait for.
                let used = workers(of: nodes[source])
                for (worker, place) in places.enumerated() where !used.contains(worker) {
                    place.publish(.max)
                }
                members[source] = places
            }
        }
        return members
    }

    /// The stateful steps and sinks that rows of `node` come to.
    private func meetingPlaces(from node: JobGraph.Node) -> Set<JobGraph.Node> {
        var found: Set<JobGraph.Node> = []
        var open = [node]
        while let next = open.popLast() {
            for target in targets[next] ?? [] where found.insert(target).inserted {
                open.append(target)
            }
        }
        return found
    }
}
