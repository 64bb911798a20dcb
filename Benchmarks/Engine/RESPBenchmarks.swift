import FeatureServe
import Glibc
import StreamRuntime

/// How fast features are looked up in the protocol of Redis, beside a redis-server that holds the same hashes.
enum RESPBenchmarks {
    private static let entities = 20_000
    private static let features = 50
    private static let connections = 16
    private static let seconds = 4

    /// Prints commands per second of both, plain and pipelined, by the same client in turn.
    static func run() {
        do throws(JobFailure) {
            let entity = Entity(name: "user", keys: [Field("user_id", .int64)])
            let view = FeatureView(
                name: "scores", entity: "user",
                features: (0..<features).map { Field("f\($0)", .float64) })
            let store = try OnlineStore(
                catalog: try FeatureCatalog(entities: [entity], views: [view]), rows: MemoryRows(),
                budgetBytes: 1 << 30)
            try fill(store, view)
            let place = "/tmp/millrace-resp-\(getpid())"
            defer { _ = system("rm -rf '\(place)'") }
            var options = RESPServer.Options()
            options.port = 0
            options.project = "bench"
            options.threads = 1
            let server = try RESPServer(
                store: store, hashes: try HashStore(path: place), metrics: MetricsRegistry(),
                options: options)
            let port = try server.start()
            defer { server.stop() }
            let keys = keys(entity)
            let names = view.features.map { FeastField.name(view: "scores", feature: $0.name) }
            let asked = names + [FeastField.time(view: "scores")]
            let redis = RedisProcess()
            if let redis { fill(redis.port, keys: keys, from: port, names: asked) }
            for depth in [1, 16] {
                let commands = keys.map { command([Array("HMGET".utf8), $0] + asked) }
                let title =
                    "HMGET of \(features) features, \(connections) connections, "
                    + (depth == 1 ? "plain" : "pipelined by \(depth)")
                // In turn and twice, so that both meet the same machine.
                var own: [Double] = []
                var theirs: [Double] = []
                for _ in 0..<2 {
                    own.append(load(port, commands, depth: depth))
                    if let redis { theirs.append(load(redis.port, commands, depth: depth)) }
                }
                let mine = own.reduce(0, +) / Double(own.count)
                var figure = "\(Int(mine)) commands/s"
                if !theirs.isEmpty {
                    let other = theirs.reduce(0, +) / Double(theirs.count)
                    let ratio = (mine / max(other, 1) * 100).rounded() / 100
                    figure += ", redis-server \(Int(other)): \(ratio) x"
                }
                print("\(title): \(figure) (target \(depth == 1 ? "1.3 x" : "3 x"))")
            }
            if redis == nil { print("redis-server is not installed: nothing to compare with") }
        } catch {
            print("resp: \(error)")
        }
    }

    private static func fill(_ store: OnlineStore, _ view: FeatureView) throws(JobFailure) {
        let schema = Schema([Field("user_id", .int64)] + view.features)
        let writer = try FeatureWriter(store: store, view: view.name, schema: schema)
        for first in stride(from: 0, to: entities, by: 4000) {
            let batch = ColumnBatch(schema: schema, capacity: 4000)
            for row in first..<(first + 4000) {
                batch.columns[0].append(Int64(row))
                for feature in 0..<features {
                    batch.columns[feature + 1].append(
                        Double(row &* 31 &+ feature &* 17) / 1000)
                }
                batch.order.append(
                    eventTime: 1_793_620_800_000_000, watermark: .min, origin: 0,
                    offset: Int64(row))
            }
            batch.count = 4000
            _ = try writer.write(batch)
        }
    }

    private static func keys(_ entity: Entity) -> [[UInt8]] {
        let layout = FeastEntityKey(entity: entity, project: "bench")!
        let column = Column(.int64, capacity: 1)
        let arena = ByteArena()
        return (0..<1000).map { index in
            column.removeAll()
            column.append(Int64(index * 199 % entities))
            arena.count = 0
            layout.append([column], 0, to: arena)
            return Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
        }
    }

    private static func command(_ arguments: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            bytes += Array("$\(argument.count)\r\n".utf8) + argument + [0x0D, 0x0A]
        }
        return bytes
    }

    /// Gives the redis-server what the other answers.
    private static func fill(_ redis: Int, keys: [[UInt8]], from port: Int, names: [[UInt8]]) {
        let source = connect(port)
        let target = connect(redis)
        defer {
            close(source)
            close(target)
        }
        for key in keys {
            send(source, command([Array("HMGET".utf8), key] + names))
            let values = bulks(receive(source), names.count)
            let pairs = zip(names, values).flatMap { [$0, $1] }
            send(target, command([Array("HSET".utf8), key] + pairs))
            _ = receive(target)
        }
    }

    /// The bulk strings of an array's answer.
    private static func bulks(_ answer: [UInt8], _ count: Int) -> [[UInt8]] {
        var at = answer.firstIndex(of: 0x0A)! + 1
        return (0..<count).map { _ in
            let end = answer[at...].firstIndex(of: 0x0D)!
            let length = Int(String(decoding: answer[(at + 1)..<end], as: UTF8.self)) ?? 0
            at = end + 2 + length + 2
            return Array(answer[(end + 2)..<(end + 2 + length)])
        }
    }

    private static func connect(_ port: Int) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return socket
    }

    private static func send(_ socket: Int32, _ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// One answer, which is small and comes at once.
    private static func receive(_ socket: Int32) -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket, &chunk, chunk.count, 0)
        return Array(chunk[..<max(count, 0)])
    }

    /// Keeps `depth` commands under way on every connection and counts the answers, which are all as long.
    private static func load(_ port: Int, _ commands: [[UInt8]], depth: Int) -> Double {
        let sockets = (0..<connections).map { _ in connect(port) }
        defer { for socket in sockets { close(socket) } }
        send(sockets[0], commands[0])
        let length = receive(sockets[0]).count * depth
        guard length > 0 else { return 0 }
        let batches = stride(from: 0, to: commands.count - depth, by: depth).map { first in
            commands[first..<(first + depth)].flatMap { $0 }
        }
        var polls = sockets.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var missing = [Int](repeating: length, count: sockets.count)
        var next = 0
        for socket in sockets {
            send(socket, batches[next % batches.count])
            next += 1
        }
        var chunk = [UInt8](repeating: 0, count: 1 << 17)
        let start = nanos()
        let end = start + seconds * 1_000_000_000
        var answered = 0
        while nanos() < end {
            guard poll(&polls, nfds_t(polls.count), 1000) > 0 else { return 0 }
            for index in polls.indices where polls[index].revents != 0 {
                let count = recv(polls[index].fd, &chunk, min(chunk.count, missing[index]), 0)
                guard count > 0 else { return 0 }
                missing[index] -= count
                guard missing[index] == 0 else { continue }
                answered += depth
                missing[index] = length
                send(polls[index].fd, batches[next % batches.count])
                next += 1
            }
        }
        return Double(answered) / (Double(nanos() - start) / 1e9)
    }

    private static func nanos() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

/// A redis-server of the machine's package, gone with the object; nil where there is none.
private final class RedisProcess {
    let port: Int
    private var pid: pid_t = 0

    init?() {
        let path = "/usr/bin/redis-server"
        guard access(path, X_OK) == 0 else { return nil }
        port = 20_000 + Int(getpid()) % 20_000
        let words = [
            path, "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--logfile", "/dev/null",
        ]
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&pid, path, nil, nil, arguments, environ) == 0 else { return nil }
        usleep(500_000)
    }

    deinit {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }
}
