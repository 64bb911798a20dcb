import FeatureServe
import Glibc
import StreamRuntime

/// The same lookups over gRPC and over HTTP's JSON, one after the other in one process.
enum GRPCBenchmarks {
    private static let entities = 100_000
    private static let features = 50

    /// Prints calls per second by h2load and requests per second by wrk, with the server's CPU time for each.
    static func run() {
        guard system("command -v h2load > /dev/null 2>&1") == 0 else {
            print("grpc: h2load is not installed (nghttp2-client)")
            return
        }
        do throws(JobFailure) {
            let store = try store()
            var options = FeatureServer.Options()
            options.port = 0
            let grpc = GRPCServer(store: store, metrics: MetricsRegistry(), options: options)
            let port = try grpc.start()
            defer { grpc.stop() }
            let http = FeatureServer(store: store, metrics: MetricsRegistry(), options: options)
            let plain = try http.start()
            defer { http.stop() }
            for keys in [1, 100] {
                for streams in [1, 8] {
                    call(port: port, keys: keys, streams: streams)
                }
                ask(port: plain, keys: keys)
            }
        } catch {
            print("grpc: \(error)")
        }
    }

    private static func store() throws(JobFailure) -> OnlineStore {
        let view = FeatureView(
            name: "scores", entity: "user",
            features: (0..<features).map { Field("f\($0)", .float64) })
        let catalog = try FeatureCatalog(
            entities: [Entity(name: "user", keys: [Field("user_id", .int64)])], views: [view])
        let store = try OnlineStore(catalog: catalog, rows: MemoryRows(), budgetBytes: 2 << 30)
        let schema = Schema([Field("user_id", .int64)] + view.features)
        let writer = try FeatureWriter(store: store, view: view.name, schema: schema)
        for first in stride(from: 0, to: entities, by: 4000) {
            let batch = ColumnBatch(schema: schema, capacity: 4000)
            for row in first..<(first + 4000) {
                batch.columns[0].append(Int64(row))
                for feature in 0..<features {
                    batch.columns[feature + 1].append(Double(row &* 31 &+ feature &* 17) / 1000)
                }
                batch.order.append(
                    eventTime: 1, watermark: .min, origin: 0, offset: Int64(row))
            }
            batch.count = 4000
            _ = try writer.write(batch)
        }
        return store
    }

    private static func call(port: Int, keys: Int, streams: Int) {
        let path = "/tmp/millrace-grpc-\(getpid()).bin"
        let arena = ByteArena()
        ProtoWriter.message(2, to: arena) {
            for feature in 0..<features { ProtoWriter.text(1, "scores:f\(feature)", to: arena) }
        }
        ProtoWriter.message(3, to: arena) {
            ProtoWriter.text(1, "user_id", to: arena)
            ProtoWriter.message(2, to: arena) {
                for key in 0..<keys {
                    ProtoWriter.message(1, to: arena) {
                        ProtoWriter.tag(4, .varint, to: arena)
                        ProtoWriter.varint(UInt64(key * 977), to: arena)
                    }
                }
            }
        }
        let count = UInt32(arena.count)
        let prefix = [0] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
        guard let file = fopen(path, "w") else { return }
        fwrite(prefix, 1, prefix.count, file)
        fwrite(arena.base, 1, arena.count, file)
        fclose(file)
        defer { unlink(path) }
        let cpu = cpuMicros()
        let lines = lines(
            "h2load -t1 -c16 -m\(streams) -D5 -d \(path) -H 'content-type: application/grpc' "
                + "-H 'te: trailers' "
                + "http://127.0.0.1:\(port)/feast.serving.ServingService/GetOnlineFeatures 2>&1")
        let spent = cpuMicros() - cpu
        let rate = lines.first { $0.hasPrefix("finished in") } ?? "no figures"
        let done = lines.first { $0.hasPrefix("requests:") } ?? ""
        let calls = number(before: "succeeded", in: done)
        let time = lines.first { $0.hasPrefix("time for request:") } ?? ""
        print(
            "gRPC, \(keys) x \(features), 16 connections of \(streams) calls: \(rate); \(done); "
                + "\(each(spent, calls)) µs CPU each; \(time)")
    }

    private static func ask(port: Int, keys: Int) {
        let path = "/tmp/millrace-http-\(getpid()).lua"
        let names = (0..<features).map { "\"scores:f\($0)\"" }.joined(separator: ",")
        let ids = (0..<keys).map { "\($0 * 977)" }.joined(separator: ",")
        guard let file = fopen(path, "w") else { return }
        fputs(
            """
            wrk.method = 'POST'
            wrk.body = '{"features":[\(names)],"entities":{"user_id":[\(ids)]}}'

            """, file)
        fclose(file)
        defer { unlink(path) }
        let cpu = cpuMicros()
        let lines = lines(
            "wrk -t1 -c16 -d5s --latency -s \(path) http://127.0.0.1:\(port)/get-online-features 2>&1"
        )
        let spent = cpuMicros() - cpu
        let done = lines.first { $0.contains(" requests in ") } ?? "no figures"
        let rate = lines.first { $0.hasPrefix("Requests/sec") } ?? ""
        print(
            "HTTP, \(keys) x \(features), 16 connections: \(rate); "
                + "\(each(spent, number(before: "requests", in: done))) µs CPU each")
    }

    private static func lines(_ command: String) -> [String] {
        guard let pipe = popen(command, "r") else { return [] }
        defer { pclose(pipe) }
        var lines: [String] = []
        var line = [CChar](repeating: 0, count: 1024)
        while fgets(&line, Int32(line.count), pipe) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
            lines.append(words.joined(separator: " "))
        }
        return lines
    }

    private static func number(before word: String, in line: String) -> Int {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "," }).map(String.init)
        guard let at = words.firstIndex(of: word), at > 0 else { return 0 }
        return Int(words[at - 1]) ?? 0
    }

    private static func each(_ micros: Int, _ count: Int) -> Double {
        Double(micros * 10 / max(count, 1)) / 10
    }

    /// CPU time of this process, which while a client of its own runs is the server's.
    private static func cpuMicros() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}
