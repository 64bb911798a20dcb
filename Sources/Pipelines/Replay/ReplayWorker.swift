import Foundation
import StreamRuntime

/// What one of the processes that `verify-replay` starts has to do.
struct WorkerOrder: Codable {
    let file: String
    let only: [String]
    let fingerprint: String
    /// The scratch place.
    let directory: String
    let ranges: SourceRanges
    /// State directories of runs before, whose answers to lookups count.
    var earlier: [String] = []
    var workers: Int
    var batchRows: Int
    var batchBytes: Int
    var checkpointMillis: Int
    /// Records after which the process kills itself; nil for a life to the end.
    var dieAfter: Int64?
    /// How much later than that, in microseconds.
    var dieDelayMicros: UInt32
}

/// The hidden command that runs pipelines over fixed ranges into a scratch place, or dies trying.
public enum ReplayWorker {
    /// Does what the order in the file at `path` says and returns the exit code.
    public static func run(order path: String) -> Int32 {
        do throws(JobFailure) {
            guard let order = try ReplayFiles.read(WorkerOrder.self, from: path) else {
                throw JobFailure(
                    .environment, "there is no order", at: path,
                    remedy: "this command is for verify-replay only")
            }
            switch PlanReader.read(path: order.file, only: order.only) {
            case .failure(let output):
                Terminal.error(output.text)
                return output.exitCode
            case .success(let plan):
                guard plan.fingerprint == order.fingerprint else {
                    throw JobFailure(
                        .environment, "the pipelines file has changed meanwhile", at: order.file,
                        remedy: "start again")
                }
                let rows = try run(plan, order)
                try ReplayFiles.write(rows, to: order.directory + "/rows")
                return 0
            }
        } catch {
            Terminal.error("error: \(error)\n")
            return error.exitCode
        }
    }

    private static func run(_ plan: JobPlan, _ order: WorkerOrder) throws(JobFailure) -> Int64 {
        var settings = RunSettings(
            workers: order.workers, batchRows: order.batchRows,
            checkpointNanos: Int64(order.checkpointMillis) * 1_000_000)
        settings.batchBytes = order.batchBytes
        let delay = order.dieDelayMicros
        let account =
            order.dieAfter.map { RangeAccount(limit: $0) { ReplayWorker.die(after: delay) } }
            ?? RangeAccount()
        var moved = plan.redirected(
            to: ScratchPlace(directory: order.directory), partitions: plan.livePartitions)
        // What no run of the live job has asked is asked once, by the first of these.
        moved.settings.answersFrom += order.earlier
        let run = BoundedRun(
            plan: moved, ranges: order.ranges, rules: RangedSource.Rules(finish: .end),
            account: account,
            settings: settings)
        let summary = try run.run()
        if case .failed(let failure) = summary.outcome { throw failure }
        return summary.rows
    }

    /// SIGKILL: nothing is written, closed or flushed.
    private static func die(after micros: UInt32) {
        guard micros > 0 else {
            kill(getpid(), SIGKILL)
            return
        }
        Thread.detachNewThread {
            usleep(micros)
            kill(getpid(), SIGKILL)
        }
    }
}
