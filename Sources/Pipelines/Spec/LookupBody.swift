import Connectors
import HTTP
import StreamRuntime

/// A join step that asks a table elsewhere, as it is written.
struct LookupBody: Sendable {
    /// What is asked.
    enum Target: Sendable {
        case http(HTTP)
        case redis(connection: Located<String>, key: Located<String>, isJSON: Bool)
        case features(view: Located<String>, features: [Located<String>])
    }

    /// An HTTP service.
    struct HTTP: Sendable {
        let connection: Located<String>
        let path: Located<String>
        var method: HTTPRequest.Method?
        var headers: [HTTPHeader] = []
        var body: [(name: String, text: Located<String>)] = []
        var missing: [Int] = []
        var batch: Batch?
    }

    /// Many keys in a request.
    struct Batch: Sendable {
        let position: Position
        let size: Int
        let keys: String
        let answers: Located<String>?
        let key: String
    }

    let position: Position
    let target: Target
    let alias: Located<String>
    /// Columns of the rows, and what the table calls them.
    let on: [(left: Located<String>, right: Located<String>)]
    let type: Located<String>?
    /// What an answer must hold besides.
    let condition: SpecExpression?
    let answer: [FieldSpec]
    let answerPosition: Position?
    var ttl: Duration?
    var missingTtl: Duration?
    var cacheRows = 100_000
    var timeout: Duration?
    var retries = 3
    var giveUp = Duration.seconds(60)
    var inFlight = 16
    /// nil for the pipeline's own.
    var onError: PolicySpec?
    var takesFailureAsMissing = false
    /// How long answers are kept.
    var keep = Duration.seconds(90 * 86_400)
    var rate: RequestRate?
    var breaker: CircuitBreaker.Settings?
}

extension PipelineReader {
    /// Reads a join step with a `lookup`.
    func lookup(
        _ node: SpecNode, _ lookup: SpecNode,
        on: [(left: Located<String>, right: Located<String>)]
    ) -> StepSpec.Action? {
        let target: LookupBody.Target
        let name: String
        if let http = lookup["http"], let connection = http["connection"]?.located,
            let path = http["path"]?.located
        {
            var service = LookupBody.HTTP(connection: connection, path: path)
            service.method = http["method"]?.text.flatMap(HTTPRequest.Method.init)
            service.headers = (http["headers"]?.entries ?? []).compactMap { entry in
                entry.value.text.map { HTTPHeader(entry.key, $0) }
            }
            service.body = (http["body"]?.entries ?? []).compactMap { entry in
                entry.value.located.map { (entry.key, $0) }
            }
            service.missing = (http["missing"]?.items ?? []).compactMap(\.integer)
            if let batch = http["batch"], let size = batch["size"]?.integer,
                let keys = batch["keys"]?.text, let key = batch["key"]?.text
            {
                service.batch = LookupBody.Batch(
                    position: batch.position, size: size, keys: keys,
                    answers: batch["answers"]?.located, key: key)
            }
            target = .http(service)
            name = connection.value
        } else if let redis = lookup["redis"], let connection = redis["connection"]?.located,
            let key = redis["key"]?.located
        {
            target = .redis(
                connection: connection, key: key, isJSON: redis["read"]?.text == "json")
            name = connection.value
        } else if let features = lookup["features"], let view = features["view"]?.located {
            target = .features(
                view: view, features: (features["features"]?.items ?? []).compactMap(\.located))
            name = view.value
        } else {
            return nil
        }
        let fields = lookup["answer"]?.entries ?? []
        let reader = SpecReader(diagnostics: diagnostics)
        var body = LookupBody(
            position: lookup.position, target: target,
            alias: node["as"]?.located ?? Located(value: name, position: lookup.position), on: on,
            type: node["type"]?.located, condition: node["where"]?.expression,
            answer: fields.compactMap { reader.field($0, hasOwnPaths: false) },
            answerPosition: lookup["answer"]?.position)
        if body.answer.count < fields.count { return nil }
        if let cache = lookup["cache"] {
            guard let ttl = positive(cache["ttl"], "ttl") else { return nil }
            body.ttl = ttl
            if let missing = cache["missing_ttl"] {
                guard let read = positive(missing, "missing_ttl") else { return nil }
                body.missingTtl = read
            }
            body.cacheRows = cache["size"]?.integer ?? body.cacheRows
        }
        if let timeout = lookup["timeout"] {
            guard let read = positive(timeout, "timeout") else { return nil }
            body.timeout = read
        }
        if let keep = lookup["keep"] {
            guard let read = positive(keep, "keep") else { return nil }
            body.keep = read
        }
        let limits = LimitReader(diagnostics: diagnostics)
        body.rate = lookup["rate_limit"].flatMap(limits.rate)
        body.breaker = lookup["breaker"].map(limits.breaker)
        body.retries = lookup["retries"]?.integer ?? body.retries
        body.giveUp = lookup["give_up"]?.duration ?? body.giveUp
        body.inFlight = lookup["in_flight"]?.integer ?? body.inFlight
        body.takesFailureAsMissing = lookup["on_error"]?.text == "as_missing"
        body.onError = lookup["on_error"].flatMap(SpecReader.policy)
        return .lookup(body)
    }
}

extension PipelineSpec {
    /// The feature views its steps ask.
    var viewsAsked: [String] {
        steps.compactMap { step in
            guard case .lookup(let body) = step.action, case .features(let view, _) = body.target
            else { return nil }
            return view.value
        }
    }
}
