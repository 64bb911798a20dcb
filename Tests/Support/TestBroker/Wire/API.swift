/// The requests of Kafka's protocol that this broker answers, by their number.
///
/// - Source: https://kafka.apache.org/protocol#protocol_api_keys; the versions are those that librdkafka
///   2.0 to 2.16 and kcat choose between.
public enum API: Int16, Sendable, CaseIterable {
    case produce = 0
    case fetch = 1
    case listOffsets = 2
    case metadata = 3
    case offsetCommit = 8
    case offsetFetch = 9
    case findCoordinator = 10
    case joinGroup = 11
    case heartbeat = 12
    case leaveGroup = 13
    case syncGroup = 14
    case describeGroups = 15
    case listGroups = 16
    case saslHandshake = 17
    case apiVersions = 18
    case createTopics = 19
    case deleteTopics = 20
    case deleteRecords = 21
    case initProducerId = 22
    case offsetForLeaderEpoch = 23
    case addPartitionsToTxn = 24
    case addOffsetsToTxn = 25
    case endTxn = 26
    case txnOffsetCommit = 28
    case describeConfigs = 32
    case alterConfigs = 33
    case saslAuthenticate = 36
    case createPartitions = 37
    case deleteGroups = 42
    case incrementalAlterConfigs = 44
    case offsetDelete = 47

    /// The versions that are answered.
    var versions: ClosedRange<Int16> {
        switch self {
        // Versions below 3 are refused when used; librdkafka compresses nothing unless they are named.
        case .produce: 0...8
        case .fetch: 4...11
        case .listOffsets: 1...7
        case .metadata: 1...9
        case .offsetCommit: 0...8
        case .offsetFetch: 1...8
        case .findCoordinator: 0...4
        case .joinGroup: 0...9
        case .heartbeat: 0...4
        case .leaveGroup: 0...5
        case .syncGroup: 0...5
        case .describeGroups: 0...5
        case .listGroups: 0...4
        case .saslHandshake: 0...1
        case .saslAuthenticate: 0...1
        case .apiVersions: 0...3
        case .createTopics: 2...5
        case .deleteTopics: 1...4
        case .deleteRecords: 0...2
        case .initProducerId: 0...4
        case .offsetForLeaderEpoch: 2...4
        case .addPartitionsToTxn: 0...3
        case .addOffsetsToTxn: 0...3
        case .endTxn: 0...3
        case .txnOffsetCommit: 0...3
        case .describeConfigs: 1...4
        case .alterConfigs: 0...2
        case .createPartitions: 0...3
        case .deleteGroups: 0...2
        case .incrementalAlterConfigs: 0...1
        case .offsetDelete: 0...0
        }
    }

    /// The first version with compact lengths and tagged fields.
    var firstFlexible: Int16 {
        switch self {
        case .produce, .metadata: 9
        case .fetch: 12
        case .listOffsets, .offsetFetch, .joinGroup: 6
        case .offsetCommit: 8
        case .findCoordinator, .listGroups, .apiVersions, .addPartitionsToTxn, .addOffsetsToTxn,
            .endTxn, .txnOffsetCommit:
            3
        case .heartbeat, .leaveGroup, .syncGroup, .deleteTopics, .offsetForLeaderEpoch,
            .describeConfigs:
            4
        case .describeGroups, .createTopics: 5
        case .deleteRecords, .initProducerId, .alterConfigs, .createPartitions, .deleteGroups: 2
        case .incrementalAlterConfigs: 1
        case .offsetDelete, .saslHandshake, .saslAuthenticate: .max
        }
    }
}
