import Codecs
import StreamRuntime

extension RESPEngine {
    /// Whether the command that was parsed needs what is not in memory: it is left to an engine that waits.
    func mustWait(_ session: RESPSession) -> Bool {
        let name = command.text(0).uppercased()
        guard session.isAdmitted, let rule = RESPEngine.rules[name] else { return false }
        // What is queued is answered all at once later.
        if let queue = session.queue { return name == "EXEC" && !queue.isEmpty }
        switch rule.keys {
        case .none: return name == "SCAN"
        case .first: return command.count > 1 && !isAtHand(1, session)
        case .all: return (1..<command.count).contains { !isAtHand($0, session) }
        }
    }

    /// Whether all that there may be under the key that is argument `index` is in memory.
    private func isAtHand(_ index: Int, _ session: RESPSession) -> Bool {
        if let table = locate(index, session) {
            let hash = Hash.xxh3(encoded.base, encoded.count)
            let shard = store.tables[layout.tables[table].index].shard(hash)
            guard shard.holds(hash: hash, key: encoded.base, keyLength: encoded.count) else {
                return false
            }
        }
        return shared.hashes.isAtHand(hashKey(session, index))
    }
}
