@testable import StreamRuntime
@testable import TestBroker

extension World {
    /// No more faults: everyone goes on until all input is covered, or it is clear that it will not be.
    mutating func comeToRest() {
        for at in processes.indices { _ = pause(at, false) }
        refusal = nil
        var rounds = 0
        while violation == nil, !isDone {
            rounds += 1
            guard rounds < 400 else {
                violation =
                    refusal ?? ModelViolation("the job does not come to an end: \(standing)")
                return
            }
            round(isLate: rounds % 20 == 0)
        }
        if violation == nil { violation = brokenPromise }
    }

    mutating func round(isLate: Bool) {
        let boots = shape.hasGroup || !processes.contains(where: \.isAlive)
        for at in processes.indices where boots {
            _ = boot(at)
            if !shape.hasGroup { break }
        }
        // What a dead process has left open ends by its timeout.
        broker.age(by: 50)
        while markers(deathAfter: nil) {}
        var index = 0
        while index < calls.count {
            let before = calls.count
            _ = deliver(index, deathAfter: nil)
            if calls.count == before { index += 1 }
        }
        index = 0
        for _ in calls.indices where !answer(index) { index += 1 }
        for at in processes.indices {
            for share in 0..<shape.shares {
                let step = Step(.source, process: at, share: share)
                _ = restartJob(step)
                for part in 0..<2 {
                    _ = source(step.with(part: part))
                    _ = sink(step.with(part: part))
                }
                let job = processes[at].jobs[share]
                if isLate || job?.isStopping == true || job?.isAtEnd == true {
                    _ = checkpoint(step)
                }
                _ = complete(step)
            }
            _ = heartbeat(at)
        }
        if isLate, shape.hasGroup { passSessions() }
    }

    var isDone: Bool {
        (0..<shape.shares).allSatisfy { share in
            processes.contains { $0.jobs[share]?.isDrained == true }
        } && broker.ending.isEmpty
    }

    var standing: String {
        processes.map { process in
            let jobs = process.jobs.map { job in
                job.map {
                    "\($0.isRunning ? "running" : "starting")\($0.isStopping ? ", stopping" : "")"
                }
                    ?? "-"
            }
            return "\(process.instance) \(process.isAlive) \(process.phase) \(jobs)"
        }.joined(separator: "; ")
    }

    /// Every input record's effect is in the committed output exactly once, in order.
    var brokenPromise: ModelViolation? {
        var next = [[Int]](repeating: [0, 0], count: shape.shares)
        var counts = [Int](repeating: 0, count: shape.shares * 2 * shape.rows)
        for (partition, log) in broker.logs.enumerated() {
            for share in 0..<shape.shares { next[share] = [partition, partition] }
            for row in log.committed {
                guard row.offset == next[row.share][row.part] else {
                    return ModelViolation(
                        "output of record \(row.offset) of partition \(row.part) of share "
                            + "\(row.share) where \(next[row.share][row.part]) was to be")
                }
                guard row.count == row.offset + 1 else {
                    return ModelViolation(
                        "record \(row.offset) was counted as the \(row.count)th")
                }
                next[row.share][row.part] += 2
                counts[(row.share * 2 + row.part) * shape.rows + row.offset] += 1
            }
        }
        guard let missing = counts.firstIndex(of: 0) else { return nil }
        return ModelViolation(
            "no output of record \(missing % shape.rows) of partition \(missing / shape.rows)")
    }
}
