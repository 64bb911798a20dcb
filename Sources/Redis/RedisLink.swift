import CHiredis
import Glibc

/// A connection to one Redis server; of one thread at a time.
final class RedisLink {
    let place: String
    private let context: UnsafeMutablePointer<redisContext>
    private var digests: [[UInt8]] = []

    /// Connects, and says who asks.
    init(
        _ node: RedisAddress.Node, of address: RedisAddress, timeoutMillis: Int,
        scripts: [String]
    ) throws(RedisError) {
        place = node.text
        // A server that goes away while it is written to must not end the process.
        signal(SIGPIPE, SIG_IGN)
        let limit = timeval(
            tv_sec: timeoutMillis / 1000, tv_usec: timeoutMillis % 1000 * 1000)
        guard let made = redisConnectWithTimeout(node.host, Int32(node.port), limit) else {
            throw .unreachable(place: place, detail: "out of memory")
        }
        guard made.pointee.err == 0 else {
            let detail = RedisLink.detail(made)
            redisFree(made)
            throw .unreachable(place: place, detail: detail)
        }
        context = made
        redisSetTimeout(made, limit)
        redisEnableKeepAlive(made)
        if let password = address.password {
            try greet(
                RedisCommand(
                    [Array("AUTH".utf8)]
                        + [address.user, password].compactMap { $0 }
                        .map { Array($0.utf8) }, key: nil))
        }
        if address.database != 0 { try greet(RedisCommand("SELECT", "\(address.database)")) }
        for script in scripts {
            append(RedisCommand("SCRIPT", "LOAD", script))
            switch try reply() {
            case .bytes(let digest): digests.append(digest)
            case let other: throw .refused(place: place, answer: "SCRIPT LOAD: \(other)")
            }
        }
    }

    deinit { redisFree(context) }

    private static func detail(_ context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: &context.pointee.errstr) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func greet(_ command: RedisCommand) throws(RedisError) {
        append(command)
        if case .error(let answer) = try reply() { throw .refused(place: place, answer: answer) }
    }

    /// Puts a command behind those that are to be sent.
    func append(_ command: RedisCommand) {
        var arguments = command.arguments
        if let script = command.script {
            arguments.insert(contentsOf: [Array("EVALSHA".utf8), digests[script]], at: 0)
        }
        let count = arguments.count
        var total = 0
        for argument in arguments { total += argument.count }
        let block = UnsafeMutablePointer<CChar>.allocate(capacity: max(total, 1))
        let starts = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: count)
        let lengths = UnsafeMutablePointer<Int>.allocate(capacity: count)
        defer {
            block.deallocate()
            starts.deallocate()
            lengths.deallocate()
        }
        var at = 0
        for (index, argument) in arguments.enumerated() {
            argument.withUnsafeBytes {
                if let base = $0.baseAddress { memcpy(block + at, base, $0.count) }
            }
            starts[index] = UnsafePointer(block + at)
            lengths[index] = argument.count
            at += argument.count
        }
        redisAppendCommandArgv(context, Int32(count), starts, lengths)
    }

    /// Sends what was put behind and takes the next answer.
    func reply() throws(RedisError) -> RedisReply {
        var raw: UnsafeMutableRawPointer?
        guard redisGetReply(context, &raw) == REDIS_OK, let raw else {
            throw .unreachable(place: place, detail: RedisLink.detail(context))
        }
        defer { freeReplyObject(raw) }
        return RedisReply(raw.assumingMemoryBound(to: redisReply.self))
    }
}
