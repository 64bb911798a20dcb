/// The settings of a topic that this broker knows.
///
/// - Source: https://kafka.apache.org/documentation/#topicconfigs.
enum TopicSetting: String, CaseIterable {
    case cleanupPolicy = "cleanup.policy"
    case compressionType = "compression.type"
    case deleteRetentionMillis = "delete.retention.ms"
    case maxMessageBytes = "max.message.bytes"
    case messageTimestampType = "message.timestamp.type"
    case minInSyncReplicas = "min.insync.replicas"
    case retentionBytes = "retention.bytes"
    case retentionMillis = "retention.ms"
    case segmentBytes = "segment.bytes"
    case segmentMillis = "segment.ms"

    /// The type's number in the answer to DescribeConfigs.
    var type: Int8 {
        switch self {
        case .compressionType, .messageTimestampType: 2
        case .maxMessageBytes, .minInSyncReplicas, .segmentBytes: 3
        case .deleteRetentionMillis, .retentionBytes, .retentionMillis, .segmentMillis: 5
        case .cleanupPolicy: 7
        }
    }

    func standard(_ settings: BrokerSettings) -> String {
        switch self {
        case .cleanupPolicy: "delete"
        case .compressionType: "producer"
        case .deleteRetentionMillis: "86400000"
        case .maxMessageBytes: String(settings.messageMaxBytes)
        case .messageTimestampType: "CreateTime"
        case .minInSyncReplicas: "1"
        case .retentionBytes: "-1"
        case .retentionMillis: String(settings.retentionMillis)
        case .segmentBytes: String(settings.segmentBytes)
        case .segmentMillis: "604800000"
        }
    }

    /// Why a value cannot be; nil when it can.
    func problem(_ value: String) -> String? {
        switch self {
        case .cleanupPolicy:
            let known = ["compact", "delete"]
            let isKnown = value.split(separator: ",").allSatisfy { known.contains(String($0)) }
            return isKnown && !value.isEmpty ? nil : "\(rawValue) is delete, compact or both"
        case .compressionType:
            let known = ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]
            return known.contains(value) ? nil : "\(rawValue) is one of \(known)"
        case .messageTimestampType:
            return value == "CreateTime" ? nil : "this broker keeps the time of creation only"
        default:
            guard let number = Int64(value) else { return "\(rawValue) is a whole number" }
            return number >= -1 ? nil : "\(rawValue) is -1 or more"
        }
    }
}
