import Operators
import StreamRuntime

/// Turns a pipelines file into a plan: resolves names, checks types through every step, decides
/// exchanges, and leaves out the fields nobody needs.
///
/// Planning is done twice: once with every declared field, which finds every problem, and once with the
/// fields that the first plan turned out to need.
final class Planner {
    let spec: PipelinesSpec
    let diagnostics: Diagnostics
    let settings: JobSettings
    /// The directory that paths of the file are relative to; empty for the current one.
    let directory: String
    /// The fields of each stream that are needed; nil for all.
    let needed: [String: Set<String>]?
    /// The columns each select makes that are needed, by the step's ordinal; all of them where it has no entry.
    let neededItems: [Int: Set<Int>]
    /// Plans every field of every stream whatever `needed` says.
    let keepsAllFields: Bool

    var connections: [PlannedConnection] = []
    var sources: [PlannedSource] = []
    var steps: [PlannedStep] = []
    var repartitions: [PlannedRepartition] = []
    var uses: [ColumnUse] = []
    var sinks: [PlannedSink] = []
    var pipelines: [PlannedPipeline] = []
    var onDemand: [PlannedOnDemand] = []
    var pushSources: [PlannedPushSource] = []
    /// The outputs to Kafka that are not said to be at_least_once, by the sink's id.
    var wishes: [String: DeliveryWish] = [:]
    var names: [String: PlannedName] = [:]
    var readNames: Set<String> = []
    /// The right sides of joins, by the name they are read by.
    var joinedNames: [String: PlannedName] = [:]
    /// The rows that fill the views which lookups ask, by the view's name; those behind the lookup have none.
    var viewRows: [String: PlannedRows] = [:]
    var beingPlanned: [String] = []
    var stepIds: [String: Position] = [:]
    /// What becomes of rows a step of a pipeline fails on, by the pipeline's name.
    var policies: [String: PolicySpec] = [:]

    init(
        _ spec: PipelinesSpec, _ diagnostics: Diagnostics, file: String,
        needed: [String: Set<String>]?, neededItems: [Int: Set<Int>] = [:],
        keepsAllFields: Bool = false
    ) {
        self.neededItems = neededItems
        self.keepsAllFields = keepsAllFields
        self.spec = spec
        self.diagnostics = diagnostics
        self.needed = needed
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        directory = parts.dropLast().joined(separator: "/")
        let stem = parts.last?.split(separator: ".").first.map(String.init) ?? "job"
        let job = spec.job
        var settings = JobSettings(
            name: job.name ?? (SpecScalars.isName(stem) ? stem : "job"),
            directory: directory,
            stateDirectory: Planner.resolve(job.state ?? "./data/state", in: directory),
            memoryBytes: job.memoryBytes, workers: job.workers,
            checkpointEvery: job.checkpointEvery ?? .seconds(10),
            checkpointKeep: job.checkpointKeep ?? 3,
            checkpointStore: job.checkpointStore?.resolved(in: directory),
            shares: job.shares?.value,
            serveHost: job.serveHost ?? "127.0.0.1", servePort: job.servePort ?? 6566)
        settings.serveCompat = job.serveCompat
        settings.serving = job.serving.resolved(in: directory)
        settings.resp = job.serveResp.map { resp in
            PlannedRESP(
                port: resp.port, project: resp.project ?? settings.name, password: resp.password)
        }
        settings.featureLog = PlannedFeatureLog(job.featureLog ?? FeatureLogSpec())
        settings.servedSample = job.servedSample
        settings.redis = job.online.map { online in
            PlannedRedis(address: online.redis, project: online.project ?? settings.name)
        }
        settings.isServed = job.isServed
        settings.restart = RestartPolicy.Settings(
            attempts: job.restartAttempts ?? 10,
            withinNanos: max((job.restartWithin ?? .seconds(600)).micros * 1000, 1))
        self.settings = settings
    }

    /// The plan of `spec`; nil when there is any problem, which is then in `diagnostics`.
    ///
    /// - Parameter only: the pipelines to plan, with those they read; empty for all. The whole file is
    ///   checked in any case.
    static func plan(
        _ spec: PipelinesSpec, file: String, only: [String] = [], diagnostics: Diagnostics
    ) -> JobPlan? {
        var full = Planner(spec, diagnostics, file: file, needed: nil)
        var views = full.planAll()
        for name in only where !spec.pipelines.contains(where: { $0.name.value == name }) {
            diagnostics.report(
                .unknownInput, "there is no pipeline \"\(name)\" to run",
                at: Position(line: 1, column: 1),
                fix: NearestWord.advice(
                    name, among: spec.pipelines.map(\.name.value), what: "pipelines"))
        }
        guard diagnostics.isEmpty else { return nil }
        var spec = spec
        if !only.isEmpty {
            spec = spec.restricted(to: only)
            // What is computed of views that go with their pipelines goes with them.
            let kept = Set(spec.featureViews.map(\.name.value))
            let computed = full.onDemand.filter { view in
                view.sources.allSatisfy { kept.contains(views[$0.view].name) }
            }
            spec.onDemand = spec.onDemand.filter { view in
                computed.contains { $0.name == view.name.value }
                    && view.sources.allSatisfy { kept.contains($0.view.value) }
            }
            full = Planner(spec, diagnostics, file: file, needed: [:], keepsAllFields: true)
            views = full.planAll()
        }
        let needed = Projection.needed(of: full, views: views)
        let projected = Planner(
            spec, diagnostics, file: file, needed: needed.fields, neededItems: needed.items)
        let finalViews = projected.planAll()
        precondition(
            diagnostics.isEmpty,
            "fewer fields bring no new problem: \(diagnostics.sorted.first?.message ?? "")")
        return projected.finish(finalViews)
    }

    func planAll() -> [PlannedFeatureView] {
        planConnections()
        checkNames()
        for stream in spec.streams { planStream(stream) }
        for name in spec.unreadable {
            let parts = name.split(separator: "/").map(String.init)
            if ["streams", "pipelines"].contains(parts[0]) {
                names[parts[1]] = PlannedName(rows: .broken, policy: nil, connections: [])
            }
        }
        for pipeline in spec.pipelines { _ = planPipeline(pipeline) }
        settleDeliveries()
        let views = planFeatureViews()
        onDemand = planOnDemand(views)
        pushSources = planPushSources(views)
        if needed == nil {
            checkServices(views, onDemand)
            checkFeatureLog()
            checkServedViews()
            checkDestinations()
            checkArrivals()
            checkShares()
            checkTests(views)
        }
        return views
    }

    func finish(_ views: [PlannedFeatureView]) -> JobPlan {
        let entities = spec.entities.map {
            PlannedEntity(name: $0.name.value, keys: $0.keys.map(\.value), notes: $0.notes)
        }
        if sources.contains(where: { $0.isOn(ArrivalPlace.connection) }) {
            connections.append(ArrivalPlace.topics(settings.stateDirectory))
        }
        let plan = JobPlan(
            settings: settings, connections: connections, sources: sources, steps: steps,
            uses: uses, repartitions: repartitions, sinks: sinks, entities: entities,
            featureViews: views,
            pushSources: pushSources, onDemand: onDemand,
            services: planServices(views, onDemand),
            pipelines: pipelines, fingerprint: "")
        return plan.withFingerprint()
    }

    static func resolve(_ path: String, in directory: String) -> String {
        if path.hasPrefix("/") || directory.isEmpty { return path }
        let tail = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        return directory + "/" + tail
    }

    private func checkNames() {
        let streams = Set(spec.streams.map(\.name.value))
        for pipeline in spec.pipelines where streams.contains(pipeline.name.value) {
            diagnostics.report(
                .repeatedName, "\"\(pipeline.name.value)\" is a stream and a pipeline",
                at: pipeline.name.position, fix: "give the pipeline another name")
        }
    }

    /// What `from:` names, planned when it is a pipeline that has not been yet.
    func resolveInput(_ reference: Located<String>, of reader: String) -> PlannedName? {
        let base = reference.value.split(separator: ".").first.map(String.init) ?? ""
        if beingPlanned.contains(base) {
            let path = beingPlanned[beingPlanned.firstIndex(of: base)!...] + [base]
            diagnostics.report(
                .cycle, "\"\(reader)\" reads from itself", at: reference.position,
                notes: ["the way is \(path.reversed().joined(separator: " → "))"],
                fix: "write the rows to a topic and read them as a stream, or remove one \"from\"")
            return nil
        }
        if names[base] == nil, let pipeline = spec.pipelines.first(where: { $0.name.value == base })
        {
            _ = planPipeline(pipeline)
        }
        if let known = names[reference.value] {
            readNames.insert(reference.value)
            return known
        }
        // A pipeline that could not be read may have the route that is missed.
        if let pipeline = names[base], pipeline.rows.isBroken { return pipeline }
        let declared = spec.streams.map(\.name.value) + spec.pipelines.map(\.name.value)
        let broken = spec.unreadable.filter {
            $0.hasPrefix("streams/") || $0.hasPrefix("pipelines/")
        }.map { $0.split(separator: "/", maxSplits: 1)[1] }.sorted()
        let known = declared + names.keys.filter { $0.contains(".") }.sorted()
        diagnostics.report(
            .unknownInput, "there is no stream or pipeline \"\(reference.value)\"",
            at: reference.position,
            fix: known.allSatisfy { $0 == reader } && !broken.isEmpty
                ? "correct \(broken.joined(separator: ", ")) first: there is nothing else to read"
                : NearestWord.advice(
                    reference.value, among: known.filter { $0 != reader },
                    what: "streams and pipelines"))
        return nil
    }

    /// Plans `pipeline` unless it is already, and what it reads before it.
    private func planPipeline(_ pipeline: PipelineSpec) -> PlannedName {
        let name = pipeline.name.value
        if let known = names[name] { return known }
        beingPlanned.append(name)
        let inputs = pipeline.from.map { ($0, resolveInput($0, of: name)) }
        for other in pipeline.joined { joinedNames[other.value] = resolveInput(other, of: name) }
        for view in spec.featureViews where pipeline.viewsAsked.contains(view.name.value) {
            guard let from = view.from, !isBeingPlanned(from.value) else { continue }
            viewRows[view.name.value] = resolveInput(from, of: name)?.rows ?? .broken
        }
        beingPlanned.removeLast()
        var connections: [String] = []
        for connection in inputs.flatMap({ $0.1?.connections ?? [] })
        where !connections.contains(connection) {
            connections.append(connection)
        }
        let inherited = inputs.compactMap { $0.1?.policy }
        let words = Set(inherited.map(\.word))
        let policy =
            pipeline.onError?.value
            ?? (words.count == 1 && inherited.count == inputs.count ? inherited[0] : nil)
        let isWhole = !inputs.isEmpty && inputs.allSatisfy { $0.1?.rows.isBroken == false }
        if policy == nil, isWhole, !pipeline.steps.isEmpty {
            diagnostics.report(
                .undeclaredPolicy,
                "the inputs of pipeline \"\(name)\" differ in on_error, and it has none of its own",
                at: pipeline.name.position,
                notes: inputs.compactMap { input in
                    input.1?.policy.map { "\(input.0.value): \($0.word)" }
                },
                fix: "add on_error: fail, drop or {dead_letter: TOPIC} to the pipeline")
        }
        policies[name] = policy
        let first = steps.count
        var rows = union(inputs.map { ($0.0, $0.1?.rows ?? .broken) }, of: pipeline)
        let stage = StepPlanner(
            planner: self, pipeline: pipeline, policy: policy ?? .fail, connections: connections)
        for (position, step) in pipeline.steps.enumerated() {
            rows = stage.plan(step, position: position + 1, rows: rows)
        }
        let file = pipeline.name.position.file
        if file > 0, file < spec.files.count {
            for index in first..<steps.count { steps[index].file = spec.files[file] }
        }
        if pipeline.isBroken { rows = .broken }
        for target in pipeline.targets {
            planTarget(target, rows: rows, connections: connections, of: name)
        }
        let planned = PlannedName(rows: rows, policy: policy ?? .fail, connections: connections)
        names[name] = planned
        pipelines.append(
            PlannedPipeline(
                name: name, steps: Array(first..<steps.count), outputs: rows.edges(.forward),
                schema: rows.schema))
        return planned
    }

    /// Whether `reference` names a pipeline that is being planned, or a route of one.
    private func isBeingPlanned(_ reference: String) -> Bool {
        beingPlanned.contains { reference == $0 || reference.hasPrefix($0 + ".") }
    }

    /// Puts the inputs of a pipeline together by column name.
    private func union(
        _ inputs: [(Located<String>, PlannedRows)], of pipeline: PipelineSpec
    ) -> PlannedRows {
        guard let first = inputs.first?.1, !inputs.contains(where: { $0.1.isBroken }) else {
            return .broken
        }
        var result = first
        var seen: Set<String> = [inputs[0].0.value]
        for (reference, rows) in inputs.dropFirst() {
            if !seen.insert(reference.value).inserted {
                diagnostics.report(
                    .repeatedName, "\"\(reference.value)\" is named twice in from",
                    at: reference.position, fix: "name it once")
                continue
            }
            result.poisoned.formUnion(rows.poisoned)
            result.changelog = Changelog.union(result.changelog, rows.changelog)
            let differences = Planner.differences(
                of: first, inputs[0].0.value, from: rows, reference.value)
            if !differences.isEmpty {
                diagnostics.report(
                    .unequalInputs,
                    "\"\(inputs[0].0.value)\" and \"\(reference.value)\" have different columns",
                    at: reference.position, notes: differences,
                    fix: "end both with a select of the same names and types")
                result.isBroken = true
                continue
            }
            if rows.schema == first.schema {
                result.endpoints += rows.endpoints
            } else if result.poisoned.isEmpty {
                result.endpoints.append(align(rows, to: first.schema, reference, pipeline))
            }
        }
        return result
    }

    /// A step that puts the columns of `rows` in the order of `schema`.
    private func align(
        _ rows: PlannedRows, to schema: Schema, _ reference: Located<String>,
        _ pipeline: PipelineSpec
    ) -> PlannedRows.Endpoint {
        let items = schema.fields.map {
            NamedExpression(name: $0.name, text: "\"\($0.name)\"")
        }
        steps.append(
            PlannedStep(
                ordinal: steps.count, id: "\(pipeline.name.value).from.\(reference.value)",
                formerId: nil, pipeline: pipeline.name.value, verb: "select",
                line: reference.position.line, operation: .select(items), keys: [],
                inputs: rows.edges(.forward), inputSchema: rows.schema,
                outputs: [PlannedPort(name: "main", schema: schema)], repartition: nil,
                onError: .fail,
                isStateless: true, needsOrderedInput: false))
        uses.append(
            ColumnUse(outputs: schema.fields.map { [rows.schema.index(of: $0.name)!] }))
        return .init(
            from: .step(steps.count - 1), port: 0, partitioning: rows.partitioning,
            spread: rows.spread)
    }

    private static func differences(
        of left: PlannedRows, _ leftName: String, from right: PlannedRows, _ rightName: String
    ) -> [String] {
        var notes: [String] = []
        let unclear = left.poisoned.union(right.poisoned)
        for field in left.schema.fields where !unclear.contains(field.name) {
            if let index = right.schema.index(of: field.name) {
                let type = right.schema.fields[index].type
                if type != field.type {
                    notes.append(
                        "\(field.name) is \(field.type) in \(leftName), \(type) in \(rightName)")
                }
            } else {
                notes.append("\(field.name) is missing in \(rightName)")
            }
        }
        for field in right.schema.fields
        where left.schema.index(of: field.name) == nil && !unclear.contains(field.name) {
            notes.append("\(field.name) is missing in \(leftName)")
        }
        return notes
    }

    /// Rows that nobody takes are a mistake, not a decision.
    private func checkDestinations() {
        for pipeline in spec.pipelines where pipeline.targets.isEmpty && !pipeline.isBroken {
            let name = pipeline.name.value
            if readNames.contains(name) || names[name]?.rows.isBroken != false { continue }
            if case .route? = pipeline.steps.last?.action { continue }
            diagnostics.report(
                .nowhere, "the rows of pipeline \"\(name)\" go nowhere",
                at: pipeline.name.position,
                fix: "add to: {topic: …}, or read it from another pipeline or a feature view")
        }
        for pipeline in spec.pipelines {
            for step in pipeline.steps {
                guard case .route(let routes) = step.action else { continue }
                for alias in routes.compactMap(\.alias)
                where names["\(pipeline.name.value).\(alias.value)"] != nil
                    && !readNames.contains("\(pipeline.name.value).\(alias.value)")
                {
                    diagnostics.report(
                        .nowhere, "the rows of route \"\(alias.value)\" go nowhere",
                        at: alias.position,
                        fix: "read them with from: \(pipeline.name.value).\(alias.value)")
                }
            }
        }
    }
}
