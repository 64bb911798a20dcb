import StreamRuntime

/// `millrace archive`: copies a topic's records, under their own offsets, into a directory of embedded
/// topics.
public struct ArchiveCommand {
    /// What was copied of a partition.
    struct Part: Equatable {
        let partition: Int32
        let from: Int64
        let to: Int64
        let records: Int64
        let gaps: [RangeAccount.Gap]
    }

    private let path: String
    private let topic: String
    private let connection: String?
    private let target: String
    private let json: Bool

    /// Records copied between two commits of the archive.
    private static let commitRecords: Int64 = 200_000

    /// An archive of `topic`, which is on `connection` of the file at `path` (or the only one that has
    /// it), in the directory `target`.
    public init(
        path: String, topic: String, connection: String?, target: String, json: Bool = false
    ) {
        self.path = path
        self.topic = topic
        self.connection = connection
        self.target = target
        self.json = json
    }

    /// Copies what is not archived yet, and tells what that was.
    public func run() -> CommandOutput {
        StopSignal.install()
        do throws(JobFailure) {
            let parts = try copy { StopSignal.isRaised }
            return CommandOutput(text: text(parts), exitCode: 0)
        } catch {
            let isFile = error.place == ReplaySession.fileMark
            return CommandOutput(
                text: isFile ? error.problem : json ? error.json + "\n" : "error: \(error)\n",
                exitCode: isFile ? 2 : error.exitCode)
        }
    }

    func copy(isStopping: () -> Bool = { false }) throws(JobFailure) -> [Part] {
        let plan = try ReplaySession.plan(path, only: [])
        let place = try place(plan)
        if case .embedded(let root) = place.kind, ArchiveCommand.isSame(root, target) {
            throw JobFailure(
                .environment, "the archive would be the topic itself", at: target,
                remedy: "give another directory with --to")
        }
        guard let source = try ReplaySources.topic(topic, on: place) as? any LogLookup else {
            preconditionFailure("every topic tells its extent")
        }
        return try ArchiveCommand.copy(
            source, topic: topic, to: EmbeddedLog(root: target), isStopping: isStopping)
    }

    /// Copies what `source` has beyond the end of the archived topic.
    static func copy(
        _ source: any LogLookup, topic: String, to log: EmbeddedLog, isStopping: () -> Bool
    ) throws(JobFailure) -> [Part] {
        let partitions = try source.partitions()
        try log.ensureTopic(topic, TopicSettings(partitions: max(partitions.count, 1)))
        let archived = try log.extents(topic)
        guard archived.count == partitions.count else {
            throw JobFailure(
                .environment,
                "topic \(topic) has \(partitions.count) partitions now, the archive has "
                    + "\(archived.count)", at: log.root,
                remedy: "archive it anew in another directory")
        }
        let writer = try log.writer(topic)
        defer { writer.close() }
        try writer.recover(token: nil)
        let account = RangeAccount()
        var parts: [Part] = []
        for partition in partitions {
            let extent = try source.extent(partition: partition)
            let kept = archived[Int(partition)]
            let from = kept.records > 0 ? kept.end : extent.oldest
            guard extent.end >= from else {
                throw JobFailure(
                    .source,
                    "\(topic)/\(partition) ends at \(extent.end), its archive at \(from): it is not "
                        + "the topic that was archived", at: log.root,
                    remedy: "archive it anew in another directory")
            }
            let before = account.records
            let range = OffsetRange(from: from, to: extent.end)
            let reader = try RangedSource(
                source, name: topic, ranges: [partition: range], rules: .init(finish: .end),
                account: account
            ).reader(partition: partition)
            var committed = account.records
            while !isStopping(), let batch = try reader.nextBatch() {
                try writer.appendKeepingOffsets(batch)
                guard account.records - committed >= commitRecords else { continue }
                try writer.commit()
                committed = account.records
            }
            try writer.commit()
            parts.append(
                Part(
                    partition: partition, from: from, to: reader.position,
                    records: account.records - before,
                    gaps: account.entries["\(topic)/\(partition)"]?.gaps ?? []))
        }
        return parts
    }

    /// The connection the topic is on.
    private func place(_ plan: JobPlan) throws(JobFailure) -> PlannedConnection {
        let usable = plan.connections.filter {
            $0.holdsTopics
        }
        if let connection {
            if let found = usable.first(where: { $0.name == connection }) { return found }
            throw JobFailure(
                .environment, "there is no connection \"\(connection)\" with topics", at: path,
                remedy: "use one of: \(usable.map(\.name).joined(separator: ", "))")
        }
        var names: Set<String> = []
        for source in plan.sources {
            if case .topic(let name, topic) = source.location { names.insert(name) }
        }
        for sink in plan.sinks {
            if case .topic(let name, topic, _, _) = sink.target { names.insert(name) }
        }
        let found = usable.filter { names.isEmpty || names.contains($0.name) }
        guard found.count == 1 else {
            throw JobFailure(
                .environment,
                found.isEmpty
                    ? "the file has no connection with topics"
                    : "topic \(topic) may be on several connections", at: path,
                remedy: "name one with --connection: "
                    + usable.map(\.name).joined(separator: ", "))
        }
        return found[0]
    }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        func plain(_ path: String) -> String {
            let parts = path.split(separator: "/").filter { $0 != "." }
            return parts.joined(separator: "/")
        }
        return plain(left) == plain(right)
    }

    private func text(_ parts: [Part]) -> String {
        if json {
            return JSONText.object([
                ("topic", .string(topic)), ("archive", .string(target)),
                (
                    "partitions",
                    .array(
                        parts.map { part in
                            .object([
                                ("partition", .integer(Int(part.partition))),
                                ("from", .integer(Int(part.from))),
                                ("to", .integer(Int(part.to))),
                                ("records", .integer(Int(part.records))),
                                (
                                    "missing",
                                    .array(
                                        part.gaps.map {
                                            .object([
                                                ("from", .integer(Int($0.from))),
                                                ("to", .integer(Int($0.to))),
                                                ("reason", .string($0.reason.rawValue)),
                                            ])
                                        })
                                ),
                            ])
                        })
                ),
            ]).text
        }
        var table = TextTable(["partition", "from", "to", "records", "missing"])
        for part in parts {
            let missing = part.gaps.reduce(0) { $0 + $1.to - $1.from }
            table.append([
                "\(topic)/\(part.partition)", "\(part.from)", "\(part.to)",
                Grouped.text(part.records), Grouped.text(missing),
            ])
        }
        var text = table.rendered()
        for part in parts {
            for gap in part.gaps where gap.reason == .retention {
                text +=
                    "missing: \(topic)/\(part.partition) offsets \(gap.from) to \(gap.to - 1): "
                    + "deleted before they were archived\n"
            }
        }
        return text
    }
}
