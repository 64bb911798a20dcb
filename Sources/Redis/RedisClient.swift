/// Asks Redis, one server or a cluster, many commands at a time; of one thread at a time.
///
/// In a cluster every command goes to the node that has its key; answers that say the key is elsewhere (MOVED,
/// ASK) are followed. Scripts are known to every server before they are called.
/// - Note: `@unchecked Sendable` because it is handed from thread to thread, never used by two.
public final class RedisClient: @unchecked Sendable {
    private let address: RedisAddress
    private let timeoutMillis: Int
    private let scripts: [String]
    private var links: [RedisAddress.Node: RedisLink] = [:]
    private var owners: [RedisAddress.Node] = []

    private static let redirectsMax = 8

    /// A client that connects when it is first asked.
    ///
    /// - Parameters:
    ///   - timeoutMillis: how long a connection or an answer may take.
    ///   - scripts: Lua that commands call by its position here.
    public init(_ address: RedisAddress, timeoutMillis: Int, scripts: [String] = []) {
        self.address = address
        self.timeoutMillis = timeoutMillis
        self.scripts = scripts
    }

    /// Forgets the connections: the next commands make new ones.
    public func disconnect() {
        links.removeAll()
        owners.removeAll()
    }

    /// Runs every command and returns the answers in order; errors of single commands are among them.
    ///
    /// - Throws: when a server cannot be reached; then some commands may have been run and some not.
    public func run(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        do throws(RedisError) {
            return try runAll(commands)
        } catch {
            disconnect()
            throw error
        }
    }

    private func runAll(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        var replies = [RedisReply](repeating: .null, count: commands.count)
        var open = Array(commands.indices)
        var round = 0
        while !open.isEmpty {
            var parts: [RedisAddress.Node: [Int]] = [:]
            var order: [RedisAddress.Node] = []
            for index in open {
                let node = try owner(commands[index])
                if parts[node] == nil { order.append(node) }
                parts[node, default: []].append(index)
            }
            for node in order {
                let link = try link(node)
                for index in parts[node]! { link.append(commands[index]) }
            }
            var again: [Int] = []
            for node in order {
                let link = try link(node)
                for index in parts[node]! { replies[index] = try link.reply() }
            }
            for index in open {
                guard case .error(let answer) = replies[index], round < RedisClient.redirectsMax
                else { continue }
                if answer.hasPrefix("ASK "), let node = RedisClient.target(answer) {
                    let link = try link(node)
                    link.append(RedisCommand("ASKING"))
                    link.append(commands[index])
                    _ = try link.reply()
                    replies[index] = try link.reply()
                } else if answer.hasPrefix("MOVED ") || answer.hasPrefix("TRYAGAIN") {
                    again.append(index)
                } else if answer.hasPrefix("NOSCRIPT") {
                    again.append(index)
                }
            }
            if let index = again.first, case .error(let answer) = replies[index] {
                if answer.hasPrefix("NOSCRIPT") {
                    links.removeAll()
                } else {
                    owners.removeAll()
                }
            }
            open = again
            round += 1
        }
        return replies
    }

    /// The node that an answer such as `MOVED 3999 127.0.0.1:6381` names.
    private static func target(_ answer: String) -> RedisAddress.Node? {
        guard let place = answer.split(separator: " ").last,
            let colon = place.lastIndex(of: ":"),
            let port = Int(place[place.index(after: colon)...])
        else { return nil }
        return RedisAddress.Node(host: String(place[..<colon]), port: port)
    }

    private func link(_ node: RedisAddress.Node) throws(RedisError) -> RedisLink {
        if let known = links[node] { return known }
        let made = try RedisLink(
            node, of: address, timeoutMillis: timeoutMillis, scripts: scripts)
        links[node] = made
        return made
    }

    private func owner(_ command: RedisCommand) throws(RedisError) -> RedisAddress.Node {
        guard address.isCluster, let key = command.key else {
            return address.isCluster ? try anyNode() : address.nodes[0]
        }
        if owners.isEmpty { try learn() }
        return owners[command.arguments[key].withUnsafeBufferPointer { ClusterSlot.of($0) }]
    }

    private func anyNode() throws(RedisError) -> RedisAddress.Node {
        if owners.isEmpty { try learn() }
        return owners[0]
    }

    /// Learns which node has which slots.
    private func learn() throws(RedisError) {
        var failure = RedisError.unreachable(place: address.text, detail: "no node answers")
        for node in address.nodes {
            do throws(RedisError) {
                let link = try link(node)
                link.append(RedisCommand("CLUSTER", "SLOTS"))
                let reply = try link.reply()
                if case .error(let answer) = reply {
                    throw .refused(place: node.text, answer: answer)
                }
                var owners = [RedisAddress.Node](repeating: node, count: ClusterSlot.count)
                for range in reply.array ?? [] {
                    guard let parts = range.array, parts.count > 2,
                        case .integer(let first) = parts[0], case .integer(let last) = parts[1],
                        let master = parts[2].array, master.count > 1,
                        let host = master[0].bytes, case .integer(let port) = master[1],
                        first >= 0, last < ClusterSlot.count, first <= last
                    else { continue }
                    // A node that does not know its own address means the one that was asked.
                    let name = host.isEmpty ? node.host : String(decoding: host, as: UTF8.self)
                    for slot in first...last {
                        owners[slot] = RedisAddress.Node(host: name, port: port)
                    }
                }
                self.owners = owners
                return
            } catch {
                links[node] = nil
                failure = error
            }
        }
        throw failure
    }
}
