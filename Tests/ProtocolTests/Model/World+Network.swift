@testable import StreamRuntime
@testable import TestBroker

extension World {
    mutating func send(_ request: ModelRequest, _ at: Int, _ thread: ModelCall.Thread) {
        lastCall += 1
        calls.append(
            ModelCall(
                number: lastCall, process: at, life: life(thread, at), thread: thread,
                request: request))
    }

    func life(_ thread: ModelCall.Thread, _ at: Int) -> Int {
        switch thread {
        case .group: processes[at].life
        case .coordinator(let share), .sink(let share): processes[at].jobLives[share]
        }
    }

    func isStale(_ call: ModelCall) -> Bool {
        !processes[call.process].isAlive || call.life != life(call.thread, call.process)
    }

    mutating func deliver(_ index: Int, deathAfter: Int?) -> Bool {
        guard index < calls.count, !calls[index].isTaken else { return false }
        let call = calls[index]
        if isStale(call) || processes[call.process].isPaused { seen.staleWrites += 1 }
        calls[index].isTaken = true
        let reply = broker.take(call, deathAfter: deathAfter)
        story?.append("\(call) -> \(reply.map { "\($0)" } ?? "later")")
        if deathAfter != nil {
            faults += 1
            seen.halfDone += 1
            tear()
            return true
        }
        calls[index].reply = reply
        if isStale(call), reply != nil { calls.remove(at: index) }
        for (number, reply) in broker.ready {
            guard let waiting = calls.firstIndex(where: { $0.number == number }) else { continue }
            calls[waiting].reply = reply
        }
        broker.ready = []
        return true
    }

    /// All connections are torn: what was not answered is asked again.
    mutating func tear() {
        calls = calls.filter { !isStale($0) }
        for index in calls.indices where calls[index].reply == nil {
            calls[index].isTaken = false
        }
    }

    mutating func loseReply(_ index: Int) -> Bool {
        guard isFault(), index < calls.count, calls[index].reply != nil else { return false }
        faults += 1
        seen.lostReplies += 1
        calls[index].reply = nil
        calls[index].isTaken = false
        return true
    }

    mutating func answer(_ index: Int) -> Bool {
        guard index < calls.count, let reply = calls[index].reply,
            !processes[calls[index].process].isPaused
        else { return false }
        let call = calls.remove(at: index)
        guard !isStale(call) else { return true }
        let at = call.process
        switch call.thread {
        case .group:
            for share in processes[at].pausing.keys { processes[at].pausing[share] = true }
            group(reply, at)
        case .coordinator(let share), .sink(let share):
            let membership = processes[at].membership
            let request = processes[at].jobs[share]?.receive(
                reply, to: call.request, membership, &stores[share])
            if let request { send(request, at, call.thread) }
            if case .end(_, _, true) = call.request, reply == .code(.none) {
                seen.commits += 1
                processes[at].shares.noteProgress(of: share)
            }
        }
        settle(at)
        return true
    }
}
