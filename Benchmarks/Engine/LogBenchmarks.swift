import Glibc
import StreamRuntime

/// How fast the embedded log is written, synced and read.
enum LogBenchmarks {
    private static let rows = 5_000_000
    private static let partitions = 4

    static func run() {
        do throws(JobFailure) {
            let root = "/tmp/millrace-log-benchmark-\(getpid())"
            let log = EmbeddedLog(root: root)
            try log.createTopic("rows", TopicSettings(partitions: partitions))
            defer {
                try? log.deleteTopic("rows")
                rmdir(root)
            }
            let bytes = try append(log)
            for _ in 0..<3 { try read(log, bytes: bytes) }
            try poll(log)
        } catch {
            print("log: \(error)")
        }
    }

    /// Records of about 120 bytes with a key, a commit every 100,000.
    private static func append(_ log: EmbeddedLog) throws(JobFailure) -> Int {
        let writer = try log.writer("rows")
        var value = Array(
            (#"{"store_id":"s123","product_id":"p45678","quantity":17,"ts":1700000000000,"#
                + #""source":"square","update_id":"00000000-0000-0000"}"#).utf8)
        let key = Array("s123".utf8)
        var state: UInt64 = 42
        let start = seconds()
        for row in 0..<rows {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            for place in 0..<18 {
                value[value.count - 20 + place] = 97 + UInt8(state >> UInt64(place * 3) & 15)
            }
            try key.withUnsafeBufferPointer { key throws(JobFailure) in
                try value.withUnsafeBufferPointer { value throws(JobFailure) in
                    try writer.append(
                        partition: row % partitions, key: key, value: value,
                        timestamp: 1_700_000_000_000_000 + Int64(row))
                }
            }
            if row % 100_000 == 99_999 { try writer.commit() }
        }
        report("append to the log, synced", bytes: rows * value.count, seconds() - start, target: 3)
        return rows * value.count
    }

    private static func read(_ log: EmbeddedLog, bytes: Int) throws(JobFailure) {
        let start = seconds()
        let source = try log.source("rows", bounded: true)
        var count = 0
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                count += batch.count
            }
        }
        precondition(count == rows, "every row is read")
        report("read from the log", bytes: bytes, seconds() - start, target: 10)
    }

    private static func poll(_ log: EmbeddedLog) throws(JobFailure) {
        let reader = try log.source("rows", bounded: false).reader(partition: 0)
        try reader.seek(to: Int64(rows / partitions))
        let start = seconds()
        for _ in 0..<10_000 { _ = try reader.read(maxRecords: 1, maxBytes: 1) }
        let micros = (seconds() - start) / 10_000 * 1e6
        print("ask the log for more at its end: \((micros * 10).rounded() / 10) us (target 20)")
    }

    private static func seconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    private static func report(_ name: String, bytes: Int, _ seconds: Double, target: Double) {
        let rate = (Double(rows) / seconds / 1e5).rounded() / 10
        let megabytes = Int(Double(bytes) / seconds / 1e6)
        print("\(name): \(rate) M rows/s, \(megabytes) MB/s (target \(target))")
    }
}
