import Connectors
import FeatureServe
import Operators
import StreamRuntime

/// Makes the runtime's graph from a plan: sources, operators and sinks on their real connections.
struct GraphBuilder {
    private let plan: JobPlan
    private let isBounded: Bool
    private let online: OnlineStore?
    private let domain: KafkaTransactionDomain?
    private let share: ShareContext?
    private let keepsVersions: Bool
    private let meters: FeatureMeters?
    private let growth: KafkaGrowth?
    private let calls: CallSenders?
    private let workers: Int
    private let given: [String: GivenAnswers]?
    private let lookups: LookupDesks?

    /// A builder for `plan`; bounded sources end at what their topics hold when they are opened, and
    /// exactly-once outputs on Kafka write through `domain`. With `share` it is the graph of that share;
    /// without `keepsVersions` no version of a feature is logged. Features are measured by `meters`, and
    /// topics that get more partitions told to `growth`. Senders of calls are kept in `calls`, which then ends
    /// them. With several `workers` hot keys are relieved. Lookups take the answers `given` by a test, if it is one;
    /// those in `lookups` hear of checkpoints and trim their journals.
    init(
        plan: JobPlan, isBounded: Bool, online: OnlineStore?,
        domain: KafkaTransactionDomain? = nil, share: ShareContext? = nil,
        keepsVersions: Bool = true, meters: FeatureMeters? = nil, growth: KafkaGrowth? = nil,
        calls: CallSenders? = nil, workers: Int = 1, given: [String: GivenAnswers]? = nil,
        lookups: LookupDesks? = nil
    ) {
        self.lookups = lookups
        self.given = given
        self.workers = workers
        self.calls = calls
        self.growth = growth
        self.meters = meters
        self.keepsVersions = keepsVersions
        self.share = share
        self.domain = domain
        self.plan = plan
        self.isBounded = isBounded
        self.online = online
    }

    func graph() -> JobGraph {
        let sources = SourceFactory(
            plan: plan, isBounded: isBounded, share: share, growth: growth)
        let sinks = SinkFactory(
            plan: plan, online: online, domain: domain, keepsVersions: keepsVersions,
            meters: meters, calls: calls)
        let lookups = LookupFactory(
            plan: plan, online: online, metrics: calls?.metrics, given: given,
            followed: lookups)
        let firstStep = Int64(plan.sources.count)
        let firstSink = firstStep + Int64(plan.steps.count)
        let firstOwn = firstSink + Int64(plan.sinks.count)
        return JobGraph(
            sources: plan.sources.map { source in
                var node = timed(sources.node(source))
                // Lookups may wait for a record.
                node.tellsProgress = online != nil
                return node
            },
            steps: plan.steps.map { step in
                let isSummed = relieved.contains(step.ordinal)
                var node = JobGraph.StepNode(
                    id: step.id, ordinal: firstStep + Int64(step.ordinal),
                    isStateful: !step.isStateless,
                    inputSchema: isSummed ? GraphBuilder.summed(step) : step.inputSchema,
                    make: { () throws(JobFailure) in
                        if case .lookup(let shape) = step.operation {
                            return try lookups.make(step, shape)
                        }
                        return try StepFactory.makeOperator(step, takesPartials: isSummed)
                    })
                node.hasSummedRows = isSummed
                return node
            }
                + relieved.enumerated().map { index, ordinal in
                    let step = plan.steps[ordinal]
                    return JobGraph.StepNode(
                        id: "\(step.id).local",
                        ordinal: firstOwn + Int64(plan.repartitions.count + index),
                        isStateful: false, inputSchema: step.inputSchema,
                        make: { () throws(JobFailure) in try StepFactory.makePartial(step) })
                },
            sinks: plan.sinks.map { sinks.node($0, ordinal: firstSink + Int64($0.ordinal)) }
                + repartitions.map { share, repartition, step in
                    share.output(
                        repartition, ordinal: firstOwn + Int64(repartition.ordinal),
                        schema: step.inputSchema, key: step.keys)
                },
            edges: edges,
            repartitions: repartitions.map { share, repartition, step in
                share.input(
                    repartition, ordinal: firstOwn + Int64(repartition.ordinal),
                    schema: step.inputSchema)
            })
    }

    /// The source, which tells when its records were appended if features are measured.
    private func timed(_ node: JobGraph.SourceNode) -> JobGraph.SourceNode {
        guard let times = meters?.times else { return node }
        return JobGraph.SourceNode(
            name: node.name, ordinal: node.ordinal, time: node.time, policy: node.policy,
            open: node.open,
            decoder: { TimedDecoder(node.decoder(), source: Int(node.ordinal), times: times) })
    }

    /// What is between shares; nothing in a job that runs whole.
    private var repartitions: [(ShareContext, PlannedRepartition, PlannedStep)] {
        guard let share else { return [] }
        return plan.repartitions.map { (share, $0, plan.steps[$0.step]) }
    }

    /// The steps whose hot keys are summed up before they move, by their ordinals.
    private var relieved: [Int] {
        guard workers > 1, share == nil else { return [] }
        return plan.steps.filter { plan.relievesHotKeys($0, isBounded: isBounded) }.map(\.ordinal)
    }

    private static func summed(_ step: PlannedStep) -> Schema {
        Schema(step.inputSchema.fields + [PartialAggregate.partialColumn])
    }

    private var edges: [JobGraph.Edge] {
        var edges: [JobGraph.Edge] = []
        for (index, step) in plan.steps.enumerated() {
            if let place = relieved.firstIndex(of: index) {
                let local = plan.steps.count + place
                edges += step.inputs.map { edge($0, to: .step(local), exchange: .forward) }
                edges.append(
                    JobGraph.Edge(
                        from: .step(local), port: 0, to: .step(index),
                        exchange: .keyed(step.keys)))
                continue
            }
            guard share != nil, let between = step.repartition else {
                edges += step.inputs.map { edge($0, to: .step(index)) }
                continue
            }
            edges += step.inputs.map {
                edge($0, to: .sink(plan.sinks.count + between), exchange: .gather)
            }
            edges.append(
                JobGraph.Edge(
                    from: .repartition(between), port: 0, to: .step(index),
                    exchange: .keyed(step.keys)))
        }
        for (index, sink) in plan.sinks.enumerated() {
            edges += sink.inputs.map { edge($0, to: .sink(index)) }
        }
        return edges
    }

    private func edge(
        _ edge: PlannedEdge, to node: JobGraph.Node, exchange planned: PlannedEdge.Exchange? = nil
    ) -> JobGraph.Edge {
        let from: JobGraph.Node
        switch edge.from {
        case .source(let index): from = .source(index)
        case .step(let index): from = .step(index)
        }
        let exchange: JobGraph.Exchange
        switch planned ?? edge.exchange {
        case .forward: exchange = .forward
        case .keyed(let columns): exchange = .keyed(columns)
        case .gather: exchange = .gather
        }
        return JobGraph.Edge(from: from, port: edge.port, to: node, exchange: exchange)
    }
}
