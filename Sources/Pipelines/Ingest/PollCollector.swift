import Connectors
import FeatureServe
import HTTP
import StreamRuntime
import Synchronization

/// Polls an HTTP service into a stream's topic, page by page; what one page brought is never lost, and the
/// next request begins where the last committed page ended.
///
/// - Note: used by one thread at a time, but for its figures.
final class PollCollector: Collector, @unchecked Sendable {
    let name: String
    private let poll: PlannedPoll
    private let base: String
    private let client: HTTPClient
    private let log: LedgeredLog
    private var state: PollState
    private var refusals = 0
    private let polls = Atomic<Int64>(0)
    private let pages = Atomic<Int64>(0)
    private let records = Atomic<Int64>(0)
    private let failures = Atomic<Int64>(0)
    private let lastSuccess = Atomic<Int64>(0)

    /// Refusals of one page after which its cursor is taken for stale.
    private static let refusalsMax = 3

    /// A collector for `source`, which goes on where its ledger stands.
    init(_ source: PlannedSource, plan: JobPlan) throws(JobFailure) {
        guard let poll = source.poll else { preconditionFailure("the stream is polled") }
        name = source.name
        var settings = HTTPSettings()
        var headers: [HTTPHeader] = []
        if let connection = poll.connection.flatMap({ plan.connection($0) }),
            case .http(let service) = connection.kind
        {
            base = service.url
            settings = service.settings
            headers = service.headers
        } else {
            base = ""
        }
        settings.bodyBytesMax = poll.bodyBytesMax
        var whole = poll
        whole.headers = headers + poll.headers
        self.poll = whole
        client = HTTPClient(settings)
        log = try LedgeredLog(source, plan: plan, partitions: poll.partitions)
        guard let state = PollState(log.ledger.text) else {
            throw JobFailure(
                .corruption, "the ledger does not tell how far \(name) has been polled",
                at: ArrivalPlace.ledger(plan.settings.stateDirectory, stream: name),
                remedy: "remove it: everything is then asked for once more")
        }
        self.state = state
    }

    var everyMicros: Int64 { poll.every.micros }

    /// Polls once, all pages; false: nothing is left to wait for.
    ///
    /// - Throws: when a request fails; the next round goes on with the page that did.
    func round(nowMicros: Int64, isStopping: () -> Bool) throws(JobFailure) -> Bool {
        if state.beganMicros == nil {
            state.beganMicros = nowMicros
            state.page = 0
            state.items = 0
            state.cursor = ""
        }
        do throws(JobFailure) {
            while state.beganMicros != nil, !isStopping() { try page(nowMicros) }
            return false
        } catch {
            failures.wrappingAdd(1, ordering: .relaxed)
            try log.discard()
            throw error
        }
    }

    private func page(_ nowMicros: Int64) throws(JobFailure) {
        let request = state.request(poll, base: base)
        let answer = try send(request)
        let parts = poll.items != nil || poll.paging != .none || poll.key != nil
        let json = parts ? JSONParts(answer.body) : nil
        guard !parts || json != nil else {
            throw failure(request, "the answer is not JSON: \(answer.excerpt)")
        }
        var count = 1
        if let path = poll.items {
            guard let place = json!.value(at: path), let all = json!.elements(of: place) else {
                throw failure(
                    request, "the answer has no array at \(path.joined(separator: "."))")
            }
            count = all.count
            for range in all { try append(json!.raw(range), nowMicros) }
        } else if !answer.body.isEmpty {
            try append(answer.body, nowMicros)
        }
        var next = state
        next.page += 1
        next.items += count
        next.cursor = self.next(answer, json, from: request.url, count: count) ?? ""
        let isLast: Bool =
            switch poll.paging {
            case .none: true
            case .page, .offset: count == 0
            case .cursor, .next, .link: next.cursor.isEmpty || next.cursor == state.cursor
            }
        guard isLast || next.page < PlannedPoll.pagesMax else {
            throw failure(request, "there are more than \(PlannedPoll.pagesMax) pages")
        }
        if isLast {
            next = PollState()
            next.sinceMicros = state.beganMicros ?? nowMicros
        }
        try log.commit(next.text)
        state = next
        refusals = 0
        pages.wrappingAdd(1, ordering: .relaxed)
        if isLast {
            polls.wrappingAdd(1, ordering: .relaxed)
            lastSuccess.store(nowMicros, ordering: .relaxed)
        }
    }

    private func send(_ request: HTTPRequest) throws(JobFailure) -> HTTPResponse {
        let answer: HTTPResponse
        do throws(HTTPFailure) {
            answer = try client.send(request)
        } catch {
            throw failure(request, error.problem)
        }
        if answer.isSuccess { return answer }
        if [400, 404, 409, 410, 422].contains(answer.status), !state.cursor.isEmpty {
            refusals += 1
            if refusals >= PollCollector.refusalsMax {
                // The cursor is stale: from the first page on, of the same time.
                refusals = 0
                state.beganMicros = nil
            }
        }
        let wish = answer.header("retry-after").flatMap { Int($0) }
        throw failure(
            request, "it answers \(answer.status): \(answer.excerpt)",
            afterMillis: wish.map { min($0, 3600) * 1000 })
    }

    private func next(
        _ answer: HTTPResponse, _ json: JSONParts?, from url: String, count: Int
    ) -> String? {
        switch poll.paging {
        case .none, .page, .offset: return nil
        case .link:
            return PollState.next(inLink: answer.header("link")).map {
                PollState.resolve($0, from: url)
            }
        case .cursor(let path, _, _): return text(path, json)
        case .next(let path): return text(path, json).map { PollState.resolve($0, from: url) }
        }
    }

    private func text(_ path: [String], _ json: JSONParts?) -> String? {
        guard let json, let place = json.value(at: path), let text = json.text(place),
            !text.isEmpty
        else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    private func append(_ item: [UInt8], _ nowMicros: Int64) throws(JobFailure) {
        var key: [UInt8]?
        if let path = poll.key, let json = JSONParts(item) {
            key = json.value(at: path).flatMap { json.text($0) }
        }
        let began = PollState.iso(state.beganMicros ?? nowMicros)
        try log.append(
            ArrivalRecord(
                key: key, value: item, timestamp: nowMicros,
                headers: [.init(PlannedPoll.timeHeader, Array(began.utf8))]),
            fallback: state.page)
        records.wrappingAdd(1, ordering: .relaxed)
    }

    private func failure(
        _ request: HTTPRequest, _ problem: String, afterMillis: Int? = nil
    ) -> JobFailure {
        JobFailure(
            .source, problem, at: "\(name), polled from \(request.host)",
            remedy: "check the service, the address and the credentials; it is asked again",
            recovery: afterMillis.map { .retry(afterMillis: $0) } ?? .stopAndAsk)
    }

    func close() { log.close() }

    func register(in registry: MetricsRegistry) {
        let labels = [MetricsRegistry.Label("stream", name)]
        func show(
            _ figure: String, _ help: String, _ read: @escaping @Sendable (PollCollector) -> Int64
        ) {
            registry.reading(
                "millrace_poll_\(figure)", help: help, labels: labels, grows: true
            ) { [weak self] in self.map { Double(read($0)) } }
        }
        show("polls_total", "Polls that came to their end.") { $0.polls.load(ordering: .relaxed) }
        show("pages_total", "Answers that were taken.") { $0.pages.load(ordering: .relaxed) }
        show("records_total", "Records of answers.") { $0.records.load(ordering: .relaxed) }
        show("failures_total", "Requests that failed.") { $0.failures.load(ordering: .relaxed) }
        registry.reading(
            "millrace_poll_last_success_seconds",
            help: "When the last poll that came to its end was asked, in seconds since 1970.",
            labels: labels
        ) { [weak self] in
            self.flatMap {
                let micros = $0.lastSuccess.load(ordering: .relaxed)
                return micros == 0 ? nil : Double(micros) / 1e6
            }
        }
    }
}
