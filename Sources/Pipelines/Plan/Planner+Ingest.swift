import StreamRuntime

extension Planner {
    /// How requests bring records of `stream`; tells of what does not fit.
    func ingest(of stream: StreamSpec, on location: PlannedSource.Location?) -> PlannedIngest? {
        guard var ingest = stream.ingest, let position = stream.ingestPosition else { return nil }
        guard case .topic = stream.origin else {
            diagnostics.report(
                .conflictingKeys,
                "the stream \"\(stream.name.value)\" takes requests and reads files or polls",
                at: position,
                fix: "read a topic, which requests are appended to: from: {topic: NAME}")
            return nil
        }
        let promised = stream.key
        if ingest.key == nil, promised.count == 1, [.json, .debezium].contains(stream.format.kind),
            let field = stream.fields.first(where: { $0.name.value == promised[0].value }),
            field.from == .value
        {
            ingest.key = .path(field.path)
        }
        if ingest.key == nil, !promised.isEmpty {
            diagnostics.report(
                .conflictingKeys,
                "the topic's records are keyed by \(promised.map(\.value).joined(separator: ", ")), "
                    + "and requests bring records without a key", at: position,
                fix: "say where the key is: ingest: {key: PATH}")
        }
        if case .csv = stream.format.kind, ingest.split == .none {
            diagnostics.report(
                .conflictingKeys, "a body of CSV has a record in each row", at: position,
                fix: "add split: lines")
        }
        return ingest
    }

    /// Where the records of a polled stream are kept, and what it is polled for.
    func pollPlace(
        _ poll: PlannedPoll, _ stream: StreamSpec, topic: Located<String>?, at position: Position
    ) -> (location: PlannedSource.Location?, poll: PlannedPoll) {
        if let name = poll.connection,
            let found = declared(Located(value: name, position: position))
        {
            if case .http = found.kind {
            } else {
                diagnostics.report(
                    .wrongConnection, "the connection \"\(name)\" is no HTTP service",
                    at: position, fix: "name a connection of kind http")
            }
        }
        guard let topic else {
            return (
                .topic(connection: ArrivalPlace.connection, topic: stream.name.value), poll
            )
        }
        let found = topicConnection(
            stream.connection, near: [], at: topic.position, topic: topic.value)
        return (found.map { .topic(connection: $0, topic: topic.value) }, poll)
    }

    /// The watched directory of a stream of files, which are then read from a topic.
    func watchedPlace(
        _ watch: PlannedWatch, _ stream: StreamSpec, path: String
    ) -> (location: PlannedSource.Location, watch: PlannedWatch) {
        if stream.format.isAvro {
            diagnostics.report(
                .wrongFormat, "Avro files are not read from a watched directory",
                at: stream.formatPosition, fix: "write another format, or leave watch out")
        }
        var resolved = watch
        resolved.path = path
        return (
            .topic(connection: ArrivalPlace.connection, topic: stream.name.value), resolved
        )
    }

    /// Tells of topics that would have two writers: a topic of the embedded log has one.
    func checkArrivals() {
        var writers: [String: String] = [:]
        for sink in sinks {
            if case .topic(let connection, let topic, _, _) = sink.target, !isKafka(connection) {
                writers["\(connection)/\(topic)"] = "an output of the job"
            }
        }
        for source in sources where source.arrives {
            guard case .topic(let connection, let topic) = source.location, !isKafka(connection),
                let stream = spec.streams.first(where: { $0.name.value == source.name })
            else { continue }
            if let other = writers.updateValue(
                "the stream \"\(source.name)\"", forKey: "\(connection)/\(topic)")
            {
                diagnostics.report(
                    .conflictingTopic,
                    "what arrives for \"\(source.name)\" is written to the topic \"\(topic)\", and so is "
                        + other, at: stream.ingestPosition ?? stream.name.position,
                    fix: "give one of them a topic of its own, and read both")
            }
        }
    }
}

extension PlannedSource {
    /// Whether the job itself writes the topic that the stream is read from.
    var arrives: Bool { ingest != nil || watch != nil || poll != nil }
}
