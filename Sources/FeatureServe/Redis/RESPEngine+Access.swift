import StreamRuntime

extension RESPEngine {
    /// Checks that the session's key may run the command; fields and views are looked at as they are met.
    func authorize(
        _ name: String, _ rule: Rule, _ session: RESPSession
    ) throws(RESPRefusal) {
        guard session.isAdmitted, !RESPEngine.open.contains(name) else { return }
        let caller = session.caller
        guard mayGoOn(session) else {
            throw RESPRefusal("the key's requests of this second are used up")
        }
        switch name {
        case _ where RESPEngine.checkedAsMet.contains(name): return
        case "INFO" where !caller.isAdmin: throw .forbidden("read the server's figures")
        case _ where rule.isWrite:
            guard caller.mayWriteAll else { throw .forbidden("run \(name): it may not write all") }
        case "SCAN" where !caller.mayReadAll, _ where rule.keys != .none && !caller.mayReadAll:
            throw .forbidden("run \(name): it may not read all")
        default: return
        }
    }

    /// Commands that look at the rights to each view as they meet it: they show, and change, what the key may.
    private static let checkedAsMet: Set<String> = [
        "HMGET", "HGET", "HSET", "HMSET", "HSETNEWER", "HDEL", "HGETALL", "HKEYS", "HEXISTS",
        "HLEN", "EXISTS", "TYPE", "TTL", "PTTL", "SCAN", "DEL", "UNLINK",
    ]

    /// Whether the session's key has a request left this second; it is taken.
    @inline(__always)
    func mayGoOn(_ session: RESPSession) -> Bool {
        guard session.caller.isLimited else { return true }
        if session.isPaid {
            session.isPaid = false
            return true
        }
        return session.caller.take(nowNanos: WallClock.monotonicNanos()) == 0
    }

    /// Checks that the views of `runs` may be read; event times also by who may write them, as Feast's client
    /// reads them before it writes.
    @inline(__always)
    func check(_ runs: [ValueRun], _ table: Int?, _ session: RESPSession) throws(RESPRefusal) {
        if session.caller.mayReadAll { return }
        try checkEach(runs, table, session)
    }

    private func checkEach(
        _ runs: [ValueRun], _ table: Int?, _ session: RESPSession
    ) throws(RESPRefusal) {
        for run in runs {
            guard let table, run.slot >= 0 else {
                try checkHashes(session, writing: false)
                continue
            }
            let view = layout.tables[table].views[run.slot]
            let isTime = run.first == view.features.count
            guard
                session.caller.mayRead(view.name)
                    || isTime && session.caller.mayWrite(view.name)
            else { throw .forbidden("read feature view \(view.name)") }
        }
    }

    /// Checks that what no view declares may be read, or written: only keys with a right on all views may.
    func checkHashes(_ session: RESPSession, writing: Bool) throws(RESPRefusal) {
        guard writing ? session.caller.mayWriteAll : session.caller.mayReadAll else {
            throw .forbidden("\(writing ? "write" : "read") what no feature view declares")
        }
    }
}

extension RESPRefusal {
    /// The session's key has no right to `action`.
    static func forbidden(_ action: String) -> RESPRefusal {
        RESPRefusal(coded: "NOPERM this key may not \(action)")
    }
}
