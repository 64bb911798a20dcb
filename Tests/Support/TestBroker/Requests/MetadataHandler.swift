/// Answers which versions of requests there are, which nodes, and which topics.
final class MetadataHandler: RequestHandler {
    let apis: [API] = [.apiVersions, .metadata]
    private let registry: TopicRegistry
    private let cluster: Cluster
    private let settings: BrokerSettings
    /// The APIs that some handler answers.
    var answered: [API] = []

    init(_ registry: TopicRegistry, _ cluster: Cluster, _ settings: BrokerSettings) {
        self.registry = registry
        self.cluster = cluster
        self.settings = settings
    }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        if header.api == .apiVersions {
            reply(versions(header))
        } else {
            reply(try metadata(&request, header))
        }
    }

    /// The versions; for one who asks in a version that is not known, in version 0.
    func versions(_ header: RequestHeader) -> ResponseWriter {
        let isKnown = API.apiVersions.versions.contains(header.version)
        let version = isKnown ? header.version : 0
        var answer = ResponseWriter(isFlexible: version >= API.apiVersions.firstFlexible)
        answer.error(isKnown ? .none : .unsupportedVersion)
        answer.array(answered.sorted { $0.rawValue < $1.rawValue }) { answer, api in
            answer.int16(api.rawValue)
            answer.int16(api.versions.lowerBound)
            answer.int16(api.versions.upperBound)
            answer.tags()
        }
        if version >= 1 { answer.int32(0) }
        answer.tags()
        return answer
    }

    private func metadata(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let version = header.version
        let wanted = try request.nullableArray { (item) throws(WireFailure) in
            let name = try item.string()
            try item.tags()
            return name
        }
        let mayCreate = version >= 4 ? try request.bool() : true
        if mayCreate, let partitions = settings.autoCreatePartitions {
            for name in wanted ?? []
            where registry.problem(creating: name, partitions: partitions, [:]) == nil {
                _ = try? registry.create(name, partitions: partitions)
            }
        }
        var answer = ResponseWriter(answering: header)
        if version >= 3 { answer.int32(0) }
        answer.array(cluster.nodes) { answer, node in
            answer.int32(node.id)
            answer.string(node.host)
            answer.int32(node.port)
            answer.nullableString(nil)
            answer.tags()
        }
        if version >= 2 { answer.nullableString("millrace-test-broker") }
        answer.int32(cluster.nodes[0].id)
        answer.array(wanted ?? registry.topics.keys.sorted()) { answer, name in
            self.write(name, version, &answer)
        }
        if version >= 8 { answer.int32(.min) }
        answer.tags()
        return answer
    }

    private func write(_ name: String, _ version: Int16, _ answer: inout ResponseWriter) {
        let topic = registry.topics[name]
        answer.error(topic == nil ? .unknownTopicOrPartition : .none)
        answer.string(name)
        answer.bool(false)
        answer.array(topic?.partitions ?? []) { answer, partition in
            answer.error(.none)
            answer.int32(partition.id.partition)
            answer.int32(partition.leader)
            if version >= 7 { answer.int32(partition.log.leaderEpoch) }
            answer.array([partition.leader]) { $0.int32($1) }
            answer.array([partition.leader]) { $0.int32($1) }
            if version >= 5 { answer.arrayCount(0) }
            answer.tags()
        }
        if version >= 8 { answer.int32(.min) }
        answer.tags()
    }
}
