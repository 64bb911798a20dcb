import FeatureServe
import Glibc
import StreamRuntime

/// How fast features are written and looked up.
enum ServeBenchmarks {
    private static let entities = 200_000
    private static let features = 50

    /// Prints upserts per second, and lookups per second over HTTP by wrk where it is installed, otherwise by
    /// a loop of our own.
    static func run() {
        do throws(JobFailure) {
            let view = FeatureView(
                name: "scores", entity: "user",
                features: (0..<features).map { Field("f\($0)", .float64) }, ttlMicros: 0)
            let catalog = try FeatureCatalog(
                entities: [Entity(name: "user", keys: [Field("user_id", .int64)])], views: [view])
            let store = try OnlineStore(
                catalog: catalog, rows: MemoryRows(), budgetBytes: 2 << 30)
            try fill(store, view)
            var options = FeatureServer.Options()
            options.port = 0
            let server = FeatureServer(store: store, metrics: MetricsRegistry(), options: options)
            let port = try server.start()
            defer { server.stop() }
            load(
                "lookup, 1 entity x 50, 16 connections", port: port, keys: 1,
                target: "60 K/s, p99 1 ms")
            load(
                "lookup, 100 entities x 50, 16 connections", port: port, keys: 100, target: "20 K/s"
            )
        } catch {
            print("serve: \(error)")
        }
    }

    private static func fill(_ store: OnlineStore, _ view: FeatureView) throws(JobFailure) {
        let schema = Schema([Field("user_id", .int64)] + view.features)
        let writer = try FeatureWriter(store: store, view: view.name, schema: schema)
        for round in 0..<2 {
            let start = nanos()
            for first in stride(from: 0, to: entities, by: 4000) {
                let batch = ColumnBatch(schema: schema, capacity: 4000)
                for row in first..<(first + 4000) {
                    batch.columns[0].append(Int64(row))
                    for feature in 0..<features {
                        batch.columns[feature + 1].append(
                            Double(row &* 31 &+ feature &* 17 &+ round) / 1000)
                    }
                    batch.order.append(
                        eventTime: Int64(round), watermark: .min, origin: 0, offset: Int64(row))
                }
                batch.count = 4000
                _ = try writer.write(batch)
            }
            report(
                round == 0 ? "insert rows of 50 features" : "update rows of 50 features",
                "\(perSecond(entities, since: start)) rows/s", target: "200 K/s")
        }
        let start = nanos()
        try store.sync()
        report(
            "sync \(entities) rows of 50 features", "\((nanos() - start) / 1_000_000) ms",
            target: "1000 ms")
    }

    private static func load(_ name: String, port: Int, keys: Int, target: String) {
        let bodies = (0..<1000).map { body(first: $0 * 199, keys: keys) }
        let cpu = cpuMicros()
        if let (figures, requests) = wrk(port: port, bodies: bodies) {
            let each = Double((cpuMicros() - cpu) * 10 / max(requests, 1)) / 10
            report(name + " (wrk)", figures + ", \(each) µs CPU each", target: target)
        } else {
            report(name + " (own loop)", ownLoop(port: port, bodies: bodies), target: target)
        }
    }

    private static func body(first: Int, keys: Int) -> String {
        let names = (0..<features).map { "\"scores:f\($0)\"" }.joined(separator: ",")
        let ids = (0..<keys).map { "\((first + $0 * 1777) % entities)" }.joined(separator: ",")
        return "{\"features\":[\(names)],\"entities\":{\"user_id\":[\(ids)]}}"
    }

    /// Runs wrk on one thread and returns its figures; nil when there is none.
    private static func wrk(port: Int, bodies: [String]) -> (figures: String, requests: Int)? {
        guard system("command -v wrk > /dev/null 2>&1") == 0 else { return nil }
        let path = "/tmp/millrace-wrk-\(getpid()).lua"
        var script = "local bodies = {\n"
        for body in bodies { script += "'\(body)',\n" }
        script += """
            }
            local requests = {}
            local at = 0
            init = function(args)
              wrk.method = 'POST'
              wrk.headers['Content-Type'] = 'application/json'
              for i, body in ipairs(bodies) do requests[i] = wrk.format(nil, '/get-online-features', nil, body) end
            end
            request = function() at = at % #requests + 1; return requests[at] end

            """
        guard let file = fopen(path, "w") else { return nil }
        fputs(script, file)
        fclose(file)
        defer { unlink(path) }
        guard
            let pipe = popen(
                "wrk -t1 -c16 -d6s --latency -s \(path) http://127.0.0.1:\(port) 2>&1", "r")
        else { return nil }
        var figures: [String] = []
        var requests = 0
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), pipe) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
            switch words.first {
            case "50%", "99%": figures.append("\(words[0]) \(words[1])")
            case "Requests/sec:": figures.append("\(words[1]) requests/s")
            case _ where words.count > 1 && words[1] == "requests": requests = Int(words[0]) ?? 0
            case "Non-2xx": figures.append("NON-2xx ANSWERS: \(words.last ?? "")")
            default: break
            }
        }
        pclose(pipe)
        return figures.isEmpty ? nil : (figures.joined(separator: ", "), requests)
    }

    /// Sixteen connections, each asked in turn before any answer is read.
    private static func ownLoop(port: Int, bodies: [String]) -> String {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let sockets = (0..<16).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        defer { for socket in sockets { close(socket) } }
        for socket in sockets {
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard result == 0 else { return "cannot connect" }
        }
        let requests = bodies.map { body in
            Array(
                ("POST /get-online-features HTTP/1.1\r\nhost: x\r\ncontent-length: "
                    + "\(body.utf8.count)\r\n\r\n" + body).utf8)
        }
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        let start = nanos()
        var asked = 0
        while nanos() - start < 5_000_000_000 {
            for (index, socket) in sockets.enumerated() {
                let request = requests[(asked + index) % requests.count]
                _ = request.withUnsafeBytes { send(socket, $0.baseAddress!, $0.count, 0) }
            }
            for socket in sockets { guard readAnswer(socket, &chunk) else { return "cut off" } }
            asked += sockets.count
        }
        return "\(perSecond(asked, since: start)) requests/s"
    }

    private static func readAnswer(_ socket: Int32, _ chunk: inout [UInt8]) -> Bool {
        var have = 0
        var wanted = Int.max
        while have < wanted {
            let count = chunk.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress! + have, $0.count - have, 0)
            }
            guard count > 0 else { return false }
            have += count
            if wanted == .max, let end = chunk[..<have].firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: chunk[..<end.lowerBound], as: UTF8.self)
                guard let field = head.split(separator: "\r\n").last?.split(separator: " ").last,
                    let length = Int(field)
                else { return false }
                wanted = end.upperBound + length
            }
        }
        return true
    }

    /// CPU time of this process, which while wrk runs is the server's.
    private static func cpuMicros() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    private static func nanos() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    private static func perSecond(_ count: Int, since start: Int) -> Int {
        Int(Double(count) / (Double(nanos() - start) / 1e9))
    }

    private static func report(_ name: String, _ figure: String, target: String) {
        print("\(name): \(figure) (target \(target))")
    }
}
