import HTTP
import StreamRuntime

/// Asks an HTTP service, for one key or many in a request.
public final class HTTPLookup: LookupTarget {
    /// What is asked.
    public struct Settings: Equatable, Sendable {
        /// The address that the path is added to.
        public var url: String
        /// What is asked.
        public var method = HTTPRequest.Method.get
        /// The path, with places for the parts of the key.
        public var path: LookupTemplate
        /// Headers of every request.
        public var headers: [HTTPHeader] = []
        /// Members of the body, texts with places for the parts of the key; none for no body.
        public var body: [Member] = []
        /// How connections are made.
        public var http = HTTPSettings()
        /// Statuses that say that nothing is known of a key.
        public var missing: [Int] = [404, 410, 204]
        /// How many keys go into a request; nil for one.
        public var batch: Batch?

        /// The service at `url`.
        public init(url: String, path: LookupTemplate) {
            self.url = url
            self.path = path
        }
    }

    /// A member of a body.
    public struct Member: Equatable, Sendable {
        /// Its name.
        public var name: String
        /// Its value.
        public var value: LookupTemplate

        /// The member `name`.
        public init(name: String, value: LookupTemplate) {
            self.name = name
            self.value = value
        }
    }

    /// Many keys in a request.
    public struct Batch: Equatable, Sendable {
        /// Keys at most.
        public var size: Int
        /// The member of the body that lists them, or of the query when there is no body: `?ids=1,2`.
        public var keys: String
        /// Where the answer lists what it has: names from the outside in; empty for the answer itself.
        public var answers: [String]
        /// The member of each that is its key.
        public var key: String

        /// Batches of at most `size` keys.
        public init(size: Int, keys: String, answers: [String], key: String) {
            self.size = size
            self.keys = keys
            self.answers = answers
            self.key = key
        }
    }

    private let settings: Settings
    private let fields: LookupFields
    private let client: HTTPClient
    private let clock: any Clock

    /// Asks as `settings` say; what comes is read as `fields`.
    public init(
        _ settings: Settings, fields: LookupFields, inFlight: Int,
        clock: any Clock = SystemClock()
    ) {
        self.settings = settings
        self.clock = clock
        self.fields = fields
        var http = settings.http
        http.connectionsKept = inFlight
        client = HTTPClient(http)
    }

    /// Questions of one request.
    public var batchMax: Int { settings.batch?.size ?? 1 }

    /// Asks.
    public func ask(_ questions: [LookupQuestion]) -> [LookupReply] {
        if let batch = settings.batch { return ask(questions, batch) }
        return questions.map { question in
            switch send(request(question.parts, keys: nil)) {
            case .failure(let reply): reply.reply
            case .success(let body): read(body)
            }
        }
    }

    private struct NoAnswer: Error {
        let reply: LookupReply
    }

    private func read(_ body: [UInt8]) -> LookupReply {
        let blank = body.allSatisfy { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        if blank || body == Array("null".utf8) { return .missing }
        return fields.read([body])[0]
    }

    private func ask(_ questions: [LookupQuestion], _ batch: Batch) -> [LookupReply] {
        let body: [UInt8]
        switch send(request(questions[0].parts, keys: questions.map(\.parts[0]))) {
        case .failure(let none): return questions.map { _ in none.reply }
        case .success(let read): body = read
        }
        guard let document = JSONValue(body) else {
            return questions.map { _ in .refused("the answer is no JSON document") }
        }
        var items = document.values(at: batch.answers[...])
        if items.count == 1, case .array(let inner) = items[0] { items = inner }
        var found: [String: JSONValue] = [:]
        for item in items {
            if let key = item[batch.key]?.scalarText { found[key] = item }
        }
        let known = questions.map { found[$0.parts[0].text] }
        let texts = known.compactMap { $0?.text }
        var replies = fields.read(texts).makeIterator()
        return known.map { $0 == nil ? .missing : replies.next()! }
    }

    private func request(_ parts: [LookupKey], keys: [LookupKey]?) -> HTTPRequest {
        var url = settings.url + settings.path.rendered(parts, encode: true)
        var members = settings.body.map { member in
            JSONValue.Member(
                member.name,
                member.value.onlyPart.map { HTTPLookup.json(parts[$0]) }
                    ?? .string(member.value.rendered(parts)))
        }
        if let keys, let batch = settings.batch {
            if settings.method == .get {
                url += url.contains("?") ? "&" : "?"
                url += batch.keys + "="
                url += keys.map { HTTPText.encode($0.text) }.joined(separator: ",")
            } else {
                members.append(.init(batch.keys, .array(keys.map(HTTPLookup.json))))
            }
        }
        var headers = settings.headers
        if !headers.contains(where: { $0.name.lowercased() == "accept" }) {
            headers.append(HTTPHeader("Accept", "application/json"))
        }
        if members.isEmpty { return HTTPRequest(settings.method, url, headers: headers) }
        headers.append(HTTPHeader("Content-Type", "application/json"))
        return HTTPRequest(
            settings.method, url, headers: headers, body: .bytes(JSONValue.object(members).text))
    }

    private static func json(_ key: LookupKey) -> JSONValue {
        switch key {
        case .text(let text): .string(text)
        case .integer(let number): .number("\(number)")
        }
    }

    private func send(_ request: HTTPRequest) -> Result<[UInt8], NoAnswer> {
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try client.send(request)
        } catch {
            let problem = error.problem
            switch error.kind {
            case .unreachable, .tls: return .failure(NoAnswer(reply: .outage(problem)))
            case .timeout, .torn, .status: return .failure(NoAnswer(reply: .failed(problem)))
            case .tooLarge, .file, .malformed:
                return .failure(NoAnswer(reply: .refused(problem)))
            }
        }
        if settings.missing.contains(response.status) {
            return .failure(NoAnswer(reply: .missing))
        }
        if response.isSuccess { return .success(response.body) }
        let said = response.excerpt
        let reason = "status \(response.status)" + (said.isEmpty ? "" : ": \(said)")
        switch response.status {
        case 429: return .failure(NoAnswer(reply: .limited(reason, until: until(response))))
        case 503:
            let wish = until(response)
            return .failure(
                NoAnswer(reply: wish == nil ? .outage(reason) : .limited(reason, until: wish)))
        case 401, 403: return .failure(NoAnswer(reply: .outage(reason)))
        case 408, 425, 500...599: return .failure(NoAnswer(reply: .failed(reason)))
        default: return .failure(NoAnswer(reply: .refused(reason)))
        }
    }
    /// Until when the service asks not to be asked.
    private func until(_ response: HTTPResponse) -> Int64? {
        RetryAfter.until(response, now: clock.nowMicros)
    }
}
