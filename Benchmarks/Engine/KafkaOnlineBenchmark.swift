import Connectors
import Glibc
import Pipelines
import StreamRuntime
import Synchronization

extension KafkaBenchmarks {
    /// A row that is looked for: its key is looked up until the answer is this row or a later one.
    private struct Probe {
        var row: Int
        var sentMicros: Int64
    }

    /// What the producer, the job and who looks up tell each other.
    private final class OnlineRun: Sendable {
        let isStopping = Atomic<Bool>(false)
        let port = Atomic<Int>(0)
        let probes = Mutex<[Probe]>([])
        let micros = Mutex<[Int64]>([])
        let failure = Mutex<String?>(nil)
    }

    /// Rows with the same key are this far apart.
    private static let keys = 20_000
    /// One row in so many is looked for.
    private static let probing = 50

    /// The time from append to the moment a lookup over HTTP answers with the row, at a steady rate.
    static func onlineLatency() throws {
        let root = try place()
        let broker = try BenchmarkBroker(root: root)
        let (rate, seconds) = (50_000, 10)
        let name = "online-\(getpid())"
        try broker.create(name, partitions: partitions)
        let (path, directory) = try write(
            """
            streams:
              rows:
                from: {topic: \(name), connection: broker}
                format: json
                fields: {key: int64, id: int64, ts: {type: timestamp, unit: us}}
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              bench:
                from: rows
                steps: [{filter: id >= 0}, {select: {key: key, id: id}}]
            entities: {row: {keys: {key: int64}}}
            feature_views: {newest: {entity: row, from: bench, ttl: 1h, features: [id]}}
            """, broker, root, every: "1s")
        defer { _ = system("rm -rf '\(directory)'") }
        let run = OnlineRun()
        let job = try BenchmarkThread {
            do throws(JobFailure) {
                _ = try BenchmarkRun.run(
                    path: path, workers: 1,
                    isStopping: { run.isStopping.load(ordering: .acquiring) },
                    serving: { run.port.store($0, ordering: .releasing) })
            } catch {
                run.failure.withLock { $0 = "\(error)" }
            }
        }
        while run.port.load(ordering: .acquiring) == 0, run.failure.withLock({ $0 == nil }) {
            usleep(10_000)
        }
        let asker = try BenchmarkThread { ask(run) }
        var connection = broker.connection
        // What is measured is the engine, not how long this producer waits for more rows.
        connection.properties["linger.ms"] = "1"
        let appender = try KafkaAppender(connection, topic: name)
        let began = SystemClock().nanos
        var sent = 0
        while sent < rate * seconds, run.failure.withLock({ $0 == nil }) {
            let due = Int((SystemClock().nanos - began) / 1000) * (rate / 1000) / 1000
            var probes: [Probe] = []
            while sent < due {
                let now = SystemClock().nowMicros
                try appender.append(
                    key: nil,
                    value: Array("{\"key\":\(sent % keys),\"id\":\(sent),\"ts\":\(now)}".utf8),
                    timestamp: now, partition: sent % partitions)
                // The first second is not looked at.
                if sent % probing == 0, sent >= rate {
                    probes.append(Probe(row: sent, sentMicros: now))
                }
                sent += 1
            }
            run.probes.withLock { $0 += probes }
            usleep(500)
        }
        try appender.flush()
        usleep(500_000)
        run.isStopping.store(true, ordering: .releasing)
        asker.join()
        job.join()
        if let failure = run.failure.withLock({ $0 }) { throw BenchmarkProblem(failure) }
        print(
            "append to readable over HTTP at \(rate) rows/s, one row in \(probing) looked for: "
                + "\(try spread(run.micros.withLock { $0 })); target p99 <= 10 ms")
    }

    /// Looks for each probe in turn over one connection, until it is found.
    private static func ask(_ run: OnlineRun) {
        guard let line = LookupLine(port: run.port.load(ordering: .acquiring)) else {
            return run.failure.withLock { $0 = "the server cannot be reached" }
        }
        var ages: [Int64] = []
        while !run.isStopping.load(ordering: .acquiring) {
            let probes = run.probes.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            if probes.isEmpty { usleep(200) }
            for probe in probes {
                while !run.isStopping.load(ordering: .acquiring) {
                    guard let answer = line.ask(probe.row % keys) else {
                        return run.failure.withLock { $0 = "a lookup was not answered" }
                    }
                    if answer >= probe.row {
                        ages.append(SystemClock().nowMicros - probe.sentMicros)
                        break
                    }
                    usleep(200)
                }
            }
        }
        run.micros.withLock { $0 = ages }
    }
}

/// A connection that looks up one number at a time.
private final class LookupLine {
    private let descriptor: Int32
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)

    init?(port: Int) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// The row that is at `key`, -1 for none; nil when the connection is of no use.
    func ask(_ key: Int) -> Int? {
        let body = "{\"features\":[\"newest:id\"],\"entities\":{\"key\":[\(key)]}}"
        let request = Array(
            ("POST /get-online-features HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)").utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        else { return nil }
        var text = ""
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: chunk[..<count], as: UTF8.self)
            if isWhole(text) { break }
        }
        guard text.hasPrefix("HTTP/1.1 200"), let last = LookupLine.last("\"values\":[", in: text)
        else { return nil }
        return Int(text[last...].prefix { $0.isNumber }) ?? -1
    }

    private func isWhole(_ text: String) -> Bool {
        guard let head = text.firstRange(of: "\r\n\r\n"),
            let field = text.lowercased().firstRange(of: "content-length: "),
            let length = Int(text[field.upperBound...].prefix { $0.isNumber })
        else { return false }
        return text[head.upperBound...].utf8.count >= length
    }

    /// Where the last `part` ends.
    private static func last(_ part: String, in text: String) -> String.Index? {
        var found: String.Index?
        var rest = text[...]
        while let range = rest.firstRange(of: part) {
            found = range.upperBound
            rest = rest[range.upperBound...]
        }
        return found
    }
}
