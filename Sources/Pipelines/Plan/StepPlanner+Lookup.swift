import Connectors
import HTTP
import Operators
import Redis
import StreamRuntime

extension StepPlanner {
    private var diagnostics: Diagnostics { planner.diagnostics }

    /// Plans a join with a table elsewhere.
    func lookup(_ body: LookupBody, _ step: StepSpec, position: Int, rows: PlannedRows)
        -> PlannedRows
    {
        let name = step.id?.value ?? step.verb.value
        checkPlace(body, name)
        let keys = planner.keyColumns(
            body.on.map(\.left), of: rows, what: "\"on\" of step \"\(name)\"")
        guard keys.count == body.on.count else { return .broken }
        for (pair, column) in zip(body.on, keys) {
            let type = rows.schema.fields[column].type
            if type == .string || type == .int64 { continue }
            diagnostics.report(
                .notAKey,
                "\"\(pair.left.value)\" is \(type), and keys are asked for as text or numbers",
                at: pair.left.position,
                fix: "bring it there in an extend before: cast(\(pair.left.value) as string)")
            return .broken
        }
        if rows.schema.index(of: body.alias.value) != nil {
            diagnostics.report(
                .repeatedColumn, "there is already a column \"\(body.alias.value)\"",
                at: body.alias.position, notes: ["columns: \(rows.columns)"],
                fix: "call the answer something else with as")
            return .broken
        }
        let type = body.type.flatMap { JoinType(rawValue: $0.value) } ?? .inner
        if type.showsUnmatchedRight {
            diagnostics.report(
                .conflictingKeys,
                "a lookup asks for rows that are there, so a \(type.rawValue) join has nothing to show",
                at: body.type?.position ?? body.position,
                fix: "write type: left, inner, semi or anti")
            return .broken
        }
        if let ttl = body.ttl, let missing = body.missingTtl, missing > ttl {
            diagnostics.report(
                .badDuration,
                "missing_ttl is \(missing.text), longer than the ttl of \(ttl.text)",
                at: body.position, fix: "write a missing_ttl of \(ttl.text) at most")
            return .broken
        }
        if body.takesFailureAsMissing, !type.showsUnmatched {
            diagnostics.report(
                .conflictingKeys,
                "as_missing would leave rows out of \(type == .semi ? "a semi" : "an inner") join because a service failed",
                at: body.position, fix: "write type: left, or on_error: {dead_letter: TOPIC}")
            return .broken
        }
        guard let shape = shape(body, rows, keys, name: name, type: type) else {
            return .broken
        }
        let pairs = Schema(
            rows.schema.fields + [Field(body.alias.value, .structure(shape.columns))])
        var compiled: CompiledExpression?
        if let text = body.condition {
            compiled = condition(
                text, PlannedRows(schema: pairs, endpoints: [], poisoned: rows.poisoned))
            if compiled == nil { return .broken }
        }
        let reads = (compiled?.columns ?? []).filter { $0 < rows.schema.count }
        var use = ColumnUse.passing(rows.schema.count, always: Set(keys).union(reads))
        if type.showsRight { use.outputs.append([]) }
        let by = keys.map { rows.schema.fields[$0].name }
        var draft = Draft(
            operation: .lookup(shape), schema: type.showsRight ? pairs : rows.schema, use: use,
            poisoned: rows.poisoned,
            isStateless: false, needsOrder: true, partitioning: by)
        draft.canFail = !body.takesFailureAsMissing || compiled?.canFail ?? false
        let planner = StepPlanner(
            planner: planner, pipeline: pipeline, policy: body.onError ?? policy,
            connections: connections)
        return planner.add(draft, step, position: position, rows: rows, keys: keys)
    }

    private func shape(
        _ body: LookupBody, _ rows: PlannedRows, _ keys: [Int], name: String, type: JoinType
    ) -> LookupShape? {
        var settings = LookupSettings(name: name)
        let ttl = body.ttl?.micros ?? 1
        settings.terms = LookupTerms(
            foundMicros: ttl, missingMicros: body.missingTtl?.micros ?? ttl,
            keepMicros: body.keep.micros)
        settings.rate = body.rate
        settings.breaker = body.breaker
        settings.inFlight = body.inFlight
        settings.retry = RetryPolicy(
            tries: body.retries + 1, firstMillis: 100, longestMillis: 5000)
        settings.giveUpMicros = body.giveUp.micros
        if case .fail = body.onError ?? policy { settings.keepsFailures = false }
        if body.takesFailureAsMissing { settings.keepsFailures = true }
        let names = body.on.map(\.right.value)
        let target: LookupShape.Target?
        var fields = body.answer.map {
            PlannedField(
                name: $0.name.value, path: $0.path, type: $0.type, isRequired: $0.isRequired,
                unit: $0.unit, from: $0.from, zone: $0.zone?.value)
        }
        var timeout = body.timeout
        switch body.target {
        case .http(let http):
            let found = service(http, body, names)
            timeout = timeout ?? found?.timeout
            target = found?.target
        case .redis(let connection, let key, let isJSON):
            target = redis(connection, key, isJSON: isJSON, body, names)
        case .features(let view, let wanted):
            let found = features(view, wanted, body, rows, keys)
            target = found?.target
            fields = found?.fields ?? []
        }
        guard let target else { return nil }
        if case .features = body.target {
        } else {
            // Whether something is there can be asked without saying what.
            let isPresence = !type.showsRight && body.condition == nil && !isHash(body)
            if fields.isEmpty, !isPresence {
                diagnostics.report(
                    .missingKey, "the lookup of step \"\(name)\" does not say what an answer has",
                    at: body.position, fix: "add answer: {NAME: TYPE, …}")
                return nil
            }
            for field in body.answer where field.from != .value {
                diagnostics.report(
                    .conflictingKeys,
                    "an answer has no \"from\": \"\(field.name.value)\" is in its document",
                    at: field.name.position, fix: "write path: a.b")
                return nil
            }
        }
        var shape = LookupShape(
            target: target, alias: body.alias.value, keyNames: names, fields: fields,
            type: type, condition: body.condition?.text,
            takesFailureAsMissing: body.takesFailureAsMissing,
            cacheRows: body.cacheRows, ttl: body.ttl, missingTtl: body.missingTtl,
            timeoutMillis: max(Int((timeout ?? .seconds(5)).micros / 1000), 1), settings: settings)
        shape.settings.definition = shape.definition
        return shape
    }

    private func isHash(_ body: LookupBody) -> Bool {
        if case .redis(_, _, let isJSON) = body.target { !isJSON } else { false }
    }

    /// Answers are written to the disk of one process.
    private func checkPlace(_ body: LookupBody, _ name: String) {
        guard planner.needed == nil else { return }
        if let shares = planner.spec.job.shares {
            diagnostics.report(
                .notShared, "the job has shares, and the answers of \"\(name)\" are one process's",
                at: shares.position,
                notes: ["answers are journalled in the state directory of the process that asked"],
                fix: "ask in a job without shares, and let this one read what it writes")
        }
        if planner.settings.checkpointStore != nil {
            diagnostics.report(
                .conflictingKeys,
                "checkpoints are stored elsewhere, and the answers of \"\(name)\" are not",
                at: body.position,
                notes: ["answers are journalled in the job's state directory, not in the store"],
                fix: "ask in a job that keeps its state here, and let this one read what it writes")
        }
    }

    private func template(
        _ text: Located<String>, _ names: [String], _ what: String
    ) -> LookupTemplate? {
        guard let template = LookupTemplate(text.value, names: names) else {
            diagnostics.report(
                .badValue, "\"{\" is not closed in \(what)", at: text.position, fix: "write {NAME}")
            return nil
        }
        for unknown in template.unknown {
            diagnostics.report(
                .unknownColumn, "\(what) has {\(unknown)}, which is no key of \"on\"",
                at: text.position,
                fix: NearestWord.advice(unknown, among: names, what: "keys"))
            return nil
        }
        return template
    }

    private func service(
        _ http: LookupBody.HTTP, _ body: LookupBody, _ names: [String]
    ) -> (target: LookupShape.Target, timeout: Duration)? {
        guard let connection = planner.declared(http.connection) else { return nil }
        guard case .http(let service) = connection.kind else {
            diagnostics.report(
                .wrongConnection, "the connection \"\(connection.name)\" is no HTTP service",
                at: http.connection.position,
                fix: "declare one: connections: {prices: {http: {url: …}}}, and name it")
            return nil
        }
        guard let path = template(http.path, names, "the path") else { return nil }
        var settings = HTTPLookup.Settings(url: service.url, path: path)
        settings.method = http.method ?? (http.body.isEmpty ? .get : .post)
        settings.headers = service.headers + http.headers
        if settings.method == .get, !http.body.isEmpty {
            diagnostics.report(
                .conflictingKeys, "a GET has no body", at: body.position,
                fix: "write method: POST, or put the keys into the path")
            return nil
        }
        for (name, text) in http.body {
            guard let value = template(text, names, "the body's \"\(name)\"") else { return nil }
            settings.body.append(.init(name: name, value: value))
        }
        settings.http = service.settings
        let timeout = body.timeout ?? service.timeout
        settings.http.totalMillis = max(Int(timeout.micros / 1000), 1)
        settings.http.stallSeconds = max(Int(timeout.micros / 1_000_000), 1)
        if !http.missing.isEmpty { settings.missing = http.missing }
        if let batch = http.batch {
            guard names.count == 1 else {
                diagnostics.report(
                    .conflictingKeys,
                    "a batch asks for keys of one column, and \"on\" has \(names.count)",
                    at: batch.position, fix: "leave batch out, or make one column of them before")
                return nil
            }
            settings.batch = .init(
                size: batch.size, keys: batch.keys,
                answers: StepPlanner.path(batch.answers?.value ?? ""), key: batch.key)
        }
        return (
            .http(connection: connection.name, path: http.path.value, settings), service.timeout
        )
    }

    /// `$.items` as names from the outside in.
    private static func path(_ text: String) -> [String] {
        var rest = text[...]
        if rest.hasPrefix("$") { rest = rest.dropFirst() }
        return rest.replacing("[]", with: "").split(separator: ".").map(String.init)
    }

    private func redis(
        _ name: Located<String>, _ key: Located<String>, isJSON: Bool, _ body: LookupBody,
        _ names: [String]
    ) -> LookupShape.Target? {
        guard let connection = planner.declared(name) else { return nil }
        guard case .redis(let address) = connection.kind else {
            diagnostics.report(
                .wrongConnection, "the connection \"\(connection.name)\" is no Redis server",
                at: name.position,
                fix: "declare one: connections: {cache: {redis: redis://HOST:6379}}, and name it")
            return nil
        }
        guard let template = template(key, names, "the key") else { return nil }
        if !isJSON, let field = body.answer.first(where: { $0.path.count != 1 }) {
            diagnostics.report(
                .badValue, "\"\(field.path.joined(separator: "."))\" is no field of a hash",
                at: field.name.position, fix: "name one field, or write read: json")
            return nil
        }
        let content =
            isJSON
            ? RedisLookup.Content.json : .hash(body.answer.map { $0.path.first ?? "" })
        return .redis(
            connection: connection.name, address, keyText: key.value, template, content)
    }

    private func features(
        _ name: Located<String>, _ wanted: [Located<String>], _ body: LookupBody,
        _ rows: PlannedRows, _ keys: [Int]
    ) -> (target: LookupShape.Target, fields: [PlannedField])? {
        let spec = planner.spec
        guard let view = spec.featureViews.first(where: { $0.name.value == name.value }) else {
            if !spec.unreadable.contains("feature_views/\(name.value)") {
                diagnostics.report(
                    .unknownView, "there is no feature view \"\(name.value)\"", at: name.position,
                    fix: NearestWord.advice(
                        name.value, among: spec.featureViews.map(\.name.value), what: "views"))
            }
            return nil
        }
        guard let entity = spec.entities.first(where: { $0.name.value == view.entity.value })
        else { return nil }
        let entityKeys = entity.keys.map(\.value)
        for (pair, column) in zip(body.on, keys) {
            let type = rows.schema.fields[column].type
            guard let key = entityKeys.first(where: { $0.name == pair.right.value }) else {
                diagnostics.report(
                    .unknownColumn,
                    "\"\(pair.right.value)\" is no key of entity \"\(entity.name.value)\"",
                    at: pair.right.position,
                    fix: NearestWord.advice(
                        pair.right.value, among: entityKeys.map(\.name), what: "keys"))
                return nil
            }
            guard key.type == type else {
                diagnostics.report(
                    .entityType,
                    "\"\(key.name)\" of entity \"\(entity.name.value)\" is \(key.type), \"\(pair.left.value)\" is \(type)",
                    at: pair.left.position,
                    fix:
                        "bring it there in an extend before: cast(\(pair.left.value) as \(key.type))"
                )
                return nil
            }
        }
        let named = Set(body.on.map(\.right.value))
        if let left = entityKeys.first(where: { !named.contains($0.name) }) {
            diagnostics.report(
                .missingKey,
                "\"on\" has no \"\(left.name)\", a key of entity \"\(entity.name.value)\"",
                at: body.position, fix: "add COLUMN: \(left.name) to on")
            return nil
        }
        guard let known = types(of: view, without: Set(entityKeys.map(\.name)), body) else {
            return nil
        }
        var fields: [Field] = []
        for feature in wanted {
            guard let field = known.first(where: { $0.name == feature.value }) else {
                diagnostics.report(
                    .unknownView, "the view \"\(name.value)\" has no feature \"\(feature.value)\"",
                    at: feature.position,
                    fix: NearestWord.advice(
                        feature.value, among: known.map(\.name), what: "features"))
                return nil
            }
            fields.append(field)
        }
        if wanted.isEmpty { fields = known }
        let names = fields.map(\.name)
        let planned = fields.flatMap { field in
            [field, Field(FeatureLookup.Settings.status(of: field.name), .string)]
        }.map {
            PlannedField(
                name: $0.name, path: [$0.name], type: $0.type, isRequired: false, unit: nil,
                from: .value)
        }
        return (
            .features(
                view: name.value,
                FeatureLookup.Settings(
                    references: names.map { "\(name.value):\($0)" }, names: names,
                    keys: body.on.map(\.right.value))), planned
        )
    }

    /// The features of a view with their types.
    private func types(
        of view: FeatureViewSpec, without keys: Set<String>, _ body: LookupBody
    ) -> [Field]? {
        guard let from = view.from else {
            return view.features?.compactMap { feature in
                feature.type.map { Field(feature.name.value, $0.value) }
            }
        }
        guard let rows = planner.viewRows[view.name.value] else {
            diagnostics.report(
                .cycle, "the view \"\(view.name.value)\" is made of rows behind this lookup",
                at: body.position,
                notes: ["it is filled from \(from.value)"],
                fix: "fill the view from another pipeline, or join with its pipeline as_of")
            return nil
        }
        if rows.isBroken { return nil }
        let fields = rows.schema.fields.filter { !keys.contains($0.name) }
        guard let features = view.features else { return fields }
        return features.compactMap { feature in
            fields.first { $0.name == feature.name.value }
        }
    }
}
