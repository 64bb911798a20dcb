import Codecs
import NIOCore
import StreamRuntime

/// Turns requests into answers; one per event loop.
///
/// - Note: `@unchecked Sendable` because it is made before its loop runs and used by that loop only.
final class Responder: @unchecked Sendable {
    private let engine: LookupEngine
    private let lookups: SlowLookups
    private let packer = RepeatGzip()
    private let writes: WriteQueue?
    private let materialize: MaterializeAnswer
    private let style: Compatibility
    private let rank: RankEngine
    private let rankings: SlowLookups
    private let registry: RegistryPages
    private let metrics: MetricsRegistry
    private let access: AccessRules
    private let ingest: IngestQueue?
    private let isHealthy: @Sendable () -> Bool
    private let answers: [Int: Counter]
    private let body = ByteArena(capacity: 1 << 14)

    init(
        engine: LookupEngine, rank: RankEngine, rankings: SlowLookups, registry: RegistryPages,
        lookups: SlowLookups,
        writes: WriteQueue?, materialize: MaterializeAnswer, style: Compatibility,
        metrics: MetricsRegistry, access: AccessRules = .open, ingest: IngestQueue? = nil,
        isHealthy: @escaping @Sendable () -> Bool
    ) {
        self.engine = engine
        self.rank = rank
        self.rankings = rankings
        self.registry = registry
        self.lookups = lookups
        self.writes = writes
        self.materialize = materialize
        self.style = style
        self.metrics = metrics
        self.access = access
        self.ingest = ingest
        self.isHealthy = isHealthy
        answers = Dictionary(
            uniqueKeysWithValues: Responder.reasons.keys.map { status in
                (
                    status,
                    metrics.counter(
                        "millrace_http_answers_total", help: "Answers, by status.",
                        labels: [("status", "\(status)")])
                )
            })
    }

    /// Appends the answer to a whole request to `output`.
    ///
    /// - Returns: what to wait for, when the answer takes longer; `write(_:keepsAlive:into:)` is for then.
    func respond(
        _ head: HTTPRequestHead, _ request: UnsafeBufferPointer<UInt8>, for caller: AccessCaller,
        keepsAlive: Bool,
        on loop: any EventLoop, into output: inout ByteBuffer
    ) -> EventLoopFuture<WriteQueue.Reply>? {
        body.count = 0
        var status = 200
        var allow: StaticString?
        var type: StaticString? = "application/json"
        var packed: UnsafeBufferPointer<UInt8>?
        switch (head.route, head.method) {
        case (.lookup, .post):
            var stage = LookupStage.prompt
            stage.details = head.wantsDetails
            stage.caller = caller
            stage.packs = head.acceptsGzip
            switch engine.attempt(request, stage, into: body) {
            case .answered(let given):
                status = given
                packed = pack()
            case .deferred(let deferral):
                return lookups.finish(
                    Array(request), deferral, engine: engine, stage: stage, on: loop)
            }
        case (.push, .post), (.write, .post):
            let kind: WriteQueue.Kind = head.route == .push ? .push : .view
            if let writes { return writes.submit(kind, json: request, for: caller, on: loop) }
            LookupProblem.noWrites.append(to: body, style: style)
            status = LookupProblem.noWrites.status(style)
        case (.rank, .post):
            var stage = LookupStage.prompt
            stage.name = head.name
            stage.caller = caller
            switch rank.attempt(request, stage, into: body) {
            case .answered(let given): status = given
            case .deferred(let deferral):
                return rankings.finish(
                    Array(request), deferral, engine: rank, stage: stage, on: loop)
            }
        case (.health, .get), (.health, .head):
            status = isHealthy() ? 200 : 503
            type = nil
            if style == .go {
                type = "text/plain"
                JSONText.append(status == 200 ? "Healthy" : "Not healthy", to: body)
            }
        case (.metrics, .get) where !caller.isAdmin, (.metrics, .head) where !caller.isAdmin,
            (.registry, .get) where !caller.isAdmin, (.registry, .head) where !caller.isAdmin,
            (.materialize, .post) where !caller.isAdmin:
            status = LookupProblem.notAdmin.status
            LookupProblem.notAdmin.append(to: body)
        case (.materialize, .post): status = materialize.answer(request, into: body)
        case (.metrics, .get), (.metrics, .head):
            type = "text/plain; version=0.0.4; charset=utf-8"
            var text = metrics.render()
            text.withUTF8 { if $0.count > 0 { body.append($0.baseAddress!, $0.count) } }
        case (.registry, .get), (.registry, .head):
            if var page = registry.page(head.name) {
                page.withUTF8 { if $0.count > 0 { body.append($0.baseAddress!, $0.count) } }
            } else {
                status = 404
                JSONText.append("{\"detail\":\"Not Found\"}", to: body)
            }
        case (.unknown, _), (.ingest, .post):
            status = 404
            JSONText.append("{\"detail\":\"Not Found\"}", to: body)
        default:
            status = 405
            switch head.route {
            case .health, .metrics, .registry: allow = "GET, HEAD"
            default: allow = "POST"
            }
            JSONText.append("{\"detail\":\"Method Not Allowed\"}", to: body)
        }
        write(
            status, type: type, allow: allow, packed: packed, keepsAlive: keepsAlive,
            sendsBody: head.method != .head, into: &output)
        return nil
    }

    /// Takes a request that brings records; nil when the answer is in `output` already.
    func ingest(
        _ head: HTTPRequestHead, _ fields: IngestHead, _ request: UnsafeBufferPointer<UInt8>,
        for caller: AccessCaller, keepsAlive: Bool, on loop: any EventLoop,
        into output: inout ByteBuffer
    ) -> EventLoopFuture<WriteQueue.Reply>? {
        guard head.method == .post, let ingest, let rules = ingest.rules(of: head.name) else {
            return respond(
                head, request, for: caller, keepsAlive: keepsAlive, on: loop, into: &output)
        }
        guard rules.isSigned || caller.mayIngest(head.name) else {
            body.count = 0
            LookupProblem.mayNotIngest(head.name).append(to: body)
            write(
                403, type: "application/json", allow: nil, keepsAlive: keepsAlive,
                sendsBody: true, into: &output)
            return nil
        }
        return ingest.submit(
            IngestRequest(stream: head.name, head: fields, body: Array(request)), on: loop)
    }

    /// The largest body that is taken with this head.
    func bodyBytesMax(_ head: HTTPRequestHead, _ limits: ServerLimits) -> Int {
        guard head.route == .ingest, let rules = ingest?.rules(of: head.name) else {
            return limits.bodyBytes
        }
        return rules.bodyBytesMax
    }

    /// Gzip of a body from which repetitions were left out; nil for a whole one.
    private func pack() -> UnsafeBufferPointer<UInt8>? {
        let repeats = engine.repeats
        guard !repeats.isEmpty else { return nil }
        return packer.encode(
            UnsafeBufferPointer(start: body.base, count: body.count), repeats: repeats)
    }

    /// Appends an answer that was waited for; nil for work that was given up.
    func write(_ reply: WriteQueue.Reply?, keepsAlive: Bool, into output: inout ByteBuffer) {
        body.count = 0
        let status = reply?.status ?? LookupProblem.busy.status(style)
        if let reply {
            reply.body.withUnsafeBufferPointer {
                if let base = $0.baseAddress { body.append(base, $0.count) }
            }
        } else {
            LookupProblem.busy.append(to: body, style: style)
        }
        write(
            status, type: body.count > 0 ? "application/json" : nil, allow: nil,
            retryAfter: reply?.retryAfter, keepsAlive: keepsAlive, sendsBody: true, into: &output)
    }

    /// Who makes the request; health is told to anyone.
    func admit(
        _ head: HTTPRequestHead, _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(AccessProblem) -> AccessCaller {
        if access.isOpen || head.route == .health { return .anyone }
        // A signature says who it is; its sender has no key of ours.
        if head.route == .ingest, ingest?.rules(of: head.name)?.isSigned == true { return .anyone }
        guard let secret = head.secret else { throw .noKey }
        return try access.admit(
            access.caller(presenting: UnsafeBufferPointer(rebasing: bytes[secret])),
            nowNanos: WallClock.monotonicNanos())
    }

    /// Appends the answer to one who is not let in.
    func refuse(_ problem: AccessProblem, keepsAlive: Bool, into output: inout ByteBuffer) {
        body.count = 0
        JSONText.append("{\"detail\":", to: body)
        JSONText.append(string: problem.message, to: body)
        JSONText.append("}", to: body)
        var retry: Int64?
        var status = 401
        if case .tooMany(let wait) = problem {
            status = 429
            retry = max(1, (wait + 999_999_999) / 1_000_000_000)
        }
        write(
            status, type: "application/json", allow: nil, retryAfter: retry,
            keepsAlive: keepsAlive, sendsBody: true, into: &output)
    }

    /// Appends the answer to what was no request; the connection closes after it.
    func refuse(_ status: Int, _ reason: String, into output: inout ByteBuffer) {
        body.count = 0
        JSONText.append("{\"detail\":", to: body)
        JSONText.append(string: reason, to: body)
        JSONText.append("}", to: body)
        write(
            status, type: "application/json", allow: nil, keepsAlive: false, sendsBody: true,
            into: &output)
    }

    private func write(
        _ status: Int, type: StaticString?, allow: StaticString?, retryAfter: Int64? = nil,
        packed: UnsafeBufferPointer<UInt8>? = nil, keepsAlive: Bool, sendsBody: Bool,
        into output: inout ByteBuffer
    ) {
        answers[status]?.add()
        let length = packed?.count ?? body.count
        output.reserveCapacity(minimumWritableBytes: length + 256)
        if status == 200 {
            output.writeStaticString("HTTP/1.1 200 OK")
        } else {
            output.writeString("HTTP/1.1 \(status) \(Responder.reasons[status] ?? "Refused")")
        }
        if let type {
            output.writeStaticString("\r\ncontent-type: ")
            output.writeStaticString(type)
        }
        if packed != nil { output.writeStaticString("\r\ncontent-encoding: gzip") }
        if let allow {
            output.writeStaticString("\r\nallow: ")
            output.writeStaticString(allow)
        }
        if status == 401 { output.writeStaticString("\r\nwww-authenticate: Bearer") }
        if let retryAfter { output.writeString("\r\nretry-after: \(retryAfter)") }
        if !keepsAlive { output.writeStaticString("\r\nconnection: close") }
        output.writeStaticString("\r\ncontent-length: ")
        let end = body.count
        JSONText.append(integer: Int64(length), to: body)
        output.writeBytes(UnsafeRawBufferPointer(start: body.base + end, count: body.count - end))
        output.writeStaticString("\r\n\r\n")
        if sendsBody {
            output.writeBytes(
                UnsafeRawBufferPointer(
                    packed ?? UnsafeBufferPointer(start: body.base, count: length)))
        }
    }

    private static let reasons: [Int: String] = [
        200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        408: "Request Timeout", 409: "Conflict", 413: "Content Too Large",
        415: "Unsupported Media Type", 417: "Expectation Failed",
        429: "Too Many Requests", 422: "Unprocessable Content",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
        505: "HTTP Version Not Supported",
    ]
}
