import StreamRuntime

extension Planner {
    /// Whether the job is cut into shares at all.
    var hasShares: Bool { spec.job.shares != nil }

    /// Tells of everything that the processes of a job in shares cannot have in common.
    func checkShares() {
        guard let shares = spec.job.shares else { return }
        let reason = "with job: shares every process must reach what the others do"
        for stream in spec.streams {
            switch stream.origin {
            case .files(let path):
                diagnostics.report(
                    .notShared,
                    "the stream \"\(stream.name.value)\" reads files, and the job has shares",
                    at: path.position, notes: [reason],
                    fix: "bring the files into a Kafka topic, or remove shares")
            case .poll(_, _, let position):
                diagnostics.report(
                    .notShared,
                    "the stream \"\(stream.name.value)\" is polled, and the job has shares",
                    at: position, notes: [reason],
                    fix: "poll into a Kafka topic from a job without shares, or remove shares")
            case .topic(let topic):
                guard let source = sources.first(where: { $0.name == stream.name.value }),
                    case .topic(let name, _) = source.location, !isKafka(name)
                else { continue }
                diagnostics.report(
                    .notShared,
                    "the topic \"\(topic.value)\" is embedded in one process, and the job has shares",
                    at: topic.position, notes: [reason],
                    fix: "read it from a Kafka connection, or remove shares")
            }
        }
        for view in spec.featureViews {
            diagnostics.report(
                .notShared,
                "the feature view \"\(view.name.value)\" is kept in one process, and the job has shares",
                at: view.name.position, notes: [reason],
                fix: "write the features to a topic and fill the view in a job without shares")
        }
        for target in spec.pipelines.flatMap(\.allTargets) {
            switch target.place {
            case .files(let path, _), .table(let path, _):
                diagnostics.report(
                    .notShared, "the job has shares, and files are written by one process",
                    at: path.position, notes: [reason], fix: "write to a topic, or remove shares")
            case .blackhole(let kind):
                diagnostics.report(
                    .notShared, "the job has shares, and rows are counted by one process",
                    at: kind.position, notes: [reason], fix: "write to a topic, or remove shares")
            case .call: break
            case .topic(let topic):
                let isWritten = sinks.contains {
                    if case .topic(let name, topic.value, _, _) = $0.target {
                        return !isKafka(name)
                    }
                    return false
                }
                guard isWritten else { continue }
                diagnostics.report(
                    .notShared,
                    "the topic \"\(topic.value)\" is embedded in one process, and the job has shares",
                    at: topic.position, notes: [reason],
                    fix: "write to a topic of a Kafka connection, or remove shares")
            }
        }
        let used = connections.map(\.name).filter { name in
            isKafka(name)
                && (sources.contains { $0.isOn(name) }
                    || sinks.contains {
                        if case .topic(name, _, _, _) = $0.target { true } else { false }
                    })
        }
        if used.count > 1 {
            diagnostics.report(
                .notShared,
                "the job has shares and topics on several Kafka connections: \(used.joined(separator: ", "))",
                at: shares.position,
                notes: ["one cluster decides which process runs a share, and commits its work"],
                fix: "keep to one connection, or make a job for each")
        }
    }

    func isKafka(_ name: String) -> Bool {
        if case .kafka? = connections.first(where: { $0.name == name })?.kind {
            true
        } else {
            false
        }
    }

    /// The columns that a stream's topic is keyed by, checked; nil when it does not say.
    func topicKey(of stream: StreamSpec, schema: Schema) -> PlannedSpread? {
        guard !stream.key.isEmpty else { return nil }
        if needed == nil {
            let declared = PlannedRows(
                schema: schema, endpoints: [], poisoned: stream.unreadableFields)
            _ = keyColumns(
                stream.key, of: declared, what: "the key of stream \"\(stream.name.value)\"")
        }
        return .topic(stream.key.map(\.value))
    }

    /// The repartition topic in front of a keyed step, when rows of one key are not in one share.
    func repartition(
        of step: StepSpec, id: String, ordinal: Int, rows: PlannedRows, by: [String]
    ) -> Int? {
        guard let shares = spec.job.shares, shares.value > 1, let reason = reason(rows, by: by)
        else { return nil }
        if step.formerId != nil {
            diagnostics.report(
                .notShared, "the step \"\(id)\" has a repartition topic, which cannot be renamed",
                at: step.id?.position ?? step.verb.position,
                notes: ["rows under way are in \(topic(of: step.formerId ?? id))"],
                fix: "keep the step's id, or start it afresh without was")
        }
        let connection = rows.endpoints.lazy.compactMap { self.source(of: $0.from) }.first
        repartitions.append(
            PlannedRepartition(
                ordinal: repartitions.count, step: ordinal, id: id, connection: connection ?? "",
                topic: topic(of: id), reason: reason))
        return repartitions.count - 1
    }

    private func topic(of id: String) -> String { "millrace.\(settings.name).\(id).repartition" }

    /// Why rows of one key are not known to be in one share; nil when they are.
    private func reason(_ rows: PlannedRows, by: [String]) -> String? {
        if let spread = rows.spread {
            if spread.keepsTogether(by) { return nil }
            let apart = spread.columns.filter { !by.contains($0) }
            return "the rows are spread by \(spread.columns.joined(separator: ", ")), and "
                + "\(apart.joined(separator: ", ")) \(apart.count == 1 ? "is" : "are") not in the key"
        }
        let known = rows.endpoints.compactMap(\.spread)
        if known.count == rows.endpoints.count, known.count > 1 {
            return "its inputs are spread in different ways"
        }
        return known.isEmpty
            ? "it is not known by what the rows are spread"
            : "of some of its inputs it is not known by what they are spread"
    }

    /// The connection of a source that `node` gets rows from.
    private func source(of node: PlannedEdge.Node) -> String? {
        switch node {
        case .source(let index):
            if case .topic(let connection, _) = sources[index].location { return connection }
            return nil
        case .step(let index):
            return steps[index].inputs.lazy.compactMap { self.source(of: $0.from) }.first
        }
    }
}

extension PlannedSource {
    func isOn(_ name: String) -> Bool {
        if case .topic(name, _) = location { true } else { false }
    }
}

extension PipelineSpec {
    /// Where the pipeline writes, side outputs of its steps included.
    var allTargets: [TargetSpec] {
        targets
            + steps.flatMap { step -> [TargetSpec] in
                switch step.action {
                case .route(let routes): routes.compactMap(\.target)
                case .latest(_, let stale): stale.map { [$0] } ?? []
                case .aggregate(let body): body.late.map { [$0] } ?? []
                case .top(let body): body.late.map { [$0] } ?? []
                default: []
                }
            }
    }
}
