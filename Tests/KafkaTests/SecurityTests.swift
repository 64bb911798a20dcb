import CRdKafka
import Foundation
import StreamRuntime
import TestBroker
import TestHTTP
import Testing

@testable import Connectors
@testable import Pipelines

/// A broker that lets in only those whose name and password it knows.
@Suite struct SecurityTests {
    private static let guarded: BrokerSettings = {
        var settings = BrokerSettings()
        settings.passwords = ["ann": "s3cret, with = and ,"]
        return settings
    }()

    private func connection(
        _ cluster: Cluster, _ mechanism: String, user: String = "ann",
        password: String = "s3cret, with = and ,", protocol name: String = "sasl_plaintext"
    ) -> KafkaConnection {
        var connection = cluster.connection
        connection.requestMillis = 2000
        connection.properties.merge([
            "security.protocol": name, "sasl.mechanism": mechanism,
        ]) { $1 }
        if mechanism == "OAUTHBEARER" {
            connection.properties["enable.sasl.oauthbearer.unsecure.jwt"] = "true"
            connection.properties["sasl.oauthbearer.config"] = "principal=\(user)"
        } else {
            connection.properties["sasl.username"] = user
            connection.properties["sasl.password"] = password
        }
        return connection
    }

    /// Makes a topic, writes to it in a transaction and reads it.
    private func work(_ connection: KafkaConnection) throws {
        try KafkaAdmin(connection).create("t", partitions: 1, settings: ["retention.ms": "-1"])
        let appender = try KafkaAppender(connection, topic: "t")
        try appender.append(key: nil, value: [7], timestamp: 1_700_000_000_000_000)
        try appender.flush()
        let group = KafkaGroup(name: "millrace.job", topics: ["t": "t"], marker: "t")
        let domain = try KafkaTransactionDomain(
            connection,
            KafkaTransactionDomain.Settings(
                name: "millrace.job", group: group, checkpointMillis: 1000))
        #expect(try domain.lastCommitted() == nil)
        domain.resume(after: 0)
        try domain.commit(checkpoint: 1, manifest: "1-x", positions: [:])
        let source = try KafkaSource(connection, topic: "t", bounded: true)
        #expect(try drain(try source.reader(partition: 0)).count == 1)
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
    func `who is known is let in`(mechanism: String) throws {
        let cluster = try Cluster(settings: SecurityTests.guarded)
        try work(connection(cluster, mechanism))
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    func `a wrong password is named as one, with the remedy, and never shown`(
        mechanism: String
    ) throws {
        let cluster = try Cluster(settings: SecurityTests.guarded)
        let cases = [("ann", "wr0ng"), ("bob", "s3cret, with = and ,")]
        for (user, password) in cases.prefix(mechanism == "PLAIN" ? 2 : 1) {
            var connection = connection(cluster, mechanism, user: user, password: password)
            connection.requestMillis = 1000
            let told = try #require(failure { _ = try KafkaAdmin(connection).topics() })
            #expect(
                told.problem.hasPrefix("Kafka does not accept the connection's credentials"),
                "\(told)")
            #expect(told.remedy.contains("sasl.password"))
            #expect(told.recovery == .stopAndAsk)
            #expect(!"\(told)".contains(password))
            // Also before the transactions have waited for as long as brokers may be gone.
            let domain = try KafkaTransactionDomain(
                connection,
                KafkaTransactionDomain.Settings(
                    name: "millrace.job", group: KafkaGroup(name: "g", topics: [:], marker: "t"),
                    checkpointMillis: 1000))
            defer { domain.abandon() }
            let refused = failure { _ = try domain.lastCommitted() }
            #expect(
                refused?.problem.hasPrefix("Kafka does not accept") == true, "\(refused as Any)")
        }
    }

    @Test func `who says nothing to a broker that asks is not let in`() throws {
        let cluster = try Cluster(settings: SecurityTests.guarded)
        var connection = cluster.connection
        connection.requestMillis = 1000
        let told = try #require(failure { _ = try KafkaAdmin(connection).topics() })
        #expect(told.problem.hasPrefix("no Kafka broker can be reached"), "\(told)")
        #expect(told.remedy.contains("security"))
    }

    @Test(
        .enabled(if: TLSFront.isAvailable, "openssl or python3 is not installed"))
    func `a broker behind TLS is trusted by its authority's file, and not without`() throws {
        let front = try TLSFront()
        var settings = SecurityTests.guarded
        settings.advertisedPort = front.port
        let cluster = try Cluster(settings: settings)
        front.lead(to: cluster.broker.ports[0])
        var connection = connection(cluster, "SCRAM-SHA-512", protocol: "sasl_ssl")
        connection.bootstrap = "127.0.0.1:\(front.port)"
        let told = try #require(failure { _ = try KafkaAdmin(connection).topics() })
        #expect(told.problem.hasPrefix("no secure connection to Kafka can be made"), "\(told)")
        #expect(told.remedy.contains("ssl.ca.location"))
        connection.properties["ssl.ca.location"] = front.certificate
        connection.requestMillis = 5000
        try work(connection)
    }
}
