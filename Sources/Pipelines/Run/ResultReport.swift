import Connectors
import FeatureServe
import StreamRuntime

/// What a bounded run brought forth, as tables a person can read.
struct ResultReport {
    private let runner: JobRunner
    private let summary: JobRunner.Summary
    private let plan: JobPlan
    /// Rows shown of each topic.
    private static let rowsShown = 5

    /// A report of a run that has ended; its server, if any, is still up.
    init(runner: JobRunner, summary: JobRunner.Summary) {
        self.runner = runner
        self.summary = summary
        plan = runner.plan
    }

    /// The whole report.
    func text() throws(JobFailure) -> String {
        var text = heading("What was read") + inputs() + heading("What the steps did") + steps()
        for sink in plan.sinks {
            guard let (topic, root) = embeddedTopic(of: sink) else { continue }
            text += try output(sink, topic: topic, root: root)
        }
        if let port = runner.servedPort { text += try lookups(port: port) }
        return text
    }

    private func heading(_ title: String) -> String { "\n\(title)\n\n" }

    // MARK: counts

    private func inputs() -> String {
        var table = TextTable(["stream", "records", "rejected"])
        for source in plan.sources {
            table.append([
                source.name, Grouped.text(figure(source.name, .rowsIn)),
                Grouped.text(figure(source.name, .rejected)),
            ])
        }
        return table.rendered(indent: 2)
    }

    private func steps() -> String {
        var table = TextTable([
            "step", "verb", "in", "out", "duplicates", "stale", "late", "rejected", "rows/batch",
            "busy ms",
        ])
        let figures: [StepCounters.Figure] = [
            .rowsIn, .rowsOut, .duplicates, .stale, .late, .rejected,
        ]
        func text(_ value: Int64) -> String { value == 0 ? "" : Grouped.text(value) }
        func line(_ id: String, _ verb: String) -> [String] {
            let batches = figure(id, .batchesIn)
            return [id, verb] + figures.map { text(figure(id, $0)) }
                + [
                    text(batches == 0 ? 0 : figure(id, .rowsIn) / batches),
                    text(figure(id, .busyNanos) / 1_000_000),
                ]
        }
        // What runs within another step counts as that one's time.
        for source in plan.sources { table.append(line(source.name, "stream")) }
        for step in plan.steps { table.append(line(step.id, step.verb)) }
        for sink in plan.sinks { table.append(line(sink.id, "output")) }
        return table.rendered(indent: 2) + hotKeys()
    }

    /// A line for each step of which few keys have much of the rows.
    private func hotKeys() -> String {
        plan.steps.compactMap { step in
            let keys =
                (summary.hotKeys[step.id] ?? []) + (summary.hotKeys["\(step.id).local"] ?? [])
            if keys.isEmpty { return nil }
            let names = keys.prefix(4).map { "\($0.text) (\(Int($0.share * 100)) %)" }
            return "  hot keys of \(step.id): \(names.joined(separator: ", "))\n"
        }.joined()
    }

    private func figure(_ id: String, _ figure: StepCounters.Figure) -> Int64 {
        summary.figures[id]?[figure] ?? 0
    }

    // MARK: topics

    /// The embedded topic a sink writes, and the directory of its log.
    private func embeddedTopic(of sink: PlannedSink) -> (topic: String, root: String)? {
        guard case .topic(let name, let topic, _, _) = sink.target,
            case .embedded(let root) = plan.connection(name)?.kind
        else { return nil }
        return (topic, root)
    }

    private func output(
        _ sink: PlannedSink, topic: String, root: String
    ) throws(JobFailure) -> String {
        let log = EmbeddedLog(root: root)
        let records = try log.extents(topic).reduce(0) { $0 + $1.records }
        let refused = figure(sink.id, .rejected)
        let title =
            "Topic \(topic): \(Grouped.text(records)) records"
            + (refused == 0 ? "" : ", \(Grouped.text(refused)) rows rejected")
        guard let sample = try sample(sink.schema, topic: topic, log: log), sample.count > 0 else {
            return heading(title)
        }
        var table = TextTable(sink.schema.fields.map(\.name), widthMax: 26)
        for row in 0..<min(sample.count, ResultReport.rowsShown) {
            table.append(sample.columns.map { cell($0, row) })
        }
        return heading(title) + table.rendered(indent: 2)
    }

    /// A value as a person reads it: bytes that are text as text.
    private func cell(_ column: Column, _ row: Int) -> String {
        guard column.type == .bytes, column.isValid(row),
            let text = String(validating: column.bytes(row), as: UTF8.self)
        else { return column.valueText(row) }
        return text
    }

    /// The first records of a topic, decoded as the rows that were written.
    private func sample(
        _ schema: Schema, topic: String, log: EmbeddedLog
    ) throws(JobFailure) -> DecodedRows? {
        let source = try log.source(topic, bounded: true)
        let decoder = JSONRecordDecoder(
            fields: schema.fields.map { RecordField($0.name, $0.type, unit: .automatic) })
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            guard
                case .records(let batch) = try reader.read(
                    maxRecords: ResultReport.rowsShown, maxBytes: 1 << 20)
            else { continue }
            let rows = DecodedRows(schema: schema, capacity: batch.count)
            var rejected = RejectedRows()
            decoder.decode(batch, into: rows, rejects: &rejected)
            return rows
        }
        return nil
    }

    // MARK: lookups

    /// Lookups in the first views that a key is known of, at most `most`.
    func lookups(port: Int, most: Int = .max) throws(JobFailure) -> String {
        // Behind keys or TLS the server would not answer us; its store does.
        let store = plan.settings.serving.isGuarded ? runner.online : nil
        var text = heading(
            store == nil
                ? "Features, asked of http://\(plan.settings.serveHost):\(port)/get-online-features"
                : "Features, asked of the online store")
        let catalog = try OnlineStores.catalog(plan)
        var asked = 0
        for (index, view) in plan.featureViews.enumerated() where asked < most {
            guard let key = try entityKey(of: view, at: index) else { continue }
            asked += 1
            let lookup: Lookup
            if let store {
                lookup = try Lookup.inStore(store, view: view.name, keys: key)
            } else {
                lookup = try Lookup.onServer(
                    host: plan.settings.serveHost, port: port, catalog: catalog, view: view.name,
                    keys: key)
            }
            text += lookup.table + "\n"
        }
        return text
    }

    /// The key of an entity that has features in `view`: one that the view's pipeline wrote to a topic.
    private func entityKey(of view: PlannedFeatureView, at index: Int) throws(JobFailure)
        -> [String]?
    {
        guard
            let features = plan.sinks.first(where: {
                if case .features(let at) = $0.target { at == index } else { false }
            }),
            let topicSink = plan.sinks.first(where: { sink in
                if case .topic = sink.target {
                    sink.inputs.contains { input in
                        features.inputs.contains { $0.from == input.from && $0.port == input.port }
                    }
                } else {
                    false
                }
            }),
            let (topic, root) = embeddedTopic(of: topicSink),
            let rows = try sample(topicSink.schema, topic: topic, log: EmbeddedLog(root: root)),
            rows.count > 0
        else { return nil }
        return view.keyColumns.map { rows.columns[$0].valueText(rows.count - 1) }
    }
}
