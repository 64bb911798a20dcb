import FeatureServe
import StreamRuntime

/// `millrace audit`.
public enum AuditCommand {
    /// What is compared.
    public struct Options: Sendable {
        /// The pipelines file.
        public var file = "pipelines.yaml"
        /// The views to compare; empty for all.
        public var views: [String] = []
        /// The newest rows of the sample that are compared, at most.
        public var rowsMax = 100_000
        /// Whether the findings are a JSON object.
        public var json = false

        /// The usual options.
        public init() {}
    }

    /// Compares the sample of served values with the feature log.
    ///
    /// - Returns: exit code 1 when a value was given that nothing explains.
    public static func run(_ options: Options) -> CommandOutput {
        let plan: JobPlan
        switch PlanReader.read(path: options.file) {
        case .success(let read): plan = read
        case .failure(let output): return output
        }
        do throws(JobFailure) {
            let catalog = try OnlineStores.catalog(plan)
            for view in options.views where catalog.view(view) == nil {
                throw JobFailure(
                    .request, "there is no feature view \"\(view)\"", at: "--views",
                    remedy: NearestWord.advice(
                        view, among: catalog.views.map(\.name), what: "feature views"))
            }
            guard let logs = FeatureLogs(plan) else {
                throw JobFailure(
                    .request, "the job keeps no versions of its features", at: options.file,
                    remedy: "remove feature_log: none from job, and run it")
            }
            let topic = plan.settings.servedSample?.topic ?? ServedLogWriter.usualTopic
            let rows = try rows(topic, logs, options)
            var audit = ServedAudit(rows, catalog: catalog)
            for view in audit.views where options.views.isEmpty || options.views.contains(view) {
                guard logs.holds(view) else { continue }
                try audit.run(
                    view: view, sources: try logs.sources(view),
                    threads: logs.isEmbedded ? min(JobRunner.cores, 4) : 1)
            }
            return CommandOutput(
                text: options.json
                    ? json(audit, rows: rows.count, plan) : text(audit, rows: rows.count, plan),
                exitCode: audit.wrong == nil ? 0 : 1)
        } catch {
            return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
        }
    }

    /// The newest rows of the sample.
    private static func rows(
        _ topic: String, _ logs: FeatureLogs, _ options: Options
    ) throws(JobFailure) -> [ServedRow] {
        guard let source = try logs.source(topic) else {
            throw JobFailure(
                .request, "no served features were logged", at: "\(topic) in \(logs.place)",
                remedy: "add to job: serve: {log: {sample: 1%}}, and run it")
        }
        let partitions = try source.partitions()
        var all: [ServedRow] = []
        for partition in partitions {
            let reader = try source.reader(partition: partition)
            var rows: [ServedRow] = []
            while let batch = try reader.nextBatch() {
                for row in 0..<batch.count where batch.keys.isValid(row) {
                    let place = "\(reader.name)@\(batch.offsets.int64s[row])"
                    if let read = ServedRow(
                        key: batch.keys.bytes(row), value: batch.values.bytes(row), place: place)
                    {
                        rows.append(read)
                    }
                }
                let most = max(options.rowsMax / partitions.count, 1)
                if rows.count > most * 2 { rows.removeFirst(rows.count - most) }
            }
            all += rows.suffix(max(options.rowsMax / partitions.count, 1))
        }
        return all
    }

    private static func text(_ audit: ServedAudit, rows: Int, _ plan: JobPlan) -> String {
        var lines = [["view"] + ServedAudit.Verdict.allCases.map(\.rawValue)]
        for view in audit.counts.keys.sorted() {
            lines.append(
                [view]
                    + ServedAudit.Verdict.allCases.map {
                        Grouped.text(Int64(audit.counts[view]?[$0] ?? 0))
                    })
        }
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        var text = "\(Grouped.text(Int64(rows))) rows of the sample\n"
        for line in lines {
            var row = ""
            for (cell, width) in zip(line, widths) {
                row += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while row.last == " " { row.removeLast() }
            text += row + "\n"
        }
        if let wrong = audit.wrong {
            text += """
                the first wrong value: \(wrong.view) of \(wrong.keys) at \(moment(wrong.asOfMicros))
                  given     \(wrong.given)  (\(wrong.place))
                  expected  \(wrong.expected)\(source(wrong.version, plan))

                """
        }
        return text
    }

    private static func json(_ audit: ServedAudit, rows: Int, _ plan: JobPlan) -> String {
        let views = audit.counts.keys.sorted().map { view in
            (
                view,
                JSONText.object(
                    ServedAudit.Verdict.allCases.map {
                        (
                            $0.rawValue.split(separator: " ").joined(separator: "_"),
                            .integer(audit.counts[view]?[$0] ?? 0)
                        )
                    })
            )
        }
        let wrong = audit.wrong.map { wrong in
            JSONText.object([
                ("view", .string(wrong.view)), ("keys", .string(wrong.keys)),
                ("as_of", .string(moment(wrong.asOfMicros))), ("given", .string(wrong.given)),
                ("expected", .string(wrong.expected)), ("place", .string(wrong.place)),
                ("source", .string(source(wrong.version, plan))),
            ])
        }
        return JSONText.object([
            ("rows", .integer(rows)), ("views", .object(views)), ("wrong", wrong ?? .null),
        ]).text
    }

    private static func moment(_ micros: Int64) -> String {
        var text: [UInt8] = []
        ValueText.append(timestamp: micros, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The row that made a version, for a person.
    private static func source(_ version: FeatureVersion?, _ plan: JobPlan) -> String {
        guard let version else { return "" }
        if version.origin >= RowOrder.derived {
            let ordinal = Int(version.origin - RowOrder.derived) - plan.sources.count
            let step = plan.steps.first { $0.ordinal == ordinal }
            return "  (made by step \(step?.id ?? "\(ordinal)"))"
        }
        let source = plan.sources.first { $0.ordinal == Int(version.origin >> 32) }
        let partition = version.origin & 0xFFFF_FFFF
        return "  (\(source?.name ?? "stream")/\(partition)@\(version.offset))"
    }
}
