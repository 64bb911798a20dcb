import StreamRuntime

extension RESPEngine {
    /// Answers the command that was parsed.
    func dispatch(
        _ session: RESPSession, raw: UnsafeBufferPointer<UInt8>
    ) throws(RESPRefusal) {
        let name = command.text(0).uppercased()
        guard session.isAdmitted || RESPEngine.open.contains(name) else {
            throw RESPRefusal(coded: "NOAUTH Authentication required.")
        }
        guard let rule = RESPEngine.rules[name] else {
            throw RESPRefusal(
                "unknown command '\(command.text(0).prefix(128))'; this server knows: "
                    + RESPEngine.rules.keys.sorted().joined(separator: " "))
        }
        guard rule.arity >= 0 ? command.count == rule.arity : command.count >= -rule.arity else {
            throw RESPRefusal("wrong number of arguments for '\(name.lowercased())' command")
        }
        if session.queue != nil, !RESPEngine.unqueued.contains(name) {
            session.queue!.append(Array(raw))
            return RESPText.simple("QUEUED", to: out)
        }
        try authorize(name, rule, session)
        switch name {
        case "HMGET": try readFields(session, raw: raw)
        case "HGET": try readField(session)
        case "HGETALL": try readAll(session)
        case "HKEYS": try readNames(session)
        case "HEXISTS": try fieldExists(session)
        case "HLEN": RESPText.integer(try names(session).count, to: out)
        case "HSET", "HMSET": try setFields(session, answersOK: name == "HMSET")
        case "HSETNEWER": try setNewer(session)
        case "HDEL": try removeFields(session)
        case "DEL", "UNLINK": try removeKeys(session)
        case "EXISTS": try keysExist(session)
        case "TYPE": try type(session)
        case "SCAN": try scan(session)
        case "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT": try expire(session, name)
        case "PERSIST": try persist(session)
        case "TTL": try timeLeft(session, unitMillis: 1000)
        case "PTTL": try timeLeft(session, unitMillis: 1)
        default: try dispatchConnection(name, session)
        }
    }

    /// Commands that need no password.
    static let open: Set<String> = ["AUTH", "HELLO", "QUIT", "PING", "RESET"]
    /// Commands that are not queued after MULTI.
    private static let unqueued: Set<String> = [
        "MULTI", "EXEC", "DISCARD", "WATCH", "QUIT", "RESET",
    ]

    /// What a command takes.
    struct Rule: Sendable {
        /// Arguments with the name; negative for at least as many.
        let arity: Int
        let isWrite: Bool
        /// Which of its arguments are keys.
        let keys: KeyArguments

        enum KeyArguments: Sendable { case none, first, all }

        init(_ arity: Int, _ keys: KeyArguments = .first, writes: Bool = false) {
            self.arity = arity
            self.keys = keys
            isWrite = writes
        }
    }

    static let rules: [String: Rule] = [
        "HMGET": Rule(-3), "HGET": Rule(3), "HGETALL": Rule(2), "HKEYS": Rule(2),
        "HEXISTS": Rule(3), "HLEN": Rule(2), "HSET": Rule(-4, writes: true),
        "HMSET": Rule(-4, writes: true), "HSETNEWER": Rule(-6, writes: true),
        "HDEL": Rule(-3, writes: true), "DEL": Rule(-2, .all, writes: true),
        "UNLINK": Rule(-2, .all, writes: true), "EXISTS": Rule(-2, .all), "TYPE": Rule(2),
        "SCAN": Rule(-2, .none), "EXPIRE": Rule(-3, writes: true),
        "PEXPIRE": Rule(-3, writes: true), "EXPIREAT": Rule(-3, writes: true),
        "PEXPIREAT": Rule(-3, writes: true), "PERSIST": Rule(2, writes: true), "TTL": Rule(2),
        "PTTL": Rule(2), "SELECT": Rule(2, .none), "AUTH": Rule(-2, .none),
        "PING": Rule(-1, .none), "HELLO": Rule(-1, .none), "CLIENT": Rule(-2, .none),
        "ECHO": Rule(2, .none), "QUIT": Rule(-1, .none), "RESET": Rule(1, .none),
        "INFO": Rule(-1, .none), "COMMAND": Rule(-1, .none), "CONFIG": Rule(-2, .none),
        "CLUSTER": Rule(-2, .none), "READONLY": Rule(1, .none), "READWRITE": Rule(1, .none),
        "MULTI": Rule(1, .none), "EXEC": Rule(1, .none), "DISCARD": Rule(1, .none),
        "WATCH": Rule(-2, .all), "UNWATCH": Rule(1, .none), "ROLE": Rule(1, .none),
    ]
}
