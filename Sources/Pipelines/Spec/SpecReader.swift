import Connectors
import HTTP
import Redis
import StreamRuntime

/// Turns checked nodes into typed values. What the shape checker has already complained of is left out
/// without another word; the few rules that no shape can state are told here.
struct SpecReader {
    let diagnostics: Diagnostics

    func read(_ root: SpecNode) -> PipelinesSpec {
        var spec = PipelinesSpec()
        if let job = root["job"] { spec.job = readJob(job) }
        spec.job.online = root["online"].flatMap(online)
        spec.connections = entries(root, "connections").compactMap(connection)
        spec.streams = entries(root, "streams").compactMap(stream)
        let pipelines = PipelineReader(diagnostics: diagnostics)
        spec.pipelines = entries(root, "pipelines").compactMap(pipelines.read)
        let features = FeatureReader(diagnostics: diagnostics)
        spec.entities = entries(root, "entities").compactMap(features.entity)
        spec.featureViews = entries(root, "feature_views").compactMap(features.featureView)
        spec.pushSources = entries(root, "push_sources").compactMap(features.pushSource)
        spec.onDemand = entries(root, "on_demand").compactMap(features.onDemand)
        spec.services = entries(root, "services").compactMap(features.service)
        spec.tests = TestReader(diagnostics: diagnostics).read(root["tests"])
        note("connections", root, spec.connections.map(\.name.value), &spec)
        note("streams", root, spec.streams.map(\.name.value), &spec)
        note("entities", root, spec.entities.map(\.name.value), &spec)
        note("feature_views", root, spec.featureViews.map(\.name.value), &spec)
        note("on_demand", root, spec.onDemand.map(\.name.value), &spec)
        note("pipelines", root, spec.pipelines.map(\.name.value), &spec)
        return spec
    }

    private func note(
        _ part: String, _ root: SpecNode, _ read: [String], _ spec: inout PipelinesSpec
    ) {
        for entry in entries(root, part) where !read.contains(entry.key) {
            spec.unreadable.insert("\(part)/\(entry.key)")
        }
    }

    private func entries(_ root: SpecNode, _ key: String) -> [SpecNode.Entry] {
        root[key]?.entries ?? []
    }

    private func readJob(_ node: SpecNode) -> JobSpec {
        var job = JobSpec()
        job.name = node["name"]?.text
        job.state = node["state"]?.text
        job.memoryBytes = node["memory"]?.text.flatMap(SpecScalars.size)
        job.workers = node["workers"]?.integer
        job.checkpointEvery = node["checkpoints"]?["every"]?.duration
        job.checkpointKeep = node["checkpoints"]?["keep"]?.integer
        job.checkpointStore = node["checkpoints"]?["store"].flatMap(store)
        job.serveHost = node["serve"]?["host"]?.text
        job.servePort = node["serve"]?["port"]?.integer
        job.serveCompat = node["serve"]?["compat"]?.text
        if let serve = node["serve"] {
            (job.serving, job.servedViews, job.servedStreams) =
                ServeReader(diagnostics: diagnostics).read(serve)
        }
        if let resp = node["serve"]?["resp"], let port = resp["port"]?.integer {
            job.serveResp = RESPSpec(
                port: port, project: resp["project"]?.text, password: resp["password"]?.text)
        }
        job.servedSample = node["serve"]?["log"].flatMap(servedSample)
        job.featureLog = node["feature_log"].map(featureLog)
        job.isServed = node["serve"] != nil
        job.restartAttempts = node["restart"]?["attempts"]?.integer
        job.restartWithin = node["restart"]?["within"]?.duration
        refuseZero(node["restart"]?["within"], "failures are counted within no time", "10m")
        job.shares = node["shares"].flatMap { shares in
            shares.integer.map { Located(value: $0, position: shares.position) }
        }
        refuseZero(node["checkpoints"]?["every"], "checkpoints cannot be 0s apart", "10s")
        return job
    }

    private func servedSample(_ node: SpecNode) -> PlannedServedSample? {
        guard let sample = node["sample"], let text = sample.text else { return nil }
        let number = text.hasSuffix("%") ? text.dropLast() : Substring(text)
        guard let value = Double(number), value > 0,
            value <= (text.hasSuffix("%") ? 100 : 1)
        else {
            diagnostics.report(
                .badValue, "\"\(text)\" is no share of the entities", at: sample.position,
                fix: "write a share such as 1% or 0.01")
            return nil
        }
        return PlannedServedSample(
            share: text.hasSuffix("%") ? value / 100 : value,
            topic: node["topic"]?.text ?? ServedLogWriter.usualTopic)
    }

    private func featureLog(_ node: SpecNode) -> FeatureLogSpec {
        var log = FeatureLogSpec()
        log.isNone = node.text == "none"
        log.connection = node["connection"]?.located
        log.keep = node["keep"]?.duration
        log.partitions = node["partitions"]?.integer
        log.views = (node["views"]?.entries ?? []).compactMap { entry in
            entry.value.duration.map { (entry.name, $0) }
        }
        log.without = (node["without"]?.oneOrMore ?? []).compactMap(\.located)
        return log
    }

    private func online(_ node: SpecNode) -> OnlineSpec? {
        node["redis"].flatMap(redis).map {
            OnlineSpec(redis: $0, project: node["project"]?.text)
        }
    }

    /// Tells of a duration that must be longer than none.
    private func refuseZero(_ node: SpecNode?, _ problem: String, _ example: String) {
        guard let node, node.duration == .zero else { return }
        diagnostics.report(
            .badDuration, problem, at: node.position,
            fix: "write a duration such as \(example)")
    }

    private func store(_ node: SpecNode) -> PlannedStore? {
        let address = node["s3"] ?? node
        guard let text = address.text else { return nil }
        if node["s3"] == nil, !text.contains("://") { return .directory(text) }
        guard text.hasPrefix("s3://"), text.count > 5, text.dropFirst(5).first != "/" else {
            diagnostics.report(
                .badValue, "\"\(text)\" is no store of checkpoints", at: address.position,
                fix: "write a directory, or s3://BUCKET/PREFIX")
            return nil
        }
        return .bucket(
            PlannedStore.Bucket(
                address: text, endpoint: node["endpoint"]?.text, region: node["region"]?.text,
                accessKey: node["access_key"]?.text, secretKey: node["secret_key"]?.text,
                sessionToken: node["session_token"]?.text, authorityFile: node["ca_file"]?.text))
    }

    private func connection(_ entry: SpecNode.Entry) -> ConnectionSpec? {
        let node = entry.value
        let kind: PlannedConnection.Kind
        if let root = node["embedded"]?.text {
            kind = .embedded(root: root)
        } else if let root = node["files"]?.text {
            kind = .files(root: root)
        } else if let kafka = node["kafka"], let bootstrap = kafka["bootstrap"]?.text {
            let properties = (kafka["properties"]?.entries ?? []).compactMap { entry in
                entry.value.text.map { PlannedConnection.Property(name: entry.key, value: $0) }
            }
            kind = .kafka(
                bootstrap: bootstrap, properties: properties.sorted { $0.name < $1.name })
        } else if let http = node["http"].flatMap(http) {
            kind = .http(http)
        } else if let redis = node["redis"].flatMap(redis) {
            kind = .redis(redis)
        } else {
            return nil
        }
        let limit = node["kafka"]?["outage_limit"]
        refuseZero(limit, "brokers cannot be gone for 0s: a request takes longer", "5m")
        return ConnectionSpec(
            name: entry.name, kind: kind,
            registry: node["kafka"]?["registry"].flatMap(SpecReader.registry),
            outageLimit: limit?.duration)
    }

    private func redis(_ node: SpecNode) -> RedisAddress? {
        guard let text = node.text else { return nil }
        do throws(RedisError) {
            return try RedisAddress(text)
        } catch {
            guard case .address(let problem, let remedy) = error else { return nil }
            diagnostics.report(.badValue, problem, at: node.position, fix: remedy)
            return nil
        }
    }

    private func http(_ node: SpecNode) -> PlannedHTTP? {
        guard let url = node["url"], let address = url.text else { return nil }
        guard address.hasPrefix("http://") || address.hasPrefix("https://") else {
            diagnostics.report(
                .badValue, "\"\(address)\" is no address of an HTTP service", at: url.position,
                fix: "write http://HOST:PORT or https://HOST")
            return nil
        }
        refuseZero(node["timeout"], "a request cannot end within 0s", "30s")
        refuseZero(node["connect_timeout"], "a connection cannot be made within 0s", "5s")
        var http = PlannedHTTP(url: address.hasSuffix("/") ? String(address.dropLast()) : address)
        http.headers = (node["headers"]?.entries ?? []).compactMap { entry in
            entry.value.text.map { HTTPHeader(entry.key, $0) }
        }
        if let timeout = node["timeout"]?.duration { http.timeout = timeout }
        if let timeout = node["connect_timeout"]?.duration { http.connectTimeout = timeout }
        http.user = node["user"]?.text
        http.password = node["password"]?.text
        http.authorityFile = node["ca_file"]?.text
        http.certificateFile = node["certificate_file"]?.text
        http.keyFile = node["key_file"]?.text
        return http
    }

    private static func registry(_ node: SpecNode) -> PlannedRegistry? {
        node["url"]?.text.map { url in
            PlannedRegistry(
                url: url, user: node["user"]?.text, password: node["password"]?.text,
                authorityFile: node["ca_file"]?.text,
                certificateFile: node["certificate_file"]?.text, keyFile: node["key_file"]?.text)
        }
    }

    private func stream(_ entry: SpecNode.Entry) -> StreamSpec? {
        let node = entry.value
        let origin: StreamSpec.Origin
        if let topic = node["from"]?["topic"]?.located {
            origin = .topic(topic)
        } else if let files = node["from"]?["files"]?.located {
            origin = .files(files)
        } else if let node = node["from"]?["poll"],
            let poll = ArrivalReader(diagnostics: diagnostics).poll(node)
        {
            origin = .poll(poll, topic: node["topic"]?.located, at: node.position)
        } else {
            return nil
        }
        guard let format = node["format"].flatMap(format), let time = node["time"],
            let timeField = time["field"]?.located,
            let disorder = time["out_of_orderness"]?.duration,
            let onError = node["on_error"].flatMap(SpecReader.policy)
        else { return nil }
        let declared = node["fields"]?.entries ?? []
        let fields = declared.compactMap { field($0, hasOwnPaths: format.hasOwnPaths) }
        return StreamSpec(
            name: entry.name, origin: origin, connection: node["from"]?["connection"]?.located,
            key: (node["from"]?["key"]?.oneOrMore ?? []).compactMap(\.located), format: format,
            formatPosition: node["format"]!.position, fields: fields,
            unreadableFields: Set(declared.map(\.key)).subtracting(fields.map(\.name.value)),
            timeField: timeField, outOfOrderness: disorder,
            idle: time["idle"]?.duration, onError: onError,
            ingest: node["ingest"].map {
                IngestReader(diagnostics: diagnostics).read($0, of: entry.key)
            }, ingestPosition: node.entry("ingest")?.keyPosition,
            watch: node["from"]?["watch"].map {
                ArrivalReader(diagnostics: diagnostics).watch(
                    $0, path: node["from"]?["files"]?.text ?? "")
            })
    }

    private func format(_ node: SpecNode) -> PlannedFormat? {
        if let word = node.text {
            return PlannedFormat.Kind(rawValue: word).map { PlannedFormat(kind: $0, options: []) }
        }
        guard let entry = node.entries.first, let kind = PlannedFormat.Kind(rawValue: entry.key)
        else { return nil }
        var options = entry.value.entries.compactMap { option -> PlannedFormat.Option? in
            let items = option.value.oneOrMore.compactMap(\.text)
            for item in option.value.oneOrMore
            where ["delimiter", "quote", "escape"].contains(option.key)
                && item.text?.utf8.count != 1
            {
                diagnostics.report(
                    .badValue, "\"\(option.key)\" must be one ASCII character", at: item.position,
                    fix: "write one character in quotes")
            }
            if option.key == "header", option.value.text == "false" {
                diagnostics.report(
                    .badValue, "without a line of names it is not known which column is which",
                    at: option.value.position, fix: "name the columns: header: [a, b, c]")
            }
            guard !items.isEmpty else { return nil }
            return .init(name: option.key, value: items.joined(separator: ","))
        }
        for column in entry.value["columns"]?.entries ?? [] {
            options.append(fixedColumn(column))
        }
        return PlannedFormat(kind: kind, options: options.sorted { $0.name < $1.name })
    }

    func field(_ entry: SpecNode.Entry, hasOwnPaths: Bool) -> FieldSpec? {
        let node = entry.value
        let written = node.text ?? node["type"]?.text
        guard let written, let type = try? TypeText.parse(written) else { return nil }
        var origin = PlannedField.Origin.value
        switch node["from"]?.text {
        case "key": origin = .key
        case "timestamp": origin = .timestamp
        case "offset": origin = .offset
        case "partition": origin = .partition
        case "file_name": origin = .header(FileSource.nameHeader)
        case "file_time": origin = .timestamp
        case .some(let text) where text.hasPrefix("header:"):
            origin = .header(String(text.dropFirst(7)))
        default: break
        }
        if let problem = SpecReader.mismatch(origin, type), let from = node["from"] {
            diagnostics.report(
                .badValue, "the field \"\(entry.key)\" is \(type), but \(problem)",
                at: from.position,
                fix: "change its type")
        }
        if let unit = node["unit"], type.hasNoTime, type != .date || unit.text != "basic" {
            diagnostics.report(
                .conflictingKeys, "\"unit\" is for timestamps; \"\(entry.key)\" is \(type)",
                at: unit.position, fix: "remove it, or write type: timestamp")
        }
        if let zone = node["zone"], let name = zone.text, LocalZone.named(name) == nil {
            diagnostics.report(
                .badValue, "there is no time zone \"\(name)\"", at: zone.position,
                fix: "write a name of the IANA database, such as Europe/Berlin")
        } else if let zone = node["zone"], type.hasNoTime {
            diagnostics.report(
                .conflictingKeys, "\"zone\" is for timestamps; \"\(entry.key)\" is \(type)",
                at: zone.position, fix: "remove it, or write type: timestamp")
        }
        let path = node["path"]?.text
        return FieldSpec(
            name: entry.name,
            path: path.map { text in
                hasOwnPaths ? [text] : text.split(separator: ".").map(String.init)
            } ?? [entry.key],
            type: type, isRequired: node["required"]?.text == "true",
            unit: node["unit"]?.text.flatMap(PlannedField.TimeUnit.init(rawValue:)), from: origin,
            zone: node["zone"]?.located)
    }

    /// A column of a fixed-width line, its place and the digits behind its point in one text.
    private func fixedColumn(_ entry: SpecNode.Entry) -> PlannedFormat.Option {
        let node = entry.value
        let place = node.text ?? node["at"]?.text ?? ""
        let decimals = node["decimals"]?.integer ?? 0
        if FixedWidthLayout.Column(entry.key, at: place) == nil {
            diagnostics.report(
                .badValue, "\"\(place)\" is not a range of positions",
                at: (node["at"] ?? node).position,
                fix: "count characters from 1: \(entry.key): \"1-6\"")
        }
        return .init(name: "columns.\(entry.key)", value: "\(place)/\(decimals)")
    }

    /// What an origin gives, when that is not of `type`.
    private static func mismatch(_ origin: PlannedField.Origin, _ type: ColumnType) -> String? {
        switch origin {
        case .value: nil
        case .timestamp: type == .timestamp ? nil : "a record's timestamp is a timestamp"
        case .offset, .partition: type == .int64 ? nil : "this is an int64"
        case .key, .header: type.isBytes ? nil : "a record's key and headers are string or bytes"
        }
    }

    static func policy(_ node: SpecNode) -> PolicySpec? {
        switch node.text {
        case "fail": .fail
        case "drop": .drop
        default: node["dead_letter"]?.located.map { .deadLetter($0) }
        }
    }
}

extension SpecNode {
    /// A scalar's text with variables put in.
    var text: String? { scalar?.text }

    var located: Located<String>? { text.map { Located(value: $0, position: position) } }

    var duration: Duration? { text.flatMap(SpecScalars.duration) }

    var integer: Int? { text.flatMap { Int($0) } }

    /// A scalar as an expression: its text as written, without variables.
    var expression: SpecExpression? {
        scalar.map {
            let isNothing = isNull && $0.raw.isEmpty
            return SpecExpression(
                scalar: $0, position: position, text: isNothing ? "null" : $0.raw)
        }
    }
}

extension SpecNode.Entry {
    var name: Located<String> { Located(value: key, position: keyPosition) }
}

extension ColumnType {
    /// Whether nothing in a value is a timestamp.
    fileprivate var hasNoTime: Bool {
        switch self {
        case .timestamp: false
        case .list(let element): element.hasNoTime
        case .structure(let fields): fields.allSatisfy(\.type.hasNoTime)
        default: true
        }
    }
}
