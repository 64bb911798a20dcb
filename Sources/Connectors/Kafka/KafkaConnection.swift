import CRdKafka
import StreamRuntime

/// How to reach a Kafka cluster.
public struct KafkaConnection: Equatable, Sendable {
    /// Brokers to begin with: "host:port,…".
    public var bootstrap: String
    /// Further properties of the client, passed on as they are.
    ///
    /// - Source: CONFIGURATION.md of librdkafka.
    public var properties: [String: String]
    /// How long one request may take before the cluster counts as unreachable.
    public var requestMillis = 10_000
    /// How long all brokers may be gone while a job runs before it stops.
    public var outageMillis = 300_000
    /// How often a topic that is read is looked at, whether it has other partitions meanwhile.
    public var metadataMillis = 10_000

    /// A connection to the cluster behind `bootstrap`.
    ///
    /// - Parameter properties: `topic.metadata.refresh.interval.ms` also says how often a topic that is read
    ///   is looked at, when it is shorter than ten seconds.
    public init(bootstrap: String, properties: [String: String] = [:]) {
        self.bootstrap = bootstrap
        self.properties = properties
        if let millis = properties["topic.metadata.refresh.interval.ms"].flatMap({ Int($0) }),
            millis > 0
        {
            metadataMillis = min(metadataMillis, millis)
        }
    }

    static func isSecret(_ property: String) -> Bool {
        let name = property.lowercased()
        return ["password", "secret", "token", ".key", "jaas", "oauthbearer.config", ".pem"]
            .contains { name.contains($0) }
    }
}

extension KafkaConnection: CustomStringConvertible {
    /// The connection for logs: secrets are not shown.
    public var description: String {
        let shown = properties.sorted { $0.key < $1.key }.map {
            "\($0.key)=\(KafkaConnection.isSecret($0.key) ? "***" : $0.value)"
        }
        return ([bootstrap] + shown).joined(separator: " ")
    }
}
