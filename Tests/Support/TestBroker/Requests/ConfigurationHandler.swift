/// Shows and changes the settings of topics, and shows those of the broker.
final class ConfigurationHandler: RequestHandler {
    let apis: [API] = [.describeConfigs, .alterConfigs, .incrementalAlterConfigs]
    private static let topicKind: Int8 = 2
    private static let brokerKind: Int8 = 4
    private let registry: TopicRegistry
    private let settings: BrokerSettings

    init(_ registry: TopicRegistry, _ settings: BrokerSettings) {
        self.registry = registry
        self.settings = settings
    }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        if header.api == .describeConfigs {
            reply(try describe(&request, header))
        } else {
            reply(try alter(&request, header))
        }
    }

    // MARK: DescribeConfigs

    private struct Shown {
        var name: String
        var value: String
        var isReadOnly: Bool
        /// 1: set on the topic, 4: the broker's, 5: the default.
        var source: Int8
        var type: Int8
    }

    private func shown(_ kind: Int8, _ name: String) -> (ErrorCode, [Shown]) {
        switch kind {
        case ConfigurationHandler.topicKind:
            guard let topic = registry.topics[name] else { return (.unknownTopicOrPartition, []) }
            return (
                .none,
                TopicSetting.allCases.map {
                    Shown(
                        name: $0.rawValue, value: registry.value(of: $0, topic), isReadOnly: false,
                        source: topic.configuration[$0.rawValue] == nil ? 5 : 1, type: $0.type)
                }
            )
        case ConfigurationHandler.brokerKind:
            let values: [(String, Int64, Int8)] = [
                ("group.initial.rebalance.delay.ms", Int64(settings.groupInitialDelayMillis), 3),
                ("group.max.session.timeout.ms", Int64(settings.groupMaxSessionMillis), 3),
                ("group.min.session.timeout.ms", Int64(settings.groupMinSessionMillis), 3),
                ("log.retention.ms", settings.retentionMillis, 5),
                ("log.segment.bytes", Int64(settings.segmentBytes), 3),
                ("message.max.bytes", Int64(settings.messageMaxBytes), 3),
                ("transaction.max.timeout.ms", Int64(settings.transactionMaxTimeoutMillis), 3),
            ]
            return (
                .none,
                values.map {
                    Shown(
                        name: $0.0, value: String($0.1), isReadOnly: true, source: 4, type: $0.2)
                }
            )
        default: return (.invalidRequest, [])
        }
    }

    private func describe(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let version = header.version
        let resources = try request.array { (item) throws(WireFailure) in
            let kind = try item.int8()
            let name = try item.string()
            let keys = try item.nullableArray { (item) throws(WireFailure) in try item.string() }
            try item.tags()
            return (kind: kind, name: name, keys: keys)
        }
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(resources) { answer, resource in
            let (code, all) = self.shown(resource.kind, resource.name)
            answer.error(code)
            answer.nullableString(code == .none ? nil : "there is no \(resource.name)")
            answer.int8(resource.kind)
            answer.string(resource.name)
            let wanted = all.filter { resource.keys?.contains($0.name) ?? true }
            answer.array(wanted) { answer, shown in
                answer.string(shown.name)
                answer.nullableString(shown.value)
                answer.bool(shown.isReadOnly)
                answer.int8(shown.source)
                answer.bool(false)
                answer.arrayCount(0)
                if version >= 3 {
                    answer.int8(shown.type)
                    answer.nullableString(nil)
                }
                answer.tags()
            }
            answer.tags()
        }
        answer.tags()
        return answer
    }

    // MARK: AlterConfigs, IncrementalAlterConfigs

    private enum Change: Int8 {
        case set = 0
        case delete = 1
    }

    private func alter(
        _ request: inout RequestReader, _ header: RequestHeader
    ) throws(WireFailure) -> ResponseWriter {
        let isIncremental = header.api == .incrementalAlterConfigs
        let resources = try request.array { (item) throws(WireFailure) in
            let kind = try item.int8()
            let name = try item.string()
            let changes = try item.array { (item) throws(WireFailure) in
                let setting = try item.string()
                let change = isIncremental ? Change(rawValue: try item.int8()) : .set
                let value = try item.nullableString()
                try item.tags()
                return (setting: setting, change: change, value: value)
            }
            try item.tags()
            return (kind: kind, name: name, changes: changes)
        }
        let isTrial = try request.bool()
        var answer = ResponseWriter(answering: header)
        answer.int32(0)
        answer.array(resources) { answer, resource in
            var code = ErrorCode.none
            var message: String?
            if resource.kind != ConfigurationHandler.topicKind {
                code = .invalidRequest
                message = "the settings of this broker are given when it is started"
            } else if let topic = self.registry.topics[resource.name] {
                var new = isIncremental ? topic.configuration : [:]
                for (setting, change, value) in resource.changes {
                    switch change {
                    case .set: new[setting] = value
                    case .delete: new[setting] = nil
                    case nil:
                        code = .invalidRequest
                        message = "append and subtract are not known here"
                    }
                }
                if code == .none { (code, message) = self.apply(new, topic, isTrial: isTrial) }
            } else {
                code = .unknownTopicOrPartition
            }
            answer.error(code)
            answer.nullableString(message)
            answer.int8(resource.kind)
            answer.string(resource.name)
            answer.tags()
        }
        answer.tags()
        return answer
    }

    private func apply(
        _ new: [String: String], _ topic: Topic, isTrial: Bool
    ) -> (ErrorCode, String?) {
        if let problem = registry.problem(with: new) { return problem }
        if isTrial { return (.none, nil) }
        do throws(BrokerFailure) {
            try registry.configure(topic, new)
            return (.none, nil)
        } catch {
            return (.storageError, error.description)
        }
    }
}
