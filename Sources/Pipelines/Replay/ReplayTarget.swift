import StreamRuntime

extension JobPlan {
    /// The plan with the rows of its one wanted pipeline going to `target` and everything else into
    /// `place`; the id of the sink that writes to `target`.
    func replaying(
        _ pipeline: String?, into target: ReplaySpec.Target, place: ScratchPlace
    ) throws(JobFailure) -> (plan: JobPlan, sink: String?) {
        if case .shadow = target {
            return (redirected(to: place, partitions: livePartitions), nil)
        }
        guard let pipeline, let planned = pipelines.first(where: { $0.name == pipeline }) else {
            throw JobFailure(
                .environment, "results of several pipelines cannot go to one place", at: "--into",
                remedy: "name the pipeline with --pipeline, or replay --into shadow")
        }
        let inputs = planned.outputs.map {
            PlannedEdge(from: $0.from, port: $0.port, exchange: .gather, isLocal: false)
        }
        let own = sinks.firstIndex { sink in
            if case .topic = sink.target {
                sink.inputs.count == inputs.count
                    && zip(sink.inputs, inputs).allSatisfy {
                        $0.from == $1.from && $0.port == $1.port
                    }
            } else {
                false
            }
        }
        var keys: [Int] = []
        var partitions: Int?
        if let own, case .topic(_, _, let there, let count) = sinks[own].target {
            keys = there
            partitions = livePartitions(of: sinks[own]) ?? count
        }
        let wanted: PlannedSink.Target
        var id: String
        switch target {
        case .shadow: preconditionFailure("a shadow was answered above")
        case .topic(let connection, let name):
            try refuseLive(name, on: connection)
            id = "topic:\(connection)/\(name)"
            wanted = .topic(
                connection: connection, topic: name, keys: keys, partitions: partitions)
        case .files(let directory):
            id = "files:\(directory)"
            wanted = .files(path: directory, format: .json)
        }
        let delivery: PlannedSink.Delivery = deliversOnce(wanted) ? .exactlyOnce : .atLeastOnce
        var plan = redirected(
            to: place, sparing: own.map { [sinks[$0].id] } ?? [], partitions: livePartitions)
        if let own {
            id = sinks[own].id
            plan.sinks[own].target = wanted
            plan.sinks[own].delivery = delivery
        } else {
            plan.sinks.append(
                PlannedSink(
                    ordinal: sinks.count, id: id, target: wanted, delivery: delivery,
                    inputs: inputs, schema: planned.schema, onError: .fail))
        }
        return (plan, id)
    }

    private func deliversOnce(_ target: PlannedSink.Target) -> Bool {
        if case .topic(let name, _, _, _) = target, case .kafka? = connection(name)?.kind {
            return false
        }
        return true
    }

    /// Results of a replay do not go where the live job reads or writes.
    private func refuseLive(_ topic: String, on connection: String) throws(JobFailure) {
        let isWritten = sinks.contains {
            if case .topic(connection, topic, _, _) = $0.target { true } else { false }
        }
        let isRead = sources.contains {
            if case .topic(connection, topic) = $0.location { true } else { false }
        }
        guard isWritten || isRead else { return }
        throw JobFailure(
            .environment,
            "topic \(topic) is one the live job \(isWritten ? "writes" : "reads"); a replay would mix "
                + "old and new rows in it", at: "--into topic:\(topic)",
            remedy: "give the replay a topic of its own, or replay --into shadow and promote")
    }

    /// What `--into` says.
    func replayTarget(_ text: String, pipeline: String?) throws(JobFailure) -> ReplaySpec.Target {
        if text == "shadow" { return .shadow }
        if text.hasPrefix("files:"), text.utf8.count > 6 {
            return .files(directory: String(text.dropFirst(6)))
        }
        guard text.hasPrefix("topic:"), text.utf8.count > 6 else {
            throw JobFailure(
                .environment, "\"\(text)\" is no place for results", at: "--into",
                remedy: "write shadow, topic:NAME, topic:CONNECTION/NAME or files:DIRECTORY")
        }
        let words = text.dropFirst(6).split(separator: "/", maxSplits: 1).map(String.init)
        if let problem = TopicName.problem(words.last!) {
            throw JobFailure(
                .environment, problem, at: "--into", remedy: "give the topic another name")
        }
        let usable = connections.filter {
            $0.holdsTopics
        }.map(\.name)
        if words.count == 2 {
            guard usable.contains(words[0]) else {
                throw JobFailure(
                    .environment, "there is no connection \"\(words[0])\" with topics",
                    at: "--into", remedy: "use one of: \(usable.joined(separator: ", "))")
            }
            return .topic(connection: words[0], name: words[1])
        }
        let written = sinks.compactMap { sink -> String? in
            if case .topic(let connection, _, _, _) = sink.target { connection } else { nil }
        }
        let candidates = Set(written).isEmpty ? Set(usable) : Set(written)
        guard candidates.count == 1, let only = candidates.first else {
            throw JobFailure(
                .environment, "the file has several connections with topics", at: "--into",
                remedy: "write topic:CONNECTION/\(words[0]) with one of: "
                    + usable.joined(separator: ", "))
        }
        return .topic(connection: only, name: words[0])
    }
}
