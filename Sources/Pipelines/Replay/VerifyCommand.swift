import StreamRuntime

/// `millrace verify`: compares what a shadow replay made with what the live job made.
public struct VerifyCommand {
    private let path: String
    private let id: String
    private let staysAsIs: Bool
    private let hasEnded: Bool

    /// A comparison of replay `id` of the file at `path`.
    ///
    /// - Parameter staysAsIs: whether the replay is compared as it is, instead of being carried on to the
    ///   live job's last checkpoint first.
    /// - Parameter hasEnded: whether the live job was run to the end of its input and gave out what was
    ///   still open: then so does a copy of the shadow.
    public init(path: String, id: String, staysAsIs: Bool = false, hasEnded: Bool = false) {
        self.hasEnded = hasEnded
        self.path = path
        self.id = id
        self.staysAsIs = staysAsIs
    }

    /// One output's comparison.
    struct Part {
        let name: String
        let live: Int
        let shadow: Int
        let comparison: RowComparison
        let first: String?
    }

    /// Compares; exit code 0 when nothing is changed, missing or extra.
    public func run(isStopping: () -> Bool = { false }) -> CommandOutput {
        do throws(JobFailure) {
            var session = try ReplaySession.opened(path: path, id: id)
            guard session.spec.target == .shadow else {
                throw JobFailure(
                    .environment, "replay \"\(id)\" has no shadow to compare", at: id,
                    remedy: "only replays --into shadow can be verified")
            }
            let parts = try compare(&session, isStopping: isStopping)
            return CommandOutput(
                text: text(parts), exitCode: parts.allSatisfy(\.comparison.isEqual) ? 0 : 1)
        } catch {
            let isFile = error.place == ReplaySession.fileMark
            return CommandOutput(
                text: isFile ? error.problem : "error: \(error)\n",
                exitCode: isFile ? 2 : error.exitCode)
        }
    }

    func compare(
        _ session: inout ReplaySession, isStopping: () -> Bool
    ) throws(JobFailure) -> [Part] {
        guard session.spec.stage != .promoted else {
            throw JobFailure(
                .environment, "replay \"\(id)\" was promoted: it is the live job now", at: id,
                remedy: "start a new replay to compare with")
        }
        guard session.isFinished else {
            throw JobFailure(
                .environment, "replay \"\(id)\" is not finished", at: id,
                remedy: "give its command again and let it come to the end")
        }
        guard let manifest = try LiveJob.newest(session.live) else {
            throw JobFailure(
                .environment, "the live job has no checkpoint to compare with",
                at: session.live.settings.stateDirectory, remedy: "run it first")
        }
        // A live job of all pipelines reads more than a replay of some.
        let live = BoundedRun.offsets(manifest.positions).filter { address in
            session.live.sources.contains { address.key.hasPrefix($0.name + "/") }
        }
        var reached = try session.positions()
        let isBehind = reached.allSatisfy { $0.value <= live[$0.key] ?? 0 }
        if session.spec.to == "now", !staysAsIs, isBehind {
            try session.carry(to: live, .init(), isStopping: isStopping)
            reached = live
        }
        var allowance = RowComparison.Allowance()
        // A running job goes on while we look.
        allowance.liveIsAhead =
            LiveJob.isRunning(session.live) || live.contains { $0.value > reached[$0.key] ?? 0 }
        allowance.shadowIsAhead = reached.contains { $0.value > live[$0.key] ?? 0 }
        allowance.beginsLater = session.spec.ranges.values.contains { $0.from > 0 }
        guard hasEnded else { return try all(session, session.directory.place, allowance) }
        let copy = try session.closed()
        defer { try? ReplayFiles.remove(copy.directory) }
        return try all(session, copy, allowance)
    }

    private func all(
        _ session: ReplaySession, _ place: ScratchPlace, _ allowance: RowComparison.Allowance
    ) throws(JobFailure) -> [Part] {
        var parts: [Part] = []
        for (index, output) in session.live.outputs(in: place) {
            switch (session.live.sinks[index].target, output.kind) {
            case (.topic(let name, let topic, _, _), .topic(let shadow)):
                let connection = session.live.connection(name)!
                let live = try ReplaySources.present(topic, on: connection)
                let other = try EmbeddedLog(root: place.topics).source(shadow, bounded: true)
                parts.append(
                    try compareTopic(
                        output.name, live, other, isKafka: connection.isKafka, allowance))
            case (.files(let path, let format), .files(let shadow, _)):
                parts.append(
                    compareLines(
                        output.name, Array(FileLines(directory: path, format: format)),
                        Array(FileLines(directory: shadow, format: format)), allowance))
            default: preconditionFailure("a topic stays a topic")
            }
        }
        if !session.live.featureViews.isEmpty { parts += try features(session, place, allowance) }
        return parts
    }

    private func compareTopic(
        _ name: String, _ live: (any RecordSource)?, _ shadow: any RecordSource,
        isKafka: Bool, _ allowance: RowComparison.Allowance
    ) throws(JobFailure) -> Part {
        let lives =
            try live.map { (live) throws(JobFailure) in
                try RowMark.all(of: live, isKafka: isKafka)
            } ?? []
        let shadows = try RowMark.all(of: shadow, isKafka: isKafka)
        let comparison = RowComparison(live: lives, shadow: shadows, allowing: allowance)
        var first: String?
        if let found = comparison.first {
            let one = try found.live.flatMap { (mark) throws(JobFailure) in
                try live.flatMap { (live) throws(JobFailure) in try fetch(mark, live) }
            }
            let other = try found.shadow.flatMap { (mark) throws(JobFailure) in
                try fetch(mark, shadow)
            }
            let record = one ?? other
            let mark = found.live ?? found.shadow!
            first =
                "\(found.kind.rawValue): \(name), partition \(mark.partition), offset \(mark.offset), "
                + "key \(FirstDifference.text(record?.key)): live "
                + FirstDifference.text(one?.value) + ", shadow "
                + FirstDifference.text(other?.value)
        }
        return Part(
            name: name, live: lives.count, shadow: shadows.count, comparison: comparison,
            first: first)
    }

    private func fetch(
        _ mark: RowMark, _ source: any RecordSource
    ) throws(JobFailure) -> RecordCursor.Record? {
        let reader = try source.reader(partition: mark.partition)
        try reader.seek(to: mark.offset)
        guard let batch = try reader.nextBatch(maxRecords: 1) else { return nil }
        return RecordCursor.record(batch, 0)
    }

    private func compareLines(
        _ name: String, _ live: [[UInt8]], _ shadow: [[UInt8]],
        _ allowance: RowComparison.Allowance
    ) -> Part {
        let comparison = RowComparison(
            live: RowMark.all(of: live), shadow: RowMark.all(of: shadow), allowing: allowance)
        return Part(
            name: name, live: live.count, shadow: shadow.count, comparison: comparison,
            first: comparison.first.map { found in
                let mark = found.live ?? found.shadow!
                let line = (found.live == nil ? shadow : live)[Int(mark.offset)]
                return "\(found.kind.rawValue): \(name), row \(mark.offset): "
                    + FirstDifference.text(line)
            })
    }

    // MARK: features

    private func features(
        _ session: ReplaySession, _ place: ScratchPlace, _ allowance: RowComparison.Allowance
    ) throws(JobFailure) -> [Part] {
        let live = try LiveJob.features(session.live, copy: place.directory + "/live")
        let shadow = try OutputDigest.features(of: session.live, in: place)
        // The live store may hold views of pipelines that were not replayed.
        let views = session.live.featureViews.map(\.name)
        return views.map { view in
            let lives = live.filter { VerifyCommand.view(of: $0) == view }
            let shadows = shadow.filter { VerifyCommand.view(of: $0) == view }
            var ahead = lives
            if allowance.liveIsAhead || allowance.beginsLater {
                ahead = VerifyCommand.comparable(lives, shadows, allowance)
            }
            let comparison = RowComparison(
                live: RowMark.all(ofFeatures: ahead), shadow: RowMark.all(ofFeatures: shadows),
                allowing: .init())
            return Part(
                name: "view \(view)", live: lives.count, shadow: shadows.count,
                comparison: comparison,
                first: comparison.first.map { found in
                    let one = found.live.map { ahead[Int($0.offset)] } ?? "nothing"
                    let other = found.shadow.map { shadows[Int($0.offset)] } ?? "nothing"
                    return "\(found.kind.rawValue): live \(one), shadow \(other)"
                })
        }
    }

    private static func view(of line: String) -> String {
        line.split(separator: " ", maxSplits: 4).dropFirst(2).first.map(String.init) ?? ""
    }

    /// The live rows that the shadow can know: not those of a newer event, and not entities that only
    /// have events outside of the range.
    private static func comparable(
        _ lives: [String], _ shadows: [String], _ allowance: RowComparison.Allowance
    ) -> [String] {
        func about(_ line: String) -> (String, Int64) {
            let words = line.split(separator: " ", maxSplits: 4)
            return (words.prefix(3).joined(separator: " "), Int64(words[3]) ?? 0)
        }
        let times = Dictionary(shadows.map(about)) { max($0, $1) }
        let newest = times.values.max() ?? .min
        return lives.compactMap { line in
            let (key, time) = about(line)
            guard let known = times[key] else {
                return allowance.beginsLater || time > newest ? nil : line
            }
            return time > known && allowance.liveIsAhead
                ? shadows.first { about($0).0 == key } : line
        }
    }

    private func text(_ parts: [Part]) -> String {
        var table = TextTable([
            "output", "live", "shadow", "equal", "changed", "missing", "extra", "not compared",
        ])
        for part in parts {
            let counts = part.comparison
            table.append(
                [part.name]
                    + [
                        part.live, part.shadow, counts.equal, counts.changed, counts.missing,
                        counts.extra, counts.uncompared,
                    ].map { Grouped.text(Int64($0)) })
        }
        var text = table.rendered() + "\n"
        let different = parts.filter { !$0.comparison.isEqual }
        for part in different { text += (part.first ?? part.name) + "\n" }
        return text
            + (different.isEmpty
                ? "equal: the shadow has what the live job has\n"
                : "different: \(different.map(\.name).joined(separator: ", "))\n")
    }
}
