import StreamRuntime

/// The part of a file that one test needs, planned into a place of its own.
struct TestPlan {
    /// The job, everything it writes put into the place; nil when nothing has to run.
    let plan: JobPlan
    /// The sink that has the rows of each name expected of, as an index into the plan's.
    let captures: [String: Int]
    /// The streams that are fed with what the job itself writes, and the topics that is in.
    let loops: [(stream: String, topic: String)]

    /// The connection of topics that only tests have.
    static let connection = "(tests)"

    static func captureTopic(_ index: Int) -> String { "tests.rows.\(index)" }

    /// The topic in which a stream's records are put.
    static func topic(of source: PlannedSource) -> (connection: String, topic: String)? {
        if case .topic(let connection, let topic) = source.location {
            (connection, topic)
        } else {
            nil
        }
    }

    /// Where an output of the job is: the plan's sink of this number.
    func output(_ sink: Int) -> (log: EmbeddedLog, topic: String) {
        guard case .topic(let connection, let topic, _, _) = plan.sinks[sink].target,
            case .embedded(let root)? = plan.connection(connection)?.kind
        else { preconditionFailure("outputs of tests are topics in their own place") }
        return (EmbeddedLog(root: root), topic)
    }

    init?(
        _ test: TestSpec, of whole: PipelinesSpec, file: String, catalog: TestCatalog,
        place: ScratchPlace
    ) {
        var names: [String] = []
        var outputs: [String] = []
        var views: Set<String> = []
        for expectation in test.expectations {
            guard case .success(let target) = catalog.target(expectation.target.value) else {
                return nil
            }
            switch target {
            case .rows(let name, _): if !names.contains(name) { names.append(name) }
            case .output(let name, _): if !outputs.contains(name) { outputs.append(name) }
            case .lookup(_, let asked):
                for feature in asked.features { views.insert(feature.view) }
            }
        }
        for view in whole.onDemand where views.contains(view.name.value) {
            views.formUnion(catalog.sources[view.name.value] ?? [])
        }
        for step in test.given {
            guard case .push(_, let all) = step else { continue }
            for rows in all {
                if let view = catalog.pushed[rows.name.value] { views.insert(view.name) }
            }
        }
        var pipelines = names.map(TestPlan.base)
        for view in whole.featureViews where views.contains(view.name.value) {
            if let from = view.from { pipelines.append(TestPlan.base(from.value)) }
        }
        for output in outputs { pipelines += catalog.owners[output] ?? [] }
        let given = Set(
            test.given.flatMap { step -> [String] in
                if case .rows(_, let all) = step { all.map(\.name.value) } else { [] }
            })
        var spec = TestPlan.moved(whole, catalog, to: place)
        let moved = spec
        // What a needed stream is not given may be written by other pipelines.
        while true {
            spec = TestPlan.part(
                moved, names: names, pipelines: pipelines, views: views, catalog: catalog)
            guard let planned = Planner.planPart(spec, file: file) else { return nil }
            var loops: [(stream: String, topic: String)] = []
            var missing: [String] = []
            for source in planned.sources where !given.contains(source.name) {
                guard let (_, topic) = TestPlan.topic(of: source),
                    let owners = catalog.owners["topic:\(topic)"]
                else { continue }
                loops.append((source.name, topic))
                missing += owners.filter { !pipelines.contains($0) }
            }
            if !missing.isEmpty {
                pipelines += missing
                continue
            }
            var plan = planned.redirected(to: place)
            for index in plan.sinks.indices {
                guard case .topic(let connection, let topic, let keys, _) = plan.sinks[index].target
                else { continue }
                plan.sinks[index].target = .topic(
                    connection: connection, topic: topic, keys: keys, partitions: 1)
                plan.sinks[index].format = .json
                plan.sinks[index].message = nil
                plan.sinks[index].changes = nil
            }
            plan.settings.featureLog = nil
            plan.settings.redis = nil
            plan.settings.checkpointStore = nil
            var captures: [String: Int] = [:]
            for (index, sink) in planned.sinks.enumerated() {
                if case .topic(TestPlan.connection, let topic, _, _) = sink.target,
                    topic.hasPrefix("tests.rows.")
                {
                    for (number, name) in names.enumerated()
                    where topic == TestPlan.captureTopic(number) {
                        captures[name] = index
                    }
                } else if let name = TestCatalog.name(of: sink) {
                    captures[name] = index
                }
            }
            self.plan = plan
            self.captures = captures
            self.loops = loops
            return
        }
    }

    private static func base(_ name: String) -> String {
        name.split(separator: ".").first.map(String.init) ?? name
    }

    /// The whole file with its inputs in `place`: records of files come through topics.
    private static func moved(
        _ whole: PipelinesSpec, _ catalog: TestCatalog, to place: ScratchPlace
    ) -> PipelinesSpec {
        var spec = whole
        spec.tests = []
        spec.job = JobSpec()
        spec.job.name = "test"
        spec.job.state = place.state
        spec.job.memoryBytes = 32 << 20
        spec.connections = whole.connections.map { connection in
            switch connection.kind {
            case .embedded, .kafka:
                ConnectionSpec(
                    name: connection.name,
                    kind: .embedded(root: place.directory + "/in/" + connection.name.value),
                    registry: connection.registry)
            default: connection
            }
        }
        let start = Position(line: 1, column: 1)
        let tests = Located(value: connection, position: start)
        spec.connections.append(
            ConnectionSpec(name: tests, kind: .embedded(root: place.directory + "/in/tests")))
        spec.streams = whole.streams.map { stream in
            if case .topic = stream.origin { return stream }
            var stream = stream
            stream.origin = .topic(
                Located(value: "tests.\(stream.name.value)", position: stream.name.position))
            stream.connection = tests
            if stream.format.kind == .csv, let known = catalog.streams[stream.name.value] {
                let others = stream.format.options.filter { $0.name != "header" }
                let header = TestRecords.header(known).joined(separator: ",")
                stream.format = PlannedFormat(
                    kind: .csv,
                    options: (others + [.init(name: "header", value: header)])
                        .sorted { $0.name < $1.name })
            }
            return stream
        }
        return spec
    }

    /// What is needed of the file, with an output for each name whose rows are looked at.
    private static func part(
        _ moved: PipelinesSpec, names: [String], pipelines: [String], views: Set<String>,
        catalog: TestCatalog
    ) -> PipelinesSpec {
        var spec = moved
        let tests = Located(value: connection, position: Position(line: 1, column: 1))
        var captures: [String] = []
        for (index, name) in names.enumerated() {
            let from = moved.pipelines.first { $0.name.value == base(name) }
            let position = from?.name.position ?? tests.position
            var keys: [Located<String>] = []
            if catalog.changelogs.contains(name) {
                keys = from?.targets.first { !$0.keys.isEmpty }?.keys ?? []
                if keys.isEmpty {
                    keys = (catalog.rows[name]?.fields ?? []).filter {
                        KeyEncoder.accepts($0.type)
                    }.map { Located(value: $0.name, position: position) }
                }
            }
            let capture = PipelineSpec(
                name: Located(value: "tests_rows_\(index)", position: position),
                from: [Located(value: name, position: position)], steps: [],
                targets: [
                    TargetSpec(
                        place: .topic(Located(value: captureTopic(index), position: position)),
                        keys: keys, connection: tests, partitions: 1, delivery: nil, onError: nil,
                        position: position)
                ], onError: nil, isBroken: false)
            spec.pipelines.append(capture)
            captures.append(capture.name.value)
        }
        spec = spec.restricted(to: captures + pipelines)
        let asked = Set(spec.pipelines.flatMap(\.viewsAsked))
        spec.featureViews = spec.featureViews.filter {
            views.contains($0.name.value) || asked.contains($0.name.value)
        }
        spec.onDemand = spec.onDemand.filter { views.contains($0.name.value) }
        let kept = Set(spec.featureViews.map(\.name.value))
        spec.pushSources = spec.pushSources.filter { kept.contains($0.view.value) }
        spec.services = []
        return spec
    }
}
