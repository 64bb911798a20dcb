import Connectors
import StreamRuntime

extension Planner {
    /// Adds an output that calls a service for every row.
    func planCall(
        _ call: CallSpec, rows: PlannedRows, connections near: [String], of owner: String
    ) {
        let place = call.provider.connection.position
        var settings = call.settings
        settings.name = owner
        checkPlace(of: call, owner)
        let tenant = keyColumns(
            call.tenant.map { [$0] } ?? [], of: rows, what: "the tenant of the call of \"\(owner)\""
        )
        let key = keyColumns(
            call.idempotencyKey.map { [$0] } ?? [], of: rows,
            what: "the idempotency key of the call of \"\(owner)\"")
        for column in tenant where !tells(rows.schema.fields[column].type) {
            diagnostics.report(
                .notAKey, "the tenant \"\(call.tenant!.value)\" is no text",
                at: call.tenant!.position,
                notes: ["types: \(call.tenant!.value) is \(rows.schema.fields[column].type)"],
                fix: "use a column that is a string or an int64")
        }
        settings.tenant = tenant.first.map { rows.schema.fields[$0].name }
        settings.idempotencyKey = key.first.map { rows.schema.fields[$0].name }
        if call.settings.rate != nil, call.tenant == nil, call.workspaces != nil {
            diagnostics.report(
                .missingKey, "workspaces are a tenant's, and the call has no \"tenant\"",
                at: call.position, fix: "add tenant: COLUMN")
        }
        let bodied = bodies(of: call, rows, owner)
        guard let own = provider(call.provider, bodied, workspaces: call.workspaces) else { return }
        settings.provider = own
        settings.providers = call.providers.compactMap {
            provider($0, bodied, workspaces: call.workspaces)
        }
        if case .table(let known)? = call.workspaces {
            checkProviders(known, call, at: place)
        }
        var planned = PlannedCall(settings: settings)
        planned.workspaces = call.workspaces.map { workspaces in
            switch workspaces {
            case .file(let path): .file(path: Planner.resolve(path.value, in: directory))
            case .table(let known): .table(known)
            }
        }
        planned.results = topic(call.results, call, near, owner)
        planned.deadLetters = topic(call.deadLetter, call, near, owner)
        planned.settings.hasResults = planned.results != nil
        planned.settings.hasDeadLetters = planned.deadLetters != nil
        if bodied.isBroken || !bodied.poisoned.isEmpty { return }
        if rows.changelog != nil {
            diagnostics.report(
                .changelog, "\"\(owner)\" gives rows that are taken back later, and a call is not",
                at: call.position, fix: "call for rows that are there to stay, or write a topic")
        }
        let id = "call:\(owner)"
        guard !sinks.contains(where: { $0.id == id }) else {
            diagnostics.report(
                .repeatedName, "\"\(owner)\" has two calls", at: call.position,
                fix: "make a second pipeline that reads the first, with a call of its own")
            return
        }
        sinks.append(
            PlannedSink(
                ordinal: sinks.count, id: id, target: .call(planned), delivery: .exactlyOnce,
                inputs: bodied.edges(.gather), schema: bodied.schema, onError: .fail))
    }

    private func tells(_ type: ColumnType) -> Bool { type == .string || type == .int64 }

    /// The outbox is in the state directory of one process.
    private func checkPlace(of call: CallSpec, _ owner: String) {
        if let shares = spec.job.shares, needed == nil {
            diagnostics.report(
                .notShared, "the job has shares, and the calls of \"\(owner)\" are one process's",
                at: shares.position,
                notes: ["requests wait in the state directory of the process that sealed them"],
                fix: "write a topic, and call from a job without shares that reads it")
        }
        if settings.checkpointStore != nil {
            diagnostics.report(
                .conflictingKeys,
                "checkpoints are stored elsewhere, and the calls of \"\(owner)\" are not",
                at: call.position,
                notes: ["requests wait in the job's state directory, which is not in the store"],
                fix: "write a topic, and call from a job that reads it and keeps its state here")
        }
    }

    private func topic(
        _ name: Located<String>?, _ call: CallSpec, _ near: [String], _ owner: String
    ) -> PlannedCall.Topic? {
        guard let name,
            let connection = topicConnection(
                call.topics, near: near, at: name.position, topic: name.value)
        else { return nil }
        for sink in sinks {
            let isTaken: Bool =
                switch sink.target {
                case .topic(connection, name.value, _, _): true
                case .call(let other):
                    [other.results, other.deadLetters].contains(
                        .init(connection: connection, topic: name.value))
                default: false
                }
            guard isTaken else { continue }
            diagnostics.report(
                .conflictingTopic,
                "the topic \"\(name.value)\" of the call of \"\(owner)\" has another writer: \(sink.id)",
                at: name.position, fix: "give the call a topic of its own")
        }
        return .init(connection: connection, topic: name.value)
    }

    /// The rows with a column for every member of every body.
    private func bodies(of call: CallSpec, _ rows: PlannedRows, _ owner: String) -> PlannedRows {
        let items = ([call.provider] + call.providers).flatMap { provider in
            provider.body.map { item in
                let name = CallProvider.bodyPrefix(of: provider.name ?? "") + item.name.value
                return SpecItem(
                    name: Located(value: name, position: item.name.position),
                    expression: item.expression)
            }
        }
        guard !items.isEmpty, !rows.isBroken,
            let pipeline = spec.pipelines.first(where: { $0.name.value == owner })
        else { return rows }
        let stage = StepPlanner(
            planner: self, pipeline: pipeline, policy: policies[owner] ?? .fail, connections: [])
        let step = StepSpec(
            verb: Located(value: "extend", position: call.position), id: nil, formerId: nil, by: [],
            action: .extend(items))
        return stage.plan(step, position: pipeline.steps.count + 1, rows: rows)
    }

    private func provider(
        _ spec: CallSpec.Provider, _ rows: PlannedRows, workspaces: CallSpec.Workspaces?
    ) -> CallProvider? {
        guard let connection = declared(spec.connection) else { return nil }
        guard case .http(let http) = connection.kind else {
            diagnostics.report(
                .wrongConnection, "the connection \"\(connection.name)\" is no HTTP service",
                at: spec.connection.position,
                fix: "declare one: connections: {crm: {http: {url: …}}}, and name it")
            return nil
        }
        let reader = CallReader(diagnostics: diagnostics)
        let path = spec.path ?? Located(value: "/", position: spec.connection.position)
        guard let template = reader.template(path, isPath: true) else { return nil }
        var provider = CallProvider(
            name: spec.name ?? connection.name, url: http.url, path: template)
        if spec.name == nil { provider.bodyName = "" }
        let scalars = rows.schema.fields.filter { tellsAtAll($0.type) }.map(\.name)
        for name in template.neededNames where !rows.isBroken && !scalars.contains(name) {
            if case .table(let known)? = workspaces,
                known.values.allSatisfy({ $0.variables[name] != nil })
            {
                continue
            }
            if case .file? = workspaces { continue }
            diagnostics.report(
                .unknownColumn, "the path has {\(name)}, which is no simple column",
                at: path.position, notes: ["columns: \(rows.columns)"],
                fix: NearestWord.advice(name, among: scalars, what: "columns"))
        }
        provider.method = spec.method
        provider.headers = http.headers + spec.headers
        provider.http = http.settings
        if let header = spec.idempotencyHeader { provider.idempotencyHeader = header }
        provider.hasBody = !spec.body.isEmpty
        provider.templates = spec.templates.compactMap { name, text in
            reader.template(text, isPath: false).map { .init(name: name, text: $0) }
        }
        provider.answerId = spec.answerId
        provider.successStatuses = spec.successStatuses
        if let recipients = spec.recipients {
            checkRecipients(recipients, provider, rows)
            var planned = CallRecipients(list: recipients.list.value, id: recipients.id.value)
            planned.failed = recipients.failed
            planned.reason = recipients.reason
            planned.retriesFailed = recipients.retriesFailed
            provider.recipients = planned
        }
        return provider
    }

    private func tellsAtAll(_ type: ColumnType) -> Bool {
        switch type {
        case .list, .structure: false
        default: true
        }
    }

    private func checkRecipients(
        _ recipients: CallSpec.Recipients, _ provider: CallProvider, _ rows: PlannedRows
    ) {
        if rows.isBroken || !rows.poisoned.isEmpty { return }
        let prefix = provider.hasBody ? provider.bodyPrefix : ""
        guard let index = rows.schema.index(of: prefix + recipients.list.value) else {
            let known = rows.schema.fields.map(\.name).filter { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count)) }
            diagnostics.report(
                .unknownColumn, "the body has no \"\(recipients.list.value)\"",
                at: recipients.list.position,
                fix: NearestWord.advice(recipients.list.value, among: known, what: "members"))
            return
        }
        guard case .list(.structure(let fields)) = rows.schema.fields[index].type else {
            diagnostics.report(
                .notAList, "\"\(recipients.list.value)\" is no list of messages",
                at: recipients.list.position,
                notes: ["types: it is \(rows.schema.fields[index].type)"],
                fix: "name the list of structs that a rebatch makes, such as items")
            return
        }
        guard !fields.contains(where: { $0.name == recipients.id.value }) else { return }
        diagnostics.report(
            .unknownColumn, "the messages have no \"\(recipients.id.value)\"",
            at: recipients.id.position,
            fix: NearestWord.advice(
                recipients.id.value, among: fields.map(\.name), what: "members"))
    }

    private func checkProviders(
        _ known: [String: CallWorkspace], _ call: CallSpec, at position: Position
    ) {
        let names = call.providers.compactMap(\.name)
        for (tenant, workspace) in known.sorted(by: { $0.key < $1.key }) {
            guard let name = workspace.provider, !names.contains(name) else { continue }
            diagnostics.report(
                .badValue,
                "the workspace \"\(tenant)\" names the provider \"\(name)\", which is not declared",
                at: position, fix: NearestWord.advice(name, among: names, what: "providers"))
        }
    }
}
