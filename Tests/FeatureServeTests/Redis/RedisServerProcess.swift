import Glibc
import Redis

/// A Redis server of the machine's package for one test; gone with the object.
final class RedisServerProcess {
    static let isInstalled = access("/usr/bin/redis-server", X_OK) == 0

    let port: Int
    let directory: String
    private var pid: pid_t = 0
    private let options: [String]

    var address: RedisAddress { RedisAddress(host: "127.0.0.1", port: port) }

    /// Starts a server on a free port and waits until it answers.
    init(port: Int? = nil, options: [String] = []) throws {
        var free = port ?? RedisServerProcess.freePort()
        // A node of a cluster also listens 10,000 ports higher.
        while free > 55_535 { free = RedisServerProcess.freePort() }
        self.port = free
        directory = RedisShop.temporary()
        self.options = options
        try start()
    }

    deinit {
        stop()
        _ = RedisShop.discard(directory)
    }

    func start() throws {
        let words =
            [
                "/usr/bin/redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", directory, "--logfile", directory + "/log",
            ] + options
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&pid, words[0], nil, nil, arguments, environ) == 0 else {
            throw RedisError.unreachable(place: "\(port)", detail: "cannot be started")
        }
        let until = time(nil) + 10
        while true {
            do {
                _ = try ask("PING")
                return
            } catch {
                guard time(nil) < until else { throw error }
                usleep(10_000)
            }
        }
    }

    /// Ends the server at once.
    func stop() {
        guard pid > 0 else { return }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        pid = 0
    }

    /// What it answers to a command of words.
    func ask(_ words: String...) throws -> RedisReply {
        try ask(RedisCommand(words.map { Array($0.utf8) }, key: nil))
    }

    func ask(_ command: RedisCommand) throws -> RedisReply {
        try RedisClient(address, timeoutMillis: 2000).run([command])[0]
    }

    private static func freePort() -> Int {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(socket, $0, length)
                _ = getsockname(socket, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
