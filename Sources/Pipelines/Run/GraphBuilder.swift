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

    /// A builder for `plan`; bounded sources end at what their topics hold when they are opened, and
    /// exactly-once outputs on Kafka write through `domain`.
    init(
        plan: JobPlan, isBounded: Bool, online: OnlineStore?,
        domain: KafkaTransactionDomain? = nil
    ) {
        self.domain = domain
        self.plan = plan
        self.isBounded = isBounded
        self.online = online
    }

    func graph() -> JobGraph {
        let sources = SourceFactory(plan: plan, isBounded: isBounded)
        let sinks = SinkFactory(plan: plan, online: online, domain: domain)
        let firstStep = Int64(plan.sources.count)
        let firstSink = firstStep + Int64(plan.steps.count)
        return JobGraph(
            sources: plan.sources.map { sources.node($0) },
            steps: plan.steps.map { step in
                JobGraph.StepNode(
                    id: step.id, ordinal: firstStep + Int64(step.ordinal),
                    isStateful: !step.isStateless, inputSchema: step.inputSchema,
                    make: { () throws(JobFailure) in try StepFactory.makeOperator(step) })
            },
            sinks: plan.sinks.map { sinks.node($0, ordinal: firstSink + Int64($0.ordinal)) },
            edges: edges)
    }

    private var edges: [JobGraph.Edge] {
        var edges: [JobGraph.Edge] = []
        for (index, step) in plan.steps.enumerated() {
            edges += step.inputs.map { edge($0, to: .step(index)) }
        }
        for (index, sink) in plan.sinks.enumerated() {
            edges += sink.inputs.map { edge($0, to: .sink(index)) }
        }
        return edges
    }

    private func edge(_ edge: PlannedEdge, to node: JobGraph.Node) -> JobGraph.Edge {
        let from: JobGraph.Node
        switch edge.from {
        case .source(let index): from = .source(index)
        case .step(let index): from = .step(index)
        }
        let exchange: JobGraph.Exchange
        switch edge.exchange {
        case .forward: exchange = .forward
        case .keyed(let columns): exchange = .keyed(columns)
        case .gather: exchange = .gather
        }
        return JobGraph.Edge(from: from, port: edge.port, to: node, exchange: exchange)
    }
}
