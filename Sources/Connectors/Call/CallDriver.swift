import Codecs
import HTTP
import StreamRuntime

/// Turns a row into a request and an answer into what became of its messages.
struct CallDriver: Sendable {
    let settings: CallSettings

    /// A request ready to be sent.
    struct Prepared: Sendable {
        let request: HTTPRequest
        let provider: CallProvider
        /// The messages in it; one without an id when none are declared.
        let messages: [Message]
    }

    /// A message of a request.
    struct Message: Equatable, Sendable {
        /// Its id; nil for a request without declared messages.
        let id: String?
        /// Its simple members.
        let fields: [JSONValue.Member]
    }

    /// Why there is no request.
    struct Refusal: Error, Equatable, Sendable {
        let reason: String
    }

    /// What an answer says.
    enum Answer: Equatable, Sendable {
        /// Done, but for these messages and why.
        case done(failed: [String: String], id: String?)
        /// Not done, and not worth repeating.
        case refused(String)
        /// Not done; worth repeating.
        case failed(String)
        /// The service does not work at all.
        case outage(String)
        /// Too many calls.
        case limited(String)
    }

    /// The request of `row` for its tenant.
    ///
    /// - Parameters:
    ///   - only: the messages to send; nil for all.
    ///   - round: how often a part of it was sent before.
    func prepare(
        _ row: JSONValue, tenant: String, workspace: CallWorkspace?, only: Set<String>? = nil,
        round: Int = 0
    ) throws(Refusal) -> Prepared {
        guard let workspace else {
            throw Refusal(reason: "there is no workspace for \"\(tenant)\"")
        }
        guard let provider = settings.provider(workspace.provider) else {
            throw Refusal(
                reason: "the workspace of \"\(tenant)\" names a provider that is not declared: "
                    + "\"\(workspace.provider ?? "")\"")
        }
        let values: (String) -> String? = { name in
            workspace.variables[name] ?? row[name]?.scalarText
        }
        var url: String
        do throws(CallTemplate.Missing) {
            url = try (workspace.path ?? provider.path).rendered(values)
        } catch {
            throw Refusal(reason: "the path has no value for {\(error.name)}")
        }
        url = (workspace.url ?? provider.url) + url
        var members = try body(of: row, provider, values)
        let messages = try messages(of: &members, provider, only: only)
        var headers = provider.headers.filter { header in
            !workspace.headers.contains { $0.name.lowercased() == header.name.lowercased() }
        }
        headers += workspace.headers
        headers.append(HTTPHeader("Content-Type", "application/json"))
        if let key = settings.idempotencyKey {
            guard let value = row[key]?.scalarText else {
                throw Refusal(reason: "\"\(key)\", the idempotency key, is null")
            }
            headers.append(
                HTTPHeader(provider.idempotencyHeader, value + (round > 0 ? "#\(round)" : "")))
        }
        return Prepared(
            request: HTTPRequest(
                provider.method, url, headers: headers,
                body: .bytes(JSONValue.object(members).text)),
            provider: provider, messages: messages)
    }

    private func body(
        of row: JSONValue, _ provider: CallProvider, _ values: (String) -> String?
    ) throws(Refusal) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        for member in row.members {
            if provider.hasBody {
                guard member.name.hasPrefix(provider.bodyPrefix) else { continue }
                let name = String(member.name.dropFirst(provider.bodyPrefix.count))
                members.append(.init(name, member.value))
            } else if !member.name.hasPrefix("body/") {
                members.append(member)
            }
        }
        for template in provider.templates {
            do throws(CallTemplate.Missing) {
                let text = try template.text.rendered(values)
                members.append(.init(template.name, .string(text)))
            } catch {
                throw Refusal(
                    reason: "the template \"\(template.name)\" has no value for \"\(error.name)\"")
            }
        }
        return members
    }

    /// The messages in the body, of which only the wanted ones stay.
    private func messages(
        of members: inout [JSONValue.Member], _ provider: CallProvider, only: Set<String>?
    ) throws(Refusal) -> [Message] {
        guard let recipients = provider.recipients else { return [Message(id: nil, fields: [])] }
        guard let at = members.firstIndex(where: { $0.name == recipients.list }) else {
            throw Refusal(reason: "the body has no \"\(recipients.list)\"")
        }
        var items = members[at].value.items
        if let only {
            items = items.filter { only.contains($0[recipients.id]?.scalarText ?? "") }
            members[at].value = .array(items)
        }
        guard !items.isEmpty else { throw Refusal(reason: "\"\(recipients.list)\" is empty") }
        return items.map { item in
            Message(
                id: item[recipients.id]?.scalarText,
                fields: item.members.filter { !$0.value.hasParts && $0.value != .null })
        }
    }

    /// What `response` says of the messages of `prepared`.
    func judge(_ response: HTTPResponse, _ prepared: Prepared) -> Answer {
        let provider = prepared.provider
        let isDone = response.isSuccess || provider.successStatuses.contains(response.status)
        guard isDone else {
            let said = response.excerpt
            let reason = "status \(response.status)" + (said.isEmpty ? "" : ": \(said)")
            switch response.status {
            case 429: return .limited(reason)
            // Credentials that are refused and services that are closed come back; rows need not go.
            case 401, 403, 503: return .outage(reason)
            case 408, 425, 500...599: return .failed(reason)
            default: return .refused(reason)
            }
        }
        let document = JSONValue(response.body)
        let id =
            provider.answerId.isEmpty
            ? nil : document?.values(at: provider.answerId[...]).first?.scalarText
        guard let recipients = provider.recipients, !recipients.failed.isEmpty, let document else {
            return .done(failed: [:], id: id)
        }
        let ids = document.values(at: recipients.failed[...]).map { $0.scalarText ?? "" }
        let reasons =
            recipients.reason.isEmpty
            ? [] : document.values(at: recipients.reason[...]).map { $0.scalarText ?? "" }
        var failed: [String: String] = [:]
        let known = Set(prepared.messages.compactMap(\.id))
        for (index, id) in ids.enumerated() where known.contains(id) {
            failed[id] = reasons.count == ids.count ? reasons[index] : "refused"
        }
        return .done(failed: failed, id: id)
    }

    /// What a request without an answer says.
    static func judge(_ failure: HTTPFailure) -> Answer {
        switch failure.kind {
        case .unreachable, .tls: .outage(failure.problem)
        case .timeout, .torn, .tooLarge, .status: .failed(failure.problem)
        case .file, .malformed: .refused(failure.problem)
        }
    }

    /// The messages of a request that could not even be made.
    func fallbackMessages(_ row: JSONValue) -> [Message] {
        let provider = settings.provider
        guard let recipients = provider.recipients else { return [.init(id: nil, fields: [])] }
        let name = provider.hasBody ? provider.bodyPrefix + recipients.list : recipients.list
        let items = row[name]?.items ?? []
        return items.map { item in
            Message(
                id: item[recipients.id]?.scalarText,
                fields: item.members.filter { !$0.value.hasParts && $0.value != .null })
        }
    }
}
