import Connectors
import StreamRuntime

/// What a bounded run of many pipelines brought forth, on a page or two: topics by what they are about, what was
/// turned away, what services were called for, and a few features.
struct ResultOverview {
    private let runner: JobRunner
    private let summary: JobRunner.Summary
    private let plan: JobPlan
    /// Outputs from which on a job is told by its overview.
    static let outputsMin = 13
    /// Feature views that are asked.
    private static let viewsShown = 4
    /// Steps named for each way of turning rows away.
    private static let stepsNamed = 4

    /// An overview of a run that has ended; its server, if any, is still up.
    init(runner: JobRunner, summary: JobRunner.Summary) {
        self.runner = runner
        self.summary = summary
        plan = runner.plan
    }

    /// The whole overview.
    func text() throws(JobFailure) -> String {
        var text = try inputs() + outputs() + turnedAway() + calls()
        if let port = runner.servedPort {
            text += try ResultReport(runner: runner, summary: summary)
                .lookups(port: port, most: ResultOverview.viewsShown)
        }
        return text + "\nmillrace topics consume TOPIC --count 5 shows records of a topic.\n"
    }

    private func heading(_ title: String) -> String { "\n\(title)\n\n" }

    private func figure(_ id: String, _ figure: StepCounters.Figure) -> Int64 {
        summary.figures[id]?[figure] ?? 0
    }

    // MARK: records

    /// What names with a dot are about: what stands before it, and the rest.
    private static func parts(_ name: String) -> (about: String, rest: String) {
        guard let dot = name.firstIndex(of: ".") else { return (name, "") }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }

    /// A line for each subject: how many records, and in which of its topics.
    private func table(_ counts: [(name: String, records: Int64)], _ column: String) -> String {
        var subjects: [String: [(rest: String, records: Int64)]] = [:]
        for (name, records) in counts where records > 0 {
            let (about, rest) = ResultOverview.parts(name)
            subjects[about, default: []].append((rest, records))
        }
        var table = TextTable(["about", "records", column], widthMax: 100)
        for (about, topics) in subjects.sorted(by: { $0.key < $1.key }) {
            let names = topics.sorted { ($1.records, $0.rest) < ($0.records, $1.rest) }
                .map { ($0.rest.isEmpty ? about : $0.rest) + " " + Grouped.text($0.records) }
            table.append([
                about, Grouped.text(topics.reduce(0) { $0 + $1.records }),
                names.joined(separator: ", "),
            ])
        }
        return table.rendered(indent: 2)
    }

    private func inputs() -> String {
        // Streams of one topic read its records once each.
        var counts: [String: Int64] = [:]
        for source in plan.sources {
            let name: String
            switch source.location {
            case .topic(_, let topic): name = topic
            case .files: name = "files." + source.name
            }
            counts[name] = max(counts[name] ?? 0, figure(source.name, .rowsIn))
        }
        let silent = counts.count { $0.value == 0 }
        let title =
            "What came in: \(Grouped.text(counts.values.reduce(0, +))) records"
            + (silent == 0 ? "" : "; \(silent) topics had none")
        return heading(title) + table(counts.map { ($0.key, $0.value) }, "by topic")
    }

    private func outputs() throws(JobFailure) -> String {
        var counts: [String: Int64] = [:]
        for sink in plan.sinks {
            guard case .topic(let name, let topic, _, _) = sink.target else { continue }
            if case .embedded(let root) = plan.connection(name)?.kind {
                counts[topic] = try EmbeddedLog(root: root).extents(topic)
                    .reduce(0) { $0 + $1.records }
            } else {
                counts[topic, default: 0] += figure(sink.id, .rowsIn)
            }
        }
        let bad = counts.filter { ResultOverview.isForRefused($0.key) }
        let good = counts.filter { !ResultOverview.isForRefused($0.key) }
        let views = plan.sinks.count { if case .features = $0.target { true } else { false } }
        var text =
            heading(
                "What came out: \(Grouped.text(good.values.reduce(0, +))) records, and "
                    + "\(views) feature views")
            + table(good.map { ($0.key, $0.value) }, "by topic")
        if bad.values.contains(where: { $0 > 0 }) {
            text +=
                heading("What nobody could use: kept in topics with the reason")
                + table(bad.map { ($0.key, $0.value) }, "by topic")
        }
        return text
    }

    /// By their names: dead letters have no other mark.
    private static func isForRefused(_ topic: String) -> Bool {
        ["rejected", "errors", "unmapped", "failed"].contains { topic.hasSuffix(".\($0)") }
    }

    // MARK: rows

    private func turnedAway() -> String {
        let ways: [(figure: StepCounters.Figure, name: String)] = [
            (.duplicates, "came twice"), (.stale, "older than what is known"),
            (.late, "too late for its window"),
        ]
        var table = TextTable(["rows", "why", "where"], widthMax: 100)
        for way in ways {
            let steps = plan.steps.map { ($0.id, figure($0.id, way.figure)) }.filter { $0.1 > 0 }
                .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
            guard !steps.isEmpty else { continue }
            let named = steps.prefix(ResultOverview.stepsNamed)
                .map { "\($0.0) \(Grouped.text($0.1))" }.joined(separator: ", ")
            let more = steps.count - ResultOverview.stepsNamed
            table.append([
                Grouped.text(steps.reduce(0) { $0 + $1.1 }), way.name,
                named + (more > 0 ? " and \(more) more" : ""),
            ])
        }
        return heading("What the steps left out") + table.rendered(indent: 2)
    }

    /// What became of the messages of each call, by its results.
    private func calls() throws(JobFailure) -> String {
        var text = ""
        for sink in plan.sinks {
            guard case .call(let call) = sink.target, let topic = call.results,
                case .embedded(let root) = plan.connection(topic.connection)?.kind
            else { continue }
            let log = EmbeddedLog(root: root)
            guard log.hasTopic(topic.topic) else { continue }
            var statuses: [String: Int64] = [:]
            var tries: Int64 = 0
            let source = try log.source(topic.topic, bounded: true)
            for partition in try source.partitions() {
                let reader = try source.reader(partition: partition)
                while case .records(let batch) = try reader.read(
                    maxRecords: 4096, maxBytes: 1 << 20)
                {
                    for row in 0..<batch.count where batch.values.isValid(row) {
                        let value = JSONValue(Array(batch.values.bytes(row)))
                        statuses[value?["status"]?.scalarText ?? "?", default: 0] += 1
                        if let text = value?["attempts"]?.scalarText, let count = Int64(text),
                            count > 1
                        {
                            tries += 1
                        }
                    }
                }
            }
            let counts = statuses.sorted { $0.key < $1.key }
                .map { "\(Grouped.text($0.value)) \($0.key)" }
            text +=
                heading(
                    "What \(call.settings.provider.name) said of the messages of \(call.settings.name)"
                )
                + "  " + (counts.isEmpty ? "nothing yet" : counts.joined(separator: ", "))
                + (tries == 0 ? "" : "; \(Grouped.text(tries)) after more than one request") + "\n"
        }
        return text
    }
}
