import Connectors
import HTTP
import StreamRuntime

/// A `call:` of an output, as it is written.
struct CallSpec: Sendable {
    /// A service it calls.
    struct Provider: Sendable {
        /// nil for the call's own.
        let name: String?
        let connection: Located<String>
        var path: Located<String>?
        var method = HTTPRequest.Method.post
        var headers: [HTTPHeader] = []
        var idempotencyHeader: String?
        var body: [SpecItem] = []
        var templates: [(name: String, text: Located<String>)] = []
        var recipients: Recipients?
        var answerId: [String] = []
        var successStatuses: [Int] = []
    }

    /// `recipients:` of a service.
    struct Recipients: Sendable {
        let list: Located<String>
        let id: Located<String>
        var failed: [String] = []
        var reason: [String] = []
        var retriesFailed = false
    }

    /// Where workspaces are.
    enum Workspaces: Sendable {
        case file(Located<String>)
        case table([String: CallWorkspace])
    }

    let position: Position
    let provider: Provider
    var providers: [Provider] = []
    var tenant: Located<String>?
    var idempotencyKey: Located<String>?
    var workspaces: Workspaces?
    var results: Located<String>?
    var deadLetter: Located<String>?
    var topics: Located<String>?
    /// The plain settings; its provider is not told yet.
    var settings: CallSettings
}

/// Reads `call:` and workspaces.
struct CallReader {
    let diagnostics: Diagnostics

    func read(_ node: SpecNode) -> CallSpec? {
        guard let provider = provider(node, name: nil), let blank = try? CallTemplate(text: "")
        else { return nil }
        var settings = CallSettings(
            name: "", provider: CallProvider(name: "", url: "", path: blank))
        settings.inFlight = node["in_flight"]?.integer ?? settings.inFlight
        settings.inFlightPerTenant =
            node["in_flight_per_tenant"]?.integer ?? max(settings.inFlight / 4, 1)
        let first = millis(node["backoff"]?["first"]) ?? settings.retry.firstMillis
        settings.retry = RetryPolicy(
            tries: (node["retries"]?.integer ?? 3) + 1, firstMillis: first,
            longestMillis: max(millis(node["backoff"]?["longest"]) ?? 30_000, first))
        if let limit = node["give_up"]?.duration { settings.giveUpMicros = limit.micros }
        let limits = LimitReader(diagnostics: diagnostics)
        settings.rate = node["rate_limit"].flatMap(limits.rate)
        if let breaker = node["breaker"] { settings.breaker = limits.breaker(breaker) }
        if let bytes = node["backlog"]?.text.flatMap(SpecScalars.size) {
            settings.backlogBytes = Int64(bytes)
        }
        var call = CallSpec(position: node.position, provider: provider, settings: settings)
        call.providers = (node["providers"]?.entries ?? []).compactMap {
            self.provider($0.value, name: $0.key)
        }
        call.tenant = node["tenant"]?.located ?? node["rate_limit"]?["by"]?.located
        if let tenant = node["tenant"]?.located, let by = node["rate_limit"]?["by"]?.located,
            tenant.value != by.value
        {
            diagnostics.report(
                .conflictingKeys,
                "the tenant is \"\(tenant.value)\" and the rate is by \"\(by.value)\"",
                at: by.position, fix: "leave \"by\" out: a rate is a tenant's")
        }
        call.idempotencyKey = node["idempotency_key"]?.located
        if let file = node["workspaces"]?.located {
            call.workspaces = .file(file)
        } else if let table = node["workspaces"] {
            call.workspaces = .table(workspaces(table))
        }
        call.results = node["results"]?.located
        call.deadLetter = node["dead_letter"]?.located
        call.topics = node["topics"]?.located
        return call
    }

    private func millis(_ node: SpecNode?) -> Int? {
        node?.duration.map { max(Int($0.micros / 1000), 1) }
    }

    private func provider(_ node: SpecNode, name: String?) -> CallSpec.Provider? {
        guard let connection = node["connection"]?.located else { return nil }
        var provider = CallSpec.Provider(name: name, connection: connection)
        provider.path = node["path"]?.located
        provider.method = node["method"]?.text.flatMap(HTTPRequest.Method.init) ?? .post
        provider.headers = headers(node["headers"])
        provider.idempotencyHeader = node["idempotency_header"]?.text
        provider.body = (node["body"]?.entries ?? []).compactMap { entry in
            entry.value.expression.map { SpecItem(name: entry.name, expression: $0) }
        }
        provider.templates = (node["templates"]?.entries ?? []).compactMap { entry in
            entry.value.located.map { (entry.key, $0) }
        }
        if let node = node["recipients"], let list = node["list"]?.located,
            let id = node["id"]?.located
        {
            var recipients = CallSpec.Recipients(list: list, id: id)
            recipients.failed = path(node["failed"])
            recipients.reason = path(node["reason"])
            recipients.retriesFailed = node["retry"]?.text == "true"
            provider.recipients = recipients
        }
        provider.answerId = path(node["answer_id"])
        provider.successStatuses = (node["success"]?.items ?? []).compactMap(\.integer)
        return provider
    }

    /// `$.errors[].id` as names from the outside in.
    private func path(_ node: SpecNode?) -> [String] {
        guard let node, let text = node.text else { return [] }
        var rest = text[...]
        if rest.hasPrefix("$.") { rest = rest.dropFirst(2) }
        let names = rest.replacing("[]", with: "").split(
            separator: ".", omittingEmptySubsequences: false)
        guard names.allSatisfy({ !$0.isEmpty && !$0.contains("[") && !$0.contains("$") }) else {
            diagnostics.report(
                .badValue, "\"\(text)\" is no place in an answer", at: node.position,
                fix: "write names with points between, such as $.errors[].id")
            return []
        }
        return names.map(String.init)
    }

    private func headers(_ node: SpecNode?) -> [HTTPHeader] {
        (node?.entries ?? []).compactMap { entry in
            entry.value.text.map { HTTPHeader(entry.key, $0) }
        }
    }

    /// Workspaces by tenant.
    func workspaces(_ node: SpecNode) -> [String: CallWorkspace] {
        var workspaces: [String: CallWorkspace] = [:]
        for entry in node.entries {
            var workspace = CallWorkspace()
            workspace.url = entry.value["url"]?.text.map {
                $0.hasSuffix("/") ? String($0.dropLast()) : $0
            }
            workspace.path = entry.value["path"]?.located.flatMap { template($0, isPath: true) }
            workspace.provider = entry.value["provider"]?.text
            workspace.headers = headers(entry.value["headers"])
            workspace.rate = entry.value["rate_limit"].flatMap(
                LimitReader(diagnostics: diagnostics).rate)
            for variable in entry.value["variables"]?.entries ?? [] {
                workspace.variables[variable.key] = variable.value.text
            }
            workspaces[entry.key] = workspace
        }
        return workspaces
    }

    /// A template; nil after telling what is wrong with it.
    func template(_ text: Located<String>, isPath: Bool) -> CallTemplate? {
        do throws(CallTemplate.Problem) {
            return isPath ? try CallTemplate(path: text.value) : try CallTemplate(text: text.value)
        } catch {
            diagnostics.report(.badValue, error.problem, at: text.position, fix: error.remedy)
            return nil
        }
    }
}
