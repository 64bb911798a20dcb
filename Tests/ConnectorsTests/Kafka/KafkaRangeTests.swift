import CRdKafka
import StreamRuntime
import Testing

@testable import Connectors

/// Ranges of a Kafka topic, on librdkafka's mock cluster.
@Suite(.serialized) struct KafkaRangeTests {
    private let mock = MockCluster()

    private func read(
        _ source: any RecordSource, _ range: OffsetRange, account: RangeAccount
    ) throws -> [Int64] {
        let ranged = RangedSource(
            source, name: "orders", ranges: [1: range], rules: .init(finish: .end),
            account: account)
        #expect(try ranged.partitions() == [1])
        let reader = try ranged.reader(partition: 1)
        var offsets: [Int64] = []
        while true {
            switch try reader.read(maxRecords: 7, maxBytes: 1 << 20) {
            case .records(let batch):
                for row in 0..<batch.count { offsets.append(batch.offsets.int64s[row]) }
            case .waiting: continue
            case .caughtUp, .ended: return offsets
            }
        }
    }

    @Test func `a range of a topic is read to its end and no further, though there is more`() throws
    {
        mock.create("orders", partitions: 2)
        let records = (0..<50).map { (key: Optional("k\($0)"), value: Optional("v\($0)")) }
        try mock.produce("orders", 1, records)
        let source = try KafkaSource(mock.connection, topic: "orders", bounded: false)
        #expect(try source.extent(partition: 1) == LogExtent(oldest: 0, end: 50))
        for (from, to) in [(0, 50), (10, 31), (49, 50), (20, 20)] as [(Int64, Int64)] {
            let account = RangeAccount()
            let found = try read(source, OffsetRange(from: from, to: to), account: account)
            #expect(found == Array(from..<to))
            #expect(account.records == to - from)
            #expect(account.entries.values.allSatisfy { $0.isDone && $0.gaps.isEmpty })
        }
    }
}
