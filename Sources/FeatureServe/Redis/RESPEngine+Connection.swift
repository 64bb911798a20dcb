import Redis
import StreamRuntime
import Synchronization

extension RESPEngine {
    /// Answers commands about the connection and the server.
    func dispatchConnection(_ name: String, _ session: RESPSession) throws(RESPRefusal) {
        switch name {
        case "PING":
            guard command.count > 1 else { return RESPText.simple("PONG", to: out) }
            RESPText.bulk(command[1], to: out)
        case "ECHO": RESPText.bulk(command[1], to: out)
        case "SELECT":
            guard let space = command.integer(1), (0..<16).contains(space) else {
                throw RESPRefusal("DB index is out of range")
            }
            session.space = UInt8(space)
            RESPText.simple("OK", to: out)
        case "AUTH": try admit(session, user: command.count > 2 ? 1 : nil, word: command.count - 1)
        case "HELLO": try hello(session)
        case "CLIENT": client(session)
        case "QUIT":
            session.isEnding = true
            RESPText.simple("OK", to: out)
        case "RESET":
            session.queue = nil
            session.space = 0
            session.version = 2
            session.isAdmitted = shared.isOpen
            session.caller = .anyone
            RESPText.simple("RESET", to: out)
        case "INFO": RESPText.bulk(info, to: out)
        case "COMMAND": describeCommands()
        case "CONFIG": RESPText.map(0, version: session.version, to: out)
        case "CLUSTER": try cluster(session)
        case "ROLE":
            RESPText.array(3, to: out)
            RESPText.bulk("master", to: out)
            RESPText.integer(0, to: out)
            RESPText.array(0, to: out)
        case "MULTI":
            guard session.queue == nil else { throw RESPRefusal("MULTI calls can not be nested") }
            session.queue = []
            session.isQueueBroken = false
            RESPText.simple("OK", to: out)
        case "EXEC": try runQueue(session)
        case "DISCARD":
            guard session.queue != nil else { throw RESPRefusal("DISCARD without MULTI") }
            session.queue = nil
            RESPText.simple("OK", to: out)
        case "WATCH":
            throw RESPRefusal(
                "WATCH is not supported: an older row never replaces a newer one without it")
        default: RESPText.simple("OK", to: out)
        }
    }

    private func admit(_ session: RESPSession, user: Int?, word: Int) throws(RESPRefusal) {
        if !shared.access.isOpen {
            guard let caller = shared.access.caller(presenting: command[word]) else {
                throw RESPRefusal(
                    coded: "WRONGPASS invalid username-password pair or user is disabled.")
            }
            session.caller = caller
            session.isAdmitted = true
            return RESPText.simple("OK", to: out)
        }
        guard let password = shared.password else {
            throw RESPRefusal(
                "AUTH called without any password configured for the default user.")
        }
        let given = command.bytes(word)
        let wanted = Array(password.utf8)
        // Compared whole, so that the time does not tell how much of it was right.
        var difference = given.count ^ wanted.count
        for (index, byte) in given.enumerated() {
            difference |= Int(byte ^ wanted[index % max(wanted.count, 1)])
        }
        guard difference == 0, user.map({ command.text($0) == "default" }) ?? true else {
            throw RESPRefusal(
                coded: "WRONGPASS invalid username-password pair or user is disabled.")
        }
        session.isAdmitted = true
        RESPText.simple("OK", to: out)
    }

    private func hello(_ session: RESPSession) throws(RESPRefusal) {
        var version = session.version
        if command.count > 1 {
            guard let wanted = command.integer(1), wanted == 2 || wanted == 3 else {
                throw RESPRefusal(coded: "NOPROTO unsupported protocol version")
            }
            version = wanted
        }
        var index = 2
        while index < command.count {
            switch command.text(index).uppercased() {
            case "AUTH" where index + 2 < command.count:
                let start = out.count
                try admit(session, user: index + 1, word: index + 2)
                out.count = start
                index += 3
            case "SETNAME" where index + 1 < command.count:
                session.name = command.text(index + 1)
                index += 2
            default: throw RESPRefusal("Syntax error in HELLO option")
            }
        }
        guard session.isAdmitted else {
            throw RESPRefusal(
                coded: "NOAUTH HELLO must be called with the client already authenticated")
        }
        session.version = version
        RESPText.map(7, version: version, to: out)
        for (name, value) in [("server", "redis"), ("version", RESPEngine.redisVersion)] {
            RESPText.bulk(name, to: out)
            RESPText.bulk(value, to: out)
        }
        RESPText.bulk("proto", to: out)
        RESPText.integer(version, to: out)
        RESPText.bulk("id", to: out)
        RESPText.integer(session.id, to: out)
        for (name, value) in [("mode", "standalone"), ("role", "master")] {
            RESPText.bulk(name, to: out)
            RESPText.bulk(value, to: out)
        }
        RESPText.bulk("modules", to: out)
        RESPText.array(0, to: out)
    }

    /// The version of Redis whose commands are followed.
    static let redisVersion = "7.0.0"

    private var info: String {
        let size = store.size()
        return """
            # Server\r
            redis_version:\(RESPEngine.redisVersion)\r
            server_name:millrace\r
            redis_mode:standalone\r
            tcp_port:\(shared.port.load(ordering: .relaxed))\r
            # Clients\r
            # Memory\r
            used_memory:\(size.bytes)\r
            # Persistence\r
            loading:0\r
            # Stats\r
            total_commands_processed:\(shared.commands.value)\r
            total_error_replies:\(shared.errors.value)\r
            # Replication\r
            role:master\r
            connected_slaves:0\r
            # Cluster\r
            cluster_enabled:0\r
            # Features\r
            entity_rows:\(size.rows)\r
            project:\(layout.project)\r

            """
    }

    private func client(_ session: RESPSession) {
        switch command.text(1).uppercased() {
        case "ID": RESPText.integer(session.id, to: out)
        case "GETNAME": RESPText.bulk(session.name, to: out)
        case "SETNAME":
            if command.count > 2 { session.name = command.text(2) }
            RESPText.simple("OK", to: out)
        case "LIST", "INFO": RESPText.bulk("id=\(session.id) name=\(session.name)\n", to: out)
        default: RESPText.simple("OK", to: out)
        }
    }

    /// Describes the commands, as clients of clusters want to know where the keys are.
    private func describeCommands() {
        let wanted = command.count > 1 ? command.text(1).uppercased() : ""
        switch wanted {
        case "COUNT": return RESPText.integer(RESPEngine.rules.count, to: out)
        case "DOCS": return RESPText.array(0, to: out)
        default: break
        }
        RESPText.array(RESPEngine.rules.count, to: out)
        for (name, rule) in RESPEngine.rules.sorted(by: { $0.key < $1.key }) {
            RESPText.array(6, to: out)
            RESPText.bulk(name.lowercased(), to: out)
            RESPText.integer(rule.arity, to: out)
            RESPText.array(1, to: out)
            if rule.isWrite {
                RESPText.simple("write", to: out)
            } else {
                RESPText.simple("readonly", to: out)
            }
            let hasKeys = rule.keys != .none
            RESPText.integer(hasKeys ? 1 : 0, to: out)
            RESPText.integer(rule.keys == .all ? -1 : hasKeys ? 1 : 0, to: out)
            RESPText.integer(hasKeys ? 1 : 0, to: out)
        }
    }

    /// One node with every slot: enough for a client that was told it is a cluster.
    private func cluster(_ session: RESPSession) throws(RESPRefusal) {
        let port = shared.port.load(ordering: .relaxed)
        let id = String(repeating: "6d", count: 20)
        switch command.text(1).uppercased() {
        case "SLOTS":
            RESPText.array(1, to: out)
            RESPText.array(3, to: out)
            RESPText.integer(0, to: out)
            RESPText.integer(16_383, to: out)
            RESPText.array(3, to: out)
            RESPText.bulk(session.host, to: out)
            RESPText.integer(port, to: out)
            RESPText.bulk(id, to: out)
        case "SHARDS":
            RESPText.array(1, to: out)
            RESPText.map(2, version: session.version, to: out)
            RESPText.bulk("slots", to: out)
            RESPText.array(2, to: out)
            RESPText.integer(0, to: out)
            RESPText.integer(16_383, to: out)
            RESPText.bulk("nodes", to: out)
            RESPText.array(1, to: out)
            RESPText.map(6, version: session.version, to: out)
            let texts = [
                ("id", id), ("ip", session.host), ("role", "master"), ("health", "online"),
            ]
            for (name, value) in texts {
                RESPText.bulk(name, to: out)
                RESPText.bulk(value, to: out)
            }
            for (name, value) in [("port", port), ("replication-offset", 0)] {
                RESPText.bulk(name, to: out)
                RESPText.integer(value, to: out)
            }
        case "NODES":
            RESPText.bulk(
                "\(id) \(session.host):\(port)@\(port) myself,master - 0 0 1 connected 0-16383\n",
                to: out)
        case "MYID": RESPText.bulk(id, to: out)
        case "INFO":
            RESPText.bulk(
                "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_known_nodes:1\r\n",
                to: out)
        case "KEYSLOT" where command.count > 2:
            RESPText.integer(ClusterSlot.of(command[2]), to: out)
        default: throw RESPRefusal("unknown subcommand '\(command.text(1).prefix(64))'")
        }
    }

    private func runQueue(_ session: RESPSession) throws(RESPRefusal) {
        guard let queue = session.queue else { throw RESPRefusal("EXEC without MULTI") }
        session.queue = nil
        guard !session.isQueueBroken else {
            throw RESPRefusal(
                coded: "EXECABORT Transaction discarded because of previous errors.")
        }
        RESPText.array(queue.count, to: out)
        for raw in queue {
            raw.withUnsafeBufferPointer { _ = step($0.baseAddress!, $0.count, session) }
        }
    }
}
